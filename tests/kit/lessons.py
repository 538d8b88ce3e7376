"""Small lesson folders, made through the real journals, for tests that need no media in them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter, append_records
from lesson.model import (
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
    Origin,
    Record,
    RenditionStarted,
    SegmentCommitted,
    Shot,
    SourceFinished,
    Start,
    Stop,
)
from lesson.time import TICKS_PER_SECOND, ClockMap, Grid, Span, Ticks
from lesson.view import load_state

MILLISECOND = Fraction(1, 1000)
SEGMENT_S = 4
TINY_GRID = Grid(chunk=TICKS_PER_SECOND, frame=1_920)

VOICE = Rendition(name="voice", kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1, bitrate=24_000)
LOW = Rendition(
    name="low", kind=Kind.VIDEO, codec="h264", width=160, height=90, crf=30, maxrate=60_000, bufsize=120_000,
    preset="ultrafast",
)  # fmt: skip
HIGH = Rendition(
    name="high", kind=Kind.VIDEO, codec="h264", width=320, height=180, crf=28, maxrate=200_000, bufsize=400_000,
    preset="ultrafast",
)  # fmt: skip
TINY_LADDER = (VOICE, LOW, HIGH)


def source(role: Role | str, source_id: str | None = None, **fields: object) -> SourceSpec:
    """A source named after its role, `test:` by default."""
    role = Role(role)
    values: dict[str, object] = {"uri": f"test:{role.value}", **fields}
    return SourceSpec(id=source_id or role.value, role=role, **values)  # type: ignore[arg-type]


TEACHER_AND_MIC = (source("teacher", required=True), source("mic", uri="test:tone"))


def header(lesson_id: str = "lesson", **fields: object) -> LessonHeader:
    """A header with a tiny ladder; `fields` replace what is given."""
    values: dict[str, object] = {
        "title": "Fractions",
        "room": "Room 3",
        "created_wall": "2026-11-02T08:00:00.000+00:00",
        "sources": TEACHER_AND_MIC,
        "ladder": TINY_LADDER,
        **fields,
    }
    return LessonHeader(id=lesson_id, **values)  # type: ignore[arg-type]


def make_lesson(root: Path, lesson_id: str = "lesson", **fields: object) -> LessonFolder:
    """A lesson folder with nothing but its header."""
    return LessonFolder.create(root, header(lesson_id, **fields))


def moment(seconds: float = 0.0, *, boot: str = "boot-1") -> Moment:
    """A made-up moment, `seconds` after eight o'clock."""
    wall = datetime(2026, 11, 2, 8, tzinfo=UTC) + timedelta(seconds=seconds)
    return Moment(boot, round((1_000 + seconds) * 1e9), wall.isoformat(timespec="milliseconds"))


def start(folder: LessonFolder, *, at: Moment | None = None, for_s: float | None = None) -> None:
    append_records(folder.control_journal, [Start(at=at or moment(), for_s=for_s)])


def stop(folder: LessonFolder, *, at: Moment | None = None) -> None:
    append_records(folder.control_journal, [Stop(at=at or moment(60))])


def epoch_started(spec: SourceSpec, epoch: int = 0, **fields: object) -> EpochStarted:
    """An epoch with the stream its role suggests: sound for a microphone, else 160×90 pictures at 25 fps."""
    video = StreamInfo(kind=Kind.VIDEO, codec="h264", width=160, height=90, fps=Fraction(25))
    audio = StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1)
    values: dict[str, object] = {
        "at": moment(),
        "streams": (audio if spec.role is Role.MIC else video,),
        **fields,
    }
    return EpochStarted(source=spec.id, epoch=epoch, **values)  # type: ignore[arg-type]


def segment(spec: SourceSpec, seq: int, *, epoch: int = 0, start_s: float | None = None, seconds: float = SEGMENT_S,
            path: str = "", data: bytes = b"") -> SegmentRecord:  # fmt: skip
    """The record of a segment of `seconds`, by default following its predecessors without a hole."""
    first = round(1000 * (seq * SEGMENT_S if start_s is None else start_s))
    end = first + round(1000 * seconds)
    pts = PtsRange(first=first, last=end - 40, end=end, key=first, packets=max(1, round(seconds * 25)))
    sound = spec.role is Role.MIC
    return SegmentRecord(
        source=spec.id,
        epoch=epoch,
        seq=seq,
        path=path or f"raw/{spec.id}/e{epoch:02d}/{seq:06d}.mkv",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        time_base=MILLISECOND,
        video=None if sound else pts,
        audio=pts if sound else None,
    )


def write_segment(
    folder: LessonFolder, spec: SourceSpec, seq: int, *, epoch: int = 0, **fields: object
) -> SegmentCommitted:
    """A segment file of arbitrary bytes and the record that commits it (not yet appended)."""
    path = folder.segment_path(spec.id, epoch, seq)
    data = f"{spec.id} {epoch} {seq}".encode() * 50
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return SegmentCommitted(
        segment=segment(spec, seq, epoch=epoch, path=folder.relative(path), data=data, **fields)  # type: ignore[arg-type]
    )


