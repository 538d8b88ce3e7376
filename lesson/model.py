"""The nouns of a lesson: sources, segments, observations, shots, renditions, chunks.

All are frozen values. Times are `Ticks` unless a name says otherwise; "source ticks" count on one source's own PTS
timeline, "lesson ticks" on the lesson clock.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

from lesson.time import Grid, Span, Ticks, ticks_from_pts, uncovered

SCHEMA = 1


class Role(StrEnum):
    """What a source shows or hears; the director thinks in roles, never in source names."""

    TEACHER = "teacher"
    TEACHER_CLOSEUP = "teacher_closeup"
    STUDENTS = "students"
    STUDENTS_CLOSEUP = "students_closeup"
    BOARD = "board"
    SCREEN = "screen"
    MIC = "mic"


class Kind(StrEnum):
    """What a stream or rendition carries."""

    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One source of a lesson, as the capture process needs it.

    `uri` never holds credentials: they are named by reference in `user_env` and `password_env`.
    `imported`: the files at `uri` are read as fast as the machine can and start at lesson tick `start`; `parts`: the
    URIs of files that follow each other, the first of them `uri`, where there are several. `backup`: the source that is
    heard where nothing can be heard of this one.
    """

    id: str
    role: Role
    uri: str
    substream: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    required: bool = False
    imported: bool = False
    start: Ticks = 0
    parts: tuple[str, ...] = ()
    backup: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One rung of the ladder (or the audio): everything that decides its bytes.

    Video: `width`×`height`, `frame_divisor` (programme frames per coded frame: 2 = half the frame rate), capped CRF:
    `crf`, `maxrate` (bit/s that no whole chunk exceeds, container included), `bufsize` (bits, the coder's buffer: about
    half of it may go into a key frame). Audio: `rate` Hz, `channels`, `bitrate` bit/s. `grid_multiple`: one chunk of it
    is as long as so many of the lesson's grid.
    """

    name: str
    kind: Kind
    codec: str
    width: int = 0
    height: int = 0
    frame_divisor: int = 1
    crf: float = 0.0
    maxrate: int = 0
    bufsize: int = 0
    preset: str = ""
    threads: int = 1
    rate: int = 0
    channels: int = 0
    bitrate: int = 0
    grid_multiple: int = 1

    @property
    def digest(self) -> str:
        """Names this exact set of parameters; chunks of one rendition share it.

        Parameters that came after schema 1 count where they are used: else each would have all chunks made again.
        """
        unused = {name for name, value in _LATER.items() if getattr(self, name) == value}
        text = json.dumps({name: value for name, value in asdict(self).items() if name not in unused}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_LATER = {"grid_multiple": 1}
"""Parameters of a rendition that schema 1 did not have, and what stands for not using them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonHeader:
    """`lesson.json`: written once, before anything is recorded."""

    id: str
    title: str
    room: str
    created_wall: str
    timezone: str = "UTC"
    languages: tuple[str, ...] = ()
    sources: tuple[SourceSpec, ...]
    grid: Grid = field(default_factory=Grid)
    ladder: tuple[Rendition, ...]
    schema: int = SCHEMA

    @property
    def imported(self) -> bool:
        return all(source.imported for source in self.sources)

    def source(self, source_id: str) -> SourceSpec:
        """The source of this id. Raises `KeyError`."""
        return {source.id: source for source in self.sources}[source_id]

    def grid_of(self, multiple: int) -> Grid:
        """The grid of chunks that are so many times as long; their numbers count on it."""
        return replace(self.grid, chunk=self.grid.chunk * multiple)

    def rendition(self, name: str) -> Rendition:
        """The rendition of this name. Raises `KeyError`."""
        for rendition in self.ladder:
            if rendition.name == name:
                return rendition
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """One elementary stream of a source during an epoch, as stored in its segments."""

    kind: Kind
    codec: str
    width: int = 0
    height: int = 0
    fps: Fraction | None = None
    rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PtsRange:
    """Packets of one stream in one segment file, in units of the record's `time_base`.

    `first` and `last` are the least and greatest PTS, `end` is `last` plus its duration. `key` is the PTS of the
    first packet a decoder can start at (leading pictures of an open GOP lie before it). `holes`: from where to where
    between `first` and `last` nothing was delivered for half a second or more; None: nowhere, or not looked for.
    """

    first: int
    last: int
    end: int
    key: int
    packets: int
    holes: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A packet with this PTS had arrived when the monotonic clock showed this."""

    pts: int
    monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """One durable file of media packets; `path` is relative to the lesson folder.

    `anchors` are the promptest arrivals in the segment (delay only ever adds, so the least
    `monotonic - pts` is the best estimate of the clock offset). Imported segments have none. `closed_by`: what
    ended it, for who studies the journal.
    """

    source: str
    epoch: int
    seq: int
    path: str
    bytes: int
    sha256: str
    time_base: Fraction
    video: PtsRange | None = None
    audio: PtsRange | None = None
    anchors: tuple[Anchor, ...] = ()
    closed_by: str = "cut"

    def range(self, kind: Kind) -> PtsRange | None:
        return self.video if kind is Kind.VIDEO else self.audio

    def span(self, kind: Kind) -> Span | None:
        """Source ticks from the first sample to the end of the last, or None without such a stream."""
        pts = self.range(kind)
        if pts is None:
            return None
        return self._ticks(pts.first, pts.end)

    def spans(self, kind: Kind) -> list[Span]:
        """`span` without the holes in it."""
        pts, whole = self.range(kind), self.span(kind)
        if pts is None or whole is None or not pts.holes:
            return [whole] if whole else []
        return uncovered(whole, (self._ticks(start, end) for start, end in pts.holes))

    def _ticks(self, first: int, end: int) -> Span:
        start = ticks_from_pts(first, self.time_base)
        return Span(start, max(start, ticks_from_pts(end, self.time_base)))


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in parts of the frame, 0…1, from the top left."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def area(self) -> float:
        return self.w * self.h


FULL_FRAME = Rectangle(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a detector found for which `Observation` has no field of its own.

    `what`: the detector's word for it ("person", "raised hand"); `score`: how sure it is, 0…1; `where`: if it has
    a place.
    """

    what: str
    score: float = 1.0
    where: Rectangle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one picture of a source shows; `at` is in source ticks, so that it stays true under any clock map.

    `motion`: moving regions, largest first. `motion_level`: moving part of the picture, 0…1.
    `board_activity`: part of the picture that changed for good (ink, slides), 0…1.
    """

    at: Ticks
    faces: tuple[Rectangle, ...] = ()
    motion: tuple[Rectangle, ...] = ()
    motion_level: float = 0.0
    board_activity: float = 0.0
    findings: tuple[Finding, ...] = ()


class Layout(StrEnum):
    """How a shot puts its sources on the canvas."""

    FULL = "full"  # sources[0] fills the canvas
    PIP = "pip"  # sources[0] fills the canvas, sources[1] is a small inset
    SLATE = "slate"  # no picture: a calm card


@dataclass(frozen=True, slots=True, kw_only=True)
class CropKey:
    """The virtual camera of a source shows `box` at lesson tick `at`; between keys it moves linearly."""

    at: Ticks
    box: Rectangle


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRecord:
    """One encoded chunk of one rendition; `path` is relative to the lesson folder.

    `inputs` digests everything the bytes were made from: equal inputs make equal pictures. `peak_db`: of sound, its
    loudest sample in dB below full scale, before anything was done to it.
    """

    rendition: str
    index: int
    span: Span
    path: str
    bytes: int
    sha256: str
    inputs: str
    peak_db: float | None = None
