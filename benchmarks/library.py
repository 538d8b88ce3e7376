"""Lesson folders as years of school leave them: journals and manifests of published lessons, the media taken away.

Made with the vocabulary of `lesson/`. Journals that name no lesson are hard links to the first folder's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from lesson.clock import Moment
from lesson.folder import CRC, LessonFolder, header_text
from lesson.journal import append_records
from lesson.ladders import ladder
from lesson.manifest import manifest
from lesson.model import (
    Anchor,
    ChunkRecord,
    Kind,
    Layout,
    LessonHeader,
    PtsRange,
    Rendition,
    Role,
    SegmentRecord,
    SourceSpec,
    StreamInfo,
)
from lesson.records import (
    ChunkEncoded,
    EpochStarted,
    FrozenUntil,
    Mapped,
    ObjectStored,
    Origin,
    PlaylistPublished,
    PublishStarted,
    Record,
    RenditionStarted,
    SegmentCommitted,
    Shot,
    SourceFinished,
    Start,
    Stop,
    Verified,
    encode_line,
)
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from lesson.view import load_state

SOURCES = (
    SourceSpec(id="teacher", role=Role.TEACHER, uri="test:teacher?size=320x180", required=True),
    SourceSpec(id="students", role=Role.STUDENTS, uri="test:students?size=320x180"),
    SourceSpec(id="board", role=Role.BOARD, uri="test:board?size=320x180"),
    SourceSpec(id="mic", role=Role.MIC, uri="test:tone", required=True),
)
SEGMENT_S = 4
FIRST_DAY = datetime(2020, 9, 1, 8, tzinfo=UTC)
_MILLISECOND = Fraction(1, 1000)
_OLD_BOOT = "00000000-0000-4000-8000-000000000000"
_NO_SHA = "0" * 64
_SHOT_S = 10


def craft_library(root: Path, count: int, *, minutes: float = 45.0) -> None:
    """Make `count` published lessons of that length, an hour apart, oldest first."""
    pattern: _Pattern | None = None
    for number in range(count):
        began = FIRST_DAY + timedelta(hours=number)
        header = _header(f"{began:%Y%m%d-%H%M%S}-{number % 65536:04x}", began)
        if pattern is None:
            pattern = _Pattern(_craft(root, header, began, minutes))
        else:
            pattern.copy(root, header)


def craft_interrupted(root: Path, *, seconds_ago: float = 60.0, sources: tuple[SourceSpec, ...] = SOURCES) -> Path:
    """Make the newest lesson: begun that long ago in another boot, a few segments recorded, never stopped."""
    began = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    folder = LessonFolder.create(root, _header(f"{began:%Y%m%d-%H%M%S}-ffff", began, sources))
    append_records(folder.control_journal, [Start(at=_moment(began, 0.0))])
    for spec in sources:
        append_records(folder.raw_journal(spec.id), _recorded(spec, began, segments=3))
    return folder.path


def _header(lesson_id: str, began: datetime, sources: tuple[SourceSpec, ...] = SOURCES) -> LessonHeader:
    return LessonHeader(
        id=lesson_id,
        title=f"Lesson of {began:%d %B, %H:%M}",
        room="Room 3",
        created_wall=began.isoformat(timespec="milliseconds"),
        sources=sources,
        ladder=ladder("thin"),
    )


def _moment(began: datetime, seconds: float) -> Moment:
    wall = (began + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return Moment(_OLD_BOOT, round((1_000 + seconds) * 1e9), wall)


def _craft(root: Path, header: LessonHeader, began: datetime, minutes: float) -> LessonFolder:
    folder = LessonFolder.create(root, header)
    segments = round(minutes * 60 / SEGMENT_S)
    end: Ticks = segments * SEGMENT_S * TICKS_PER_SECOND
    over = _moment(began, segments * SEGMENT_S)
    append_records(folder.control_journal, [Start(at=_moment(began, 0.0)), Stop(at=over)])
    for spec in header.sources:
        finished = SourceFinished(source=spec.id, at=over)
        append_records(folder.raw_journal(spec.id), [*_recorded(spec, began, segments=segments), finished])
    append_records(folder.plan_journal(), _planned(header, began, end))
    for rendition in header.ladder:
        append_records(folder.rendition_journal(rendition.name), _encoded(header, rendition, end))
    _publish(folder, "".join(_line(record) for record in _published(header, end)))
    return folder


def _recorded(spec: SourceSpec, began: datetime, *, segments: int) -> list[Record]:
    sound = spec.role is Role.MIC
    stream = (
        StreamInfo(kind=Kind.AUDIO, codec="aac", rate=TICKS_PER_SECOND, channels=1)
        if sound
        else StreamInfo(kind=Kind.VIDEO, codec="h264", width=1920, height=1080, fps=Fraction(25))
    )
    records: list[Record] = [EpochStarted(source=spec.id, epoch=0, at=_moment(began, 1.0), streams=(stream,))]
    for seq in range(segments):
        first = seq * SEGMENT_S * 1000
        pts = PtsRange(first=first, last=first + 3960, end=first + 4000, key=first, packets=100)
        anchor = Anchor(pts=first, monotonic_ns=_moment(began, 1.0 + seq * SEGMENT_S).monotonic_ns)
        segment = SegmentRecord(
            source=spec.id, epoch=0, seq=seq, path=f"raw/{spec.id}/e00/{seq:06d}.mkv", bytes=2_000_000,
            sha256=_NO_SHA, time_base=_MILLISECOND, video=None if sound else pts, audio=pts if sound else None,
            anchors=(anchor,),
        )  # fmt: skip
        records.append(SegmentCommitted(segment=segment))
    return records


def _planned(header: LessonHeader, began: datetime, end: Ticks) -> list[Record]:
    records: list[Record] = [Origin(at=_moment(began, 1.0), master="mic")]
    records += [Mapped(map=ClockMap(source=s.id, epoch=0, span=Span(0, end), offset=0)) for s in header.sources]
    shot = _SHOT_S * TICKS_PER_SECOND
    records += [
        Shot(span=Span(at, min(end, at + shot)), layout=Layout.FULL, sources=("teacher",), reason="speaks")
        for at in range(0, end, shot)
    ]
    records += [FrozenUntil(at=span.end) for span in header.grid.spans(end)]
    return [*records, FrozenUntil(at=end, final=True)]


def _encoded(header: LessonHeader, rendition: Rendition, end: Ticks) -> list[Record]:
    name = rendition.name
    started = RenditionStarted(
        rendition=name,
        digest=rendition.digest,
        codecs="avc1.64001e",
        init_path=f"enc/{name}/init.mp4",
        init_bytes=700,
        init_sha256=_NO_SHA,
    )
    records: list[Record] = [started]
    for index, span in enumerate(header.grid.spans(end)):
        chunk = ChunkRecord(
            rendition=name, index=index, span=span, path=f"enc/{name}/{index:06d}.m4s", bytes=20_000,
            sha256=_NO_SHA, inputs=_NO_SHA,
        )  # fmt: skip
        records.append(ChunkEncoded(chunk=chunk))
    return records


def _published(header: LessonHeader, end: Ticks) -> Iterable[Record]:
    for index, _ in enumerate(header.grid.spans(end)):
        for rendition in header.ladder:
            yield ObjectStored(key=f"{rendition.name}/{index:06d}.m4s", bytes=20_000, sha256=_NO_SHA)
            if index % 4 == 3:
                yield PlaylistPublished(key=f"{rendition.name}/index.m3u8", chunks=index, final=False, sha256=_NO_SHA)


def _line(record: Record) -> str:
    return encode_line(record).decode()


def _publish(folder: LessonFolder, stored: str) -> None:
    """Write the manifest, and the publish journal around what is the same for all."""
    text = manifest(load_state(folder))
    folder.manifest_path.write_bytes(text)
    _write_publish_journal(folder, stored, text)


def _write_publish_journal(folder: LessonFolder, stored: str, text: bytes) -> None:
    folder.publish_journal.parent.mkdir(exist_ok=True)
    verified = Verified(objects=stored.count("\n"), bytes=1, manifest_sha256=hashlib.sha256(text).hexdigest())
    started = PublishStarted(url=f"file:///srv/store/{folder.id}")
    folder.publish_journal.write_text(_line(started) + stored + _line(verified))


class _Pattern:
    """The first lesson, to be made again under other names: what names it is written anew, all else are hard links."""

    def __init__(self, first: LessonFolder) -> None:
        self._header = first.header
        self._header_text = first.header_path.read_text()
        self._manifest = first.manifest_path.read_text()
        self._stored = "".join(first.publish_journal.read_text().splitlines(keepends=True)[1:-1])
        own = {first.header_path, first.header_copy, first.manifest_path, first.publish_journal}
        files = [path for path in first.path.rglob("*") if path.is_file() and path not in own]
        self._links = [(path, path.relative_to(first.path)) for path in files]
        self._folders = sorted({path.parent for _, path in self._links})

    def copy(self, root: Path, header: LessonHeader) -> None:
        folder = LessonFolder(root / header.id)
        for part in self._folders:
            (folder.path / part).mkdir(parents=True, exist_ok=True)
        for path, relative in self._links:
            os.link(path, folder.path / relative)
        fields = json.loads(self._renamed(self._header_text, header))
        for path in (folder.header_path, folder.header_copy):
            path.write_bytes(header_text({name: value for name, value in fields.items() if name != CRC}))
        text = self._renamed(self._manifest, header)
        folder.manifest_path.write_text(text)
        _write_publish_journal(folder, self._stored, text.encode())

    def _renamed(self, text: str, new: LessonHeader) -> str:
        for field in ("id", "title", "created_wall"):
            text = text.replace(getattr(self._header, field), getattr(new, field))
        return text