def record_all(folder: LessonFolder, *, segments: int = 3, finished: bool = True) -> None:
    """Started, every source recorded in one epoch of `segments` × 4 s, and stopped unless not `finished`."""
    start(folder)
    for spec in folder.header.sources:
        records: list[Record] = [epoch_started(spec)]
        records += [write_segment(folder, spec, seq) for seq in range(segments)]
        if finished:
            records.append(SourceFinished(source=spec.id, at=moment(segments * SEGMENT_S)))
        append_records(folder.raw_journal(spec.id), records)
    if finished:
        stop(folder, at=moment(segments * SEGMENT_S))


def plan_all(folder: LessonFolder, *, end: Ticks = 3 * SEGMENT_S * TICKS_PER_SECOND, final: bool = True) -> None:
    """A plan that shows the first source throughout, every source's clock being the lesson clock."""
    first = folder.header.sources[0].id
    records: list[Record] = [Origin(at=moment(), master=None)]
    records += [
        Mapped(map=ClockMap(source=spec.id, epoch=0, span=Span(0, end), offset=0)) for spec in folder.header.sources
    ]
    records += [
        Shot(span=Span(0, end), layout=Layout.FULL, sources=(first,), reason="safe wide shot"),
        FrozenUntil(at=end, final=final),
    ]
    append_records(folder.plan_journal(), records)


def encode_all(folder: LessonFolder, *, end: Ticks = 3 * SEGMENT_S * TICKS_PER_SECOND) -> None:
    """Chunk files of arbitrary bytes for every rendition over `[0, end)`, with their journals."""
    for rendition in folder.header.ladder:
        init = f"init of {rendition.name}".encode()
        with JournalWriter(folder.rendition_journal(rendition.name)) as journal:
            path = old_init(folder, rendition.name)
            path.write_bytes(init)
            journal.append(
                RenditionStarted(
                    rendition=rendition.name,
                    digest=rendition.digest,
                    codecs="mp4a.40.2" if rendition.kind is Kind.AUDIO else "avc1.64000c",
                    init_path=folder.relative(path),
                    init_bytes=len(init),
                    init_sha256=hashlib.sha256(init).hexdigest(),
                )
            )
            for index, span in enumerate(folder.header.grid.spans(end)):
                journal.append(write_chunk(folder, rendition, index, span))


def made_lesson(root: Path) -> LessonFolder:
    """A lesson that is recorded, planned and encoded, and not published."""
    folder = make_lesson(root)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


def files_of(folder: LessonFolder, rendition: str) -> list[Path]:
    """The initialisation segment and the chunks of a rendition, in order, as journals name them."""
    progress = load_state(folder).renditions[rendition]
    assert progress.started is not None
    chunks = [chunk.path for chunk in progress.named(progress.leading)]
    return [folder.absolute(path) for path in (progress.started.init_path, *chunks)]


def old_init(folder: LessonFolder, rendition: str) -> Path:
    """Where schema 1 put an initialisation segment, and lessons made up by tests do."""
    return folder.rendition_folder(rendition) / "init.mp4"


def old_chunk(folder: LessonFolder, rendition: str, index: int) -> Path:
    """Where schema 1 put a chunk, and lessons made up by tests do."""
    return folder.rendition_folder(rendition) / f"{index:06d}.m4s"


def write_chunk(folder: LessonFolder, rendition: Rendition, index: int, span: Span) -> ChunkEncoded:
    """A chunk file of arbitrary bytes and the record that commits it (not yet appended)."""
    data = f"{rendition.name} {index}".encode() * (100 + 10 * (index % 3))
    path = old_chunk(folder, rendition.name, index)
    path.write_bytes(data)
    return ChunkEncoded(
        chunk=ChunkRecord(
            rendition=rendition.name,
            index=index,
            span=span,
            path=folder.relative(path),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            inputs="0" * 16,
        )
    )


def make_again(folder: LessonFolder) -> int:
    """What the encode stage does of chunks and initialisation segments known to be damaged; how many there were."""
    state, count = load_state(folder), 0
    for rendition in folder.header.ladder:
        progress, records = state.renditions[rendition.name], list[Record]()
        if progress.init_spoilt and progress.started:
            path = folder.init_path(rendition.name, f"{len(progress.damaged)}")
            path.write_bytes(f"init of {rendition.name}".encode())
            records.append(replace(progress.started, init_path=folder.relative(path)))
        for index in progress.spoilt:
            path = folder.chunk_path(rendition.name, index, f"{len(progress.damaged)}")
            data = f"{rendition.name} {index}, once more".encode()
            path.write_bytes(data)
            made = replace(
                progress.chunks[index],
                path=folder.relative(path),
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            records.append(ChunkEncoded(chunk=made))
        append_records(folder.rendition_journal(rendition.name), records)
        count += len(records)
    return count
