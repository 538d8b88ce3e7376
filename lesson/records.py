"""Every kind of line a journal may hold, and their text form.

A line is one JSON object, `{"type": …, fields…, "crc": "8 hex digits"}`: readable with any JSON tool, and the CRC-32
over the bytes before `,"crc"` makes the line a commit. Unknown fields and unknown types (of later versions) are
skipped, so that an older version can still read what it understands.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from lesson.clock import Moment
from lesson.errors import LessonFormatError
from lesson.loss import Loss
from lesson.model import ChunkRecord, CropKey, Kind, Layout, Observation, SegmentRecord, StreamInfo
from lesson.time import ClockMap, Span, Ticks

_CRC_FIELD = b',"crc":"'
_TYPE_FIRST = re.compile(rb'\{"type":"(\w+)"')
_TAIL_LENGTH = len(_CRC_FIELD) + 8 + len(b'"}')


# --- control.jsonl ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Record from now on. `for_s`: how long the lesson is to be, None = until `Stop`."""

    at: Moment
    for_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Record no more; everything recorded until now is the lesson."""

    at: Moment
    reason: str = "asked"


# --- raw/<source>/journal.jsonl --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStarted:
    """A source delivers, on one uninterrupted PTS timeline, until the next epoch.

    `start`: for imported media the lesson tick at which source tick `origin` lies; None for live feeds, whose
    place follows from anchors.
    """

    source: str
    epoch: int
    at: Moment
    streams: tuple[StreamInfo, ...]
    start: Ticks | None = None
    origin: Ticks = 0
    reason: str = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCommitted:
    """The file named by `segment` is durable and whole."""

    segment: SegmentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost:
    """The feed stopped delivering; a new epoch may follow.

    `reason` is for this box's own pages and may hold addresses; `code` (a `Loss`, or one of a later version) is what
    may be published.
    """

    source: str
    epoch: int
    at: Moment
    reason: str
    code: str = Loss.UNKNOWN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAccount:
    """What became of one stream that an input announced, so far; the newest line of an (epoch, stream) counts.

    `stream`: its number in the input. `used`: its packets are stored, perhaps mixed with others. `stated`: the length
    that the input states, in ticks. `dropped`: ticks of samples that came and were not stored, in `dropped_packets`
    packets; `code`: why it is not used or what was dropped first (a `Loss`).
    """

    source: str
    epoch: int
    stream: int
    kind: Kind
    codec: str = ""
    used: bool = True
    stated: Ticks | None = None
    dropped: Ticks = 0
    dropped_packets: int = 0
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFinished:
    """Nothing more will come from this source in this lesson."""

    source: str
    at: Moment


# --- observe/<source>.jsonl ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentObserved:
    """Everything seen in one segment. `problem`: why there are no observations, if analysis failed."""

    source: str
    epoch: int
    seq: int
    detector: str
    observations: tuple[Observation, ...]
    problem: str | None = None


# --- plan/g<N>.jsonl -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Lesson tick 0 is this moment. `master`: the source whose sample count is the lesson clock."""

    at: Moment
    master: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """From `map.span.start` on, `map` places its epoch on the lesson clock (until a later map of that epoch)."""

    map: ClockMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What the programme shows over `span` (lesson ticks), and why."""

    span: Span
    layout: Layout
    sources: tuple[str, ...]
    reason: str
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPath:
    """The virtual camera of `source` over `span`; keys are in order, the first and last hold beyond their times."""

    source: str
    span: Span
    keys: tuple[CropKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenUntil:
    """Shots, crops and clock maps before lesson tick `at` never change. `final`: `at` is the end of the lesson."""

    at: Ticks
    final: bool = False


# --- enc/<rendition>/journal.jsonl -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionStarted:
    """Chunks of this rendition follow; its initialisation segment is durable at `init_path`."""

    rendition: str
    digest: str
    codecs: str
    init_path: str
    init_bytes: int
    init_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEncoded:
    """The chunk file is durable and whole."""

    chunk: ChunkRecord


# --- pub/journal.jsonl -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStarted:
    """Objects of this lesson go below `url` (without credentials), the lesson's own prefix in the store."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStored:
    """The store confirmed by checksum that `key` (relative to the lesson's prefix) holds these bytes."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPublished:
    """A playlist naming the first `chunks` chunks of its rendition (`index.m3u8`: that many of them) is in the store.

    `final`: it is VOD.
    """

    key: str
    chunks: int
    final: bool
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every object of the finished lesson was compared with the store by checksum: the lesson is safe.

    `url`: where, as in `PublishStarted`, so that the last line of the journal tells it.
    """

    objects: int
    bytes: int
    manifest_sha256: str
    url: str | None = None


