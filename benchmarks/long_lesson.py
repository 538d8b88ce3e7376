"""A lesson of any length that never was: all its journals, written as the stages would have, and not one media file.

Three cameras with sound and a microphone, recorded live, observed, planned, encoded and stored up to a few seconds
before its end. Their clocks drift, one camera was lost once for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.ladders import ladder
from lesson.model import (
    Anchor,
    ChunkRecord,
    CropKey,
    Kind,
    Layout,
    LessonHeader,
    Observation,
    PtsRange,
    Rectangle,
    Role,
    SegmentRecord,
    SourceSpec,
    StreamInfo,
)
from lesson.records import (
    ChunkEncoded,
    CropPath,
    EpochStarted,
    FrozenUntil,
    Mapped,
    ObjectStored,
    Origin,
    Record,
    RenditionStarted,
    SegmentCommitted,
    SegmentObserved,
    Shot,
    SourceLost,
    Start,
)
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, ClockMap, Grid, Span
from tracking.detectors import DETECTORS

SEGMENT_S = 4
DRIFT_EVERY_S = 50
"""Two clocks 100 ppm apart have drifted by 5 ms, and the plan gets a new clock map."""
UNPLANNED_S = 12
OUTAGE_S = (100, 108)
_BOOT = "a boot that never was"
_BEGAN_S = 1_000
_ROLES = (Role.TEACHER, Role.STUDENTS, Role.BOARD, Role.MIC)
_PICTURES = StreamInfo(kind=Kind.VIDEO, codec="h264", width=1920, height=1080, fps=Fraction(25))
_SOUND = StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1)
_NO_DIGEST = "0" * 64


def moment(seconds: float) -> Moment:
    """`seconds` after the lesson's tick 0, on clocks that never ran."""
    wall = datetime(2026, 11, 2, 8, tzinfo=UTC) + timedelta(seconds=seconds)
    monotonic_ns = round((_BEGAN_S + seconds) * NANOSECONDS_PER_SECOND)
    return Moment(_BOOT, monotonic_ns, wall.isoformat(timespec="milliseconds"))


def write_lesson(root: Path, seconds: int) -> LessonFolder:
    """The folder of a lesson that has been running for `seconds`."""
    specs = tuple(SourceSpec(id=role.value, role=role, uri=f"test:{role.value}", required=True) for role in _ROLES)
    header = LessonHeader(
        id=f"lesson-{seconds}",
        title="Long",
        room="Room 3",
        created_wall=moment(0).wall,
        sources=specs,
        ladder=ladder("thin"),
    )
    folder = LessonFolder.create(root, header)
    append_records(folder.control_journal, [Start(at=moment(0))])
    for spec in specs:
        append_records(folder.raw_journal(spec.id), _recorded(spec, seconds))
        append_records(folder.observe_journal(spec.id), _observed(spec, seconds))
    end = (seconds - UNPLANNED_S) * TICKS_PER_SECOND // header.grid.chunk * header.grid.chunk
    append_records(folder.plan_journal(), _planned(header, end))
    for rendition in header.ladder:
        append_records(folder.rendition_journal(rendition.name), _encoded(rendition.name, header.grid, end))
    stored = [_stored(rendition.name, index) for rendition in header.ladder for index in range(header.grid.chunks(end))]
    append_records(folder.publish_journal, stored)
    return folder


def _epoch_of(spec: SourceSpec, at_s: int) -> int:
    return int(spec.role is Role.STUDENTS and at_s >= OUTAGE_S[1])


def _there(spec: SourceSpec, at_s: int) -> bool:
    return spec.role is not Role.STUDENTS or not OUTAGE_S[0] <= at_s < OUTAGE_S[1]


def _recorded(spec: SourceSpec, seconds: int) -> Iterator[Record]:
    streams = (_SOUND,) if spec.role is Role.MIC else (_PICTURES, _SOUND)
    yield EpochStarted(source=spec.id, epoch=0, at=moment(0), streams=streams)
    for seq, at_s in enumerate(range(0, seconds, SEGMENT_S)):
        if spec.role is Role.STUDENTS and at_s == OUTAGE_S[0]:
            yield SourceLost(source=spec.id, epoch=0, at=moment(at_s), reason="unplugged", code="no_signal")
        if spec.role is Role.STUDENTS and at_s == OUTAGE_S[1]:
            yield EpochStarted(source=spec.id, epoch=1, at=moment(at_s), streams=streams)
        if _there(spec, at_s):
            yield SegmentCommitted(segment=_segment(spec, seq, at_s))


