"""What a command says about a lesson when it is done: the JSON of the outside contract."""

from __future__ import annotations

from typing import Any

from lesson.errors import ClassreelError
from lesson.folder import LessonFolder
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.state import LessonState, LessonView, Phase, load_state
from lesson.time import TICKS_PER_SECOND, Grid, seconds_from_ticks


def lesson_report(folder: LessonFolder, view: LessonView, problems: list[str]) -> dict[str, Any]:
    """The object printed by `record`, `import`, `process` and `demo`."""
    state = view.state
    return {
        "lesson_id": folder.id,
        "lesson_dir": str(folder.path),
        "published_url": published_url(state),
        "duration_s": round(seconds_from_ticks(state.duration), 3),
        "renditions": [
            _rendition(
                rendition,
                state.header.grid,
                [chunk for _, chunk in sorted(state.renditions[rendition.name].chunks.items())],
            )
            for rendition in state.header.ladder
        ],
        "gaps": [
            {
                "source": gap.source,
                "start_s": round(seconds_from_ticks(gap.span.start), 3),
                "end_s": round(seconds_from_ticks(gap.span.end), 3),
                "reason": gap.reason,
            }
            for gap in state.gaps()
        ],
        "problems": [*view.damage, *problems],
    }


def published_url(state: LessonState) -> str | None:
    """Where the multivariant playlist is, once it is there."""
    if state.publish_url is None or "index.m3u8" not in state.playlists:
        return None
    return f"{state.publish_url}/index.m3u8"


def _rendition(rendition: Rendition, grid: Grid, chunks: list[ChunkRecord]) -> dict[str, Any]:
    total = sum(chunk.bytes for chunk in chunks)
    seconds = sum(seconds_from_ticks(chunk.span.duration) for chunk in chunks)
    video = rendition.kind is Kind.VIDEO
    return {
        "name": rendition.name,
        "kind": rendition.kind.value,
        "codec": rendition.codec,
        "width": rendition.width if video else None,
        "height": rendition.height if video else None,
        "fps": float(grid.fps / rendition.frame_divisor) if video else None,
        "avg_bps": round(total * 8 / seconds) if seconds else 0,
        "peak_bps": max((_bps(chunk) for chunk in chunks), default=0),
        "bytes": total,
    }


def _bps(chunk: ChunkRecord) -> int:
    return round(chunk.bytes * 8 * TICKS_PER_SECOND / max(1, chunk.span.duration))


def lesson_entry(folder: LessonFolder) -> dict[str, Any]:
    """One entry of `classreel lessons`; a lesson that cannot be read is listed as damaged, never hidden."""
    try:
        return _summary(folder, load_state(folder))
    except ClassreelError as error:
        return {
            "lesson_id": folder.id, "title": "", "room": "", "state": "damaged", "started": "", "duration_s": 0.0,
            "lesson_dir": str(folder.path), "published_url": None, "problem": str(error),
        }  # fmt: skip


def _summary(folder: LessonFolder, state: LessonState) -> dict[str, Any]:
    return {
        "lesson_id": folder.id,
        "title": state.header.title,
        "room": state.header.room,
        "state": state.phase.value,
        "started": state.start.at.wall if state.start else state.header.created_wall,
        "duration_s": round(seconds_from_ticks(state.duration), 3),
        "lesson_dir": str(folder.path),
        "published_url": published_url(state) if state.phase is Phase.PUBLISHED else None,
    }