# --- box.jsonl -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """The conductor started a process. `lesson`: id of what it works for, empty for the box itself."""

    stage: str
    source: str | None = None
    lesson: str
    at: Moment
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded:
    """A process failed or ended before its work was done; `code` is its exit code, negative for a signal."""

    stage: str
    source: str | None = None
    lesson: str
    at: Moment
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRaised:
    """Something is wrong with the box until it is cleared. `code`: a `lesson.box.Fault`, or one of a later version.

    `about`: the lesson, job, disk … it concerns. `detail` is for this box's own pages and may name devices.
    """

    code: str
    about: str
    at: Moment
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCleared:
    """That is wrong no more."""

    code: str
    about: str
    at: Moment


Record: TypeAlias = (
    Start
    | Stop
    | EpochStarted
    | SegmentCommitted
    | SourceLost
    | StreamAccount
    | SourceFinished
    | SegmentObserved
    | Origin
    | Mapped
    | Shot
    | CropPath
    | FrozenUntil
    | RenditionStarted
    | ChunkEncoded
    | PublishStarted
    | ObjectStored
    | PlaylistPublished
    | Verified
    | JobStarted
    | JobEnded
    | FaultRaised
    | FaultCleared
)
RECORD_TYPES: dict[str, type[Record]] = {cls.__name__: cls for cls in Record.__args__}


@dataclass(frozen=True, slots=True)
class Unknown:
    """A sound line of a type this version does not know."""

    type: str


class DamagedLineError(LessonFormatError):
    """A journal line that is torn or altered: its CRC does not match."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(RECORD_TYPES[name])


def _crc_tail(body: bytes) -> bytes:
    return _CRC_FIELD + f"{zlib.crc32(body):08x}".encode() + b'"}'


def encode_line(record: Record) -> bytes:
    """The journal line of a record, newline included."""
    name = type(record).__name__
    fields = _adapter(name).dump_python(record, mode="json", exclude_none=True)
    text = json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    body = text.encode(errors="backslashreplace")[:-1]  # file names that are no UTF-8 become JSON's own \\udcXX
    return body + _crc_tail(body) + b"\n"


def decode_line(line: bytes) -> Record | Unknown:
    """The record of one complete line (newline optional).

    Raises:
        DamagedLineError: the CRC is missing or wrong.
        LessonFormatError: the line is sound but does not hold what its type promises.
    """
    text = line.rstrip(b"\n")
    body, tail = text[:-_TAIL_LENGTH], text[-_TAIL_LENGTH:]
    if tail != _crc_tail(body):
        raise DamagedLineError("journal line is torn or altered")
    return _known_record(body + b"}") or _any_record(body + b"}")


def _known_record(text: bytes) -> Record | None:
    """The record of a line as this version writes them, read in one pass; None for any other."""
    start = _TYPE_FIRST.match(text)
    if start is None or (name := start[1].decode()) not in RECORD_TYPES:
        return None
    try:
        record: Record = _adapter(name).validate_json(text)
    except ValidationError:  # perhaps only because of a name that is no UTF-8, which JSON in Python may hold
        return None
    return record


def _any_record(text: bytes) -> Record | Unknown:
    try:
        fields = json.loads(text)
        name = str(fields.pop("type"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LessonFormatError("journal line is no JSON object with a type") from error
    if name not in RECORD_TYPES:
        return Unknown(name)
    try:
        record: Record = _adapter(name).validate_python(fields)
    except ValidationError as error:
        raise LessonFormatError(f"{name} line does not fit: {error.errors()[0]['msg']}") from error
    return record