def _segment(spec: SourceSpec, seq: int, at_s: int) -> SegmentRecord:
    first, end = 1_000 * at_s, 1_000 * (at_s + SEGMENT_S)
    pictures = PtsRange(first=first, last=end - 40, end=end, key=first, packets=25 * SEGMENT_S)
    sound = PtsRange(first=first, last=end - 20, end=end, key=first, packets=50 * SEGMENT_S)
    epoch = _epoch_of(spec, at_s)
    return SegmentRecord(
        source=spec.id,
        epoch=epoch,
        seq=seq,
        path=f"raw/{spec.id}/e{epoch:02d}/{seq:06d}.mkv",
        bytes=2_000_000,
        sha256=_NO_DIGEST,
        time_base=Fraction(1, 1000),
        video=None if spec.role is Role.MIC else pictures,
        audio=sound,
        anchors=(Anchor(pts=end, monotonic_ns=moment(at_s + SEGMENT_S).monotonic_ns),),
    )


def _observed(spec: SourceSpec, seconds: int) -> Iterator[Record]:
    if spec.role is Role.MIC:
        return
    body = Rectangle(0.4, 0.3, 0.1, 0.4)
    for seq, at_s in enumerate(range(0, seconds, SEGMENT_S)):
        if _there(spec, at_s):
            times = range(at_s * TICKS_PER_SECOND, (at_s + SEGMENT_S) * TICKS_PER_SECOND, TICKS_PER_SECOND // 4)
            seen = tuple(Observation(at=at, motion=(body,), motion_level=0.02) for at in times)
            for name in DETECTORS[spec.role]:
                yield SegmentObserved(
                    source=spec.id,
                    epoch=_epoch_of(spec, at_s),
                    seq=seq,
                    detector=f"{name}/1",
                    observations=seen if name == "motion" else (),
                )


def _planned(header: LessonHeader, end: int) -> Iterator[Record]:
    yield Origin(at=moment(0), master="mic")
    for spec in header.sources:
        for number, at_s in enumerate(range(0, end // TICKS_PER_SECOND, DRIFT_EVERY_S)):
            drift = 0 if spec.role is Role.MIC else 240 * number
            for epoch in (0, 1) if spec.role is Role.STUDENTS else (0,):
                at = at_s * TICKS_PER_SECOND
                yield Mapped(map=ClockMap(spec.id, epoch, Span(at, at + 4 * TICKS_PER_SECOND), drift))
    camera = CropKey(at=0, box=Rectangle(0.2, 0.2, 0.5, 0.5))
    for index, span in enumerate(header.grid.spans(end)):
        shown = ("board", "teacher") if index // 4 % 2 else ("teacher",)
        layout = Layout.PIP if len(shown) > 1 else Layout.FULL
        yield Shot(span=span, layout=layout, sources=shown, reason="made up")
        keys = tuple(CropKey(at=at, box=camera.box) for at in range(span.start, span.end, TICKS_PER_SECOND // 4))
        yield CropPath(source="teacher", span=span, keys=keys)
        yield FrozenUntil(at=span.end)


def _encoded(rendition: str, grid: Grid, end: int) -> Iterator[Record]:
    yield RenditionStarted(
        rendition=rendition,
        digest="0" * 16,
        codecs="avc1.64001f",
        init_path=f"enc/{rendition}/init.mp4",
        init_bytes=800,
        init_sha256=_NO_DIGEST,
    )
    for index, span in enumerate(grid.spans(end)):
        path = f"enc/{rendition}/{index:06d}.m4s"
        chunk = ChunkRecord(
            rendition=rendition,
            index=index,
            span=span,
            path=path,
            bytes=9_000 + index % 7,
            sha256=_NO_DIGEST,
            inputs="",
        )
        yield ChunkEncoded(chunk=chunk)


def _stored(rendition: str, index: int) -> Record:
    return ObjectStored(key=f"{rendition}/{index:06d}.m4s", bytes=9_000, sha256=_NO_DIGEST)
