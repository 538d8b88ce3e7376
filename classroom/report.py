"""What a command says about a lesson when it is done: the JSON of the outside contract."""

from __future__ import annotations

from typing import Any

from lesson.edition_state import skipped_rungs
from lesson.folder import LessonFolder
from lesson.glance import LessonEntry
from lesson.hls import published_url
from lesson.ledger import StreamSummary, ledger_problems, stream_summaries
from lesson.manifest import gap_summary, rendition_summary
from lesson.state import LessonView, Phase
from lesson.time import Ticks, seconds_from_ticks


def lesson_report(folder: LessonFolder, view: LessonView, problems: list[str]) -> dict[str, Any]:
    """The object printed by `record`, `import`, `process` and `demo`."""
    state = view.state
    return {
        "lesson_id": folder.id,
        "lesson_dir": str(folder.path),
        "published_url": published_url(state),
        "duration_s": round(seconds_from_ticks(state.duration), 3),
        "renditions": [rendition_summary(state, rendition) for rendition in state.ladder],
        "gaps": [gap_summary(gap) for gap in state.gaps()],
        "streams": [_stream_entry(summary) for summary in stream_summaries(state)],
        "problems": [*view.damage, *problems, *skipped_rungs(state.edition), *ledger_problems(state)],
    }


def _stream_entry(summary: StreamSummary) -> dict[str, Any]:
    """One line of the ledger, in seconds."""
    return {
        "source": summary.source,
        "kind": summary.kind.value,
        "announced": summary.announced,
        "first_s": _seconds(summary.first),
        "last_s": _seconds(summary.last),
        "held_s": _seconds(summary.held),
        "stated_s": _seconds(summary.stated),
        "dropped_s": _seconds(summary.dropped),
        "reason": summary.reason,
    }


def _seconds(ticks: Ticks | None) -> float | None:
    return None if ticks is None else round(seconds_from_ticks(ticks), 3)


def lesson_entry(entry: LessonEntry) -> dict[str, Any]:
    """One entry of `classreel lessons`; a lesson that cannot be read is listed as damaged, never hidden."""
    header = entry.header
    listed: dict[str, Any] = {
        "lesson_id": entry.folder.id,
        "title": header.title if header else "",
        "room": header.room if header else "",
        "state": entry.phase.value if entry.phase else "damaged",
        "started": entry.start.at.wall if entry.start else header.created_wall if header else "",
        "timezone": header.timezone if header else "UTC",
        "duration_s": entry.duration_s,
        "lesson_dir": str(entry.folder.path),
        "published_url": entry.published_url if entry.phase is Phase.PUBLISHED else None,
    }
    return {**listed, "problem": entry.problem} if entry.problem else listed
