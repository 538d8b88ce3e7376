"""Every kind of fact a journal may hold, as values; their text form is in `lesson.records`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from lesson.clock import Moment
from lesson.loss import Loss
from lesson.model import ChunkRecord, CropKey, Kind, Layout, Observation, SegmentRecord, StreamInfo
from lesson.overrides import Override, read_overrides, write_overrides
from lesson.time import ClockMap, Span, Ticks

# --- control.jsonl ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Record from now on. `for_s`: how long the lesson is to be, None = until `Stop`.

    `stood_by`: feeds were kept open for it, so that it ought to begin with this moment.
    """

    at: Moment
    for_s: float | None = None
    stood_by: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Record no more; everything recorded until now is the lesson."""

    at: Moment
    reason: str = "asked"


class Planning(StrEnum):
    """How the shots of an edition are found."""

    LIVE = "live"  # as edition 0 has them
    HINDSIGHT = "hindsight"  # directed once more, over the whole lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionStarted:
    """The lesson is to be made again, so: everything wanted of the edition in one line. Edition 0 has no such line.

    `rungs`: names of the renditions wanted, None = all of the header.
    """

    number: int
    at: Moment
    overrides: Annotated[tuple[Override, ...], PlainValidator(read_overrides), PlainSerializer(write_overrides)] = ()
    rungs: tuple[str, ...] | None = None
    planning: Planning = Planning.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RungSkipped:
    """A rendition is left out of an edition; `reason` is for people."""

    edition: int
    rendition: str
    at: Moment
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonPinned:
    """All that was recorded is to be kept, however full the disk; or, with `pinned` false, no longer."""

    at: Moment
    pinned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReclaimed:
    """The raw segments go, to make room: `segments` of together `bytes`. Written before the first one is removed.

    Every object of `edition` had just been found in the store at `url`.
    """

    at: Moment
    edition: int
    segments: int
    bytes: int
    url: str | None = None


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
    packets, which lie at `dropped_in` of the epoch (older versions do not say); `code`: why, or why it is not used.
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
    dropped_in: tuple[Span, ...] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFinished:
    """Nothing more will come from this source in this lesson."""

    source: str
    at: Moment


# --- observe/<source>.jsonl ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentObserved:
    """Everything that one detector found in one segment, pictures without anything included.

    `detector`: its name and version ("ink/1"), "-thin" behind it where only key frames were looked at; "none": the
    segment is given up. Until version 0.1, one line held what all of them found ("diff-ink-yunet/1").
    `problem`: why there are no observations, if it could not look. `joined`: it could only with the segment before.
    `undecoded`: from where to where (source ticks) packets came and no whole picture; `unheard`: and no sound.
    """

    source: str
    epoch: int
    seq: int
    detector: str
    observations: tuple[Observation, ...]
    problem: str | None = None
    joined: bool = False
    undecoded: tuple[tuple[int, int], ...] | None = None
    unheard: tuple[tuple[int, int], ...] | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPath:
    """The virtual camera of `source` over `span`; keys are in order, the first and last hold beyond their times."""

    source: str
    span: Span
    keys: tuple[CropKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupHeard:
    """Over `span` (lesson ticks) nothing can be heard of `source`, though it delivers: `backup` is heard instead."""

    source: str
    backup: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenUntil:
    """Shots, crops and clock maps before lesson tick `at` never change. `final`: `at` is the end of the lesson."""

    at: Ticks
    final: bool = False


# --- enc/<rendition>/journal.jsonl -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionStarted:
    """Chunks of this rendition follow, for an edition; its initialisation segment is durable at `init_path`."""

    rendition: str
    digest: str
    codecs: str
    init_path: str
    init_bytes: int
    init_sha256: str
    edition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEncoded:
    """The chunk file is durable and whole, and belongs to an edition."""

    chunk: ChunkRecord
    edition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksKept:
    """`count` chunks of a rendition, from number `first` on, are in `edition` what they are in the edition `of`."""

    rendition: str
    edition: int
    of: int
    first: int
    count: int
