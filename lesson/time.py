"""One exact time type: `Ticks`, an int counting 1/48 000 s, and half-open `Span`s of it.

48 000 is a whole multiple of every period the product meets: a 25 fps frame is 1 920 ticks, a 30 fps frame
1 600, an AAC frame at 48 kHz 1 024 and a 90 kHz clock tick 8/15 (rounded once, never accumulated).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

Ticks: TypeAlias = int

TICKS_PER_SECOND: Ticks = 48_000
NANOSECONDS_PER_SECOND = 1_000_000_000


def ticks_from_pts(pts: int, time_base: Fraction) -> Ticks:
    """The tick nearest to `pts` units of `time_base` seconds; half-way, the even one, as `round` has it."""
    divisor = time_base.denominator
    ticks, rest = divmod(pts * time_base.numerator * TICKS_PER_SECOND, divisor)  # in integers: for each packet
    return ticks + (2 * rest > divisor or (2 * rest == divisor and ticks % 2))


def ticks_from_seconds(seconds: float) -> Ticks:
    """The tick nearest to a time in seconds."""
    return round(seconds * TICKS_PER_SECOND)


def ticks_from_ns(nanoseconds: int) -> Ticks:
    """The tick nearest to a time in nanoseconds, in exact integer arithmetic."""
    return (nanoseconds * TICKS_PER_SECOND + NANOSECONDS_PER_SECOND // 2) // NANOSECONDS_PER_SECOND


def said_s(ticks: Ticks, origin: Ticks = 0) -> str:
    """A time for people: seconds from `origin` on, with a decimal where there is one."""
    return f"{seconds_from_ticks(ticks - origin):.1f}".removesuffix(".0")


def seconds_from_ticks(ticks: Ticks) -> float:
    """A time in seconds, for people and foreign libraries; never fed back into exact time."""
    return ticks / TICKS_PER_SECOND


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open stretch `[start, end)` of ticks.

    Raises:
        ValueError: if `end` lies before `start`.
    """

    start: Ticks
    end: Ticks

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"span ends before it starts: {self.start}..{self.end}")

    @property
    def duration(self) -> Ticks:
        return self.end - self.start

    @property
    def empty(self) -> bool:
        return self.end == self.start

    def __contains__(self, at: Ticks) -> bool:
        return self.start <= at < self.end

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Span) -> Span | None:
        """The common part, or None when there is none or it is empty."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def shifted(self, by: Ticks) -> Span:
        return Span(self.start + by, self.end + by)


def merged(spans: Iterable[Span], *, slack: Ticks = 0) -> list[Span]:
    """The union of spans in order; neighbours no more than `slack` ticks apart become one."""
    union: list[Span] = []
    for span in sorted(span for span in spans if not span.empty):
        if union and span.start <= union[-1].end + slack:
            union[-1] = Span(union[-1].start, max(union[-1].end, span.end))
        else:
            union.append(span)
    return union


def uncovered(window: Span, covered: Iterable[Span]) -> list[Span]:
    """The parts of `window` that no span in `covered` reaches, in order."""
    holes: list[Span] = []
    at = window.start
    for span in merged(covered):
        if span.end <= window.start:
            continue
        if span.start >= window.end:
            break
        if span.start > at:
            holes.append(Span(at, span.start))
        at = max(at, span.end)
    if at < window.end:
        holes.append(Span(at, window.end))
    return holes


@dataclass(frozen=True, slots=True)
class Grid:
    """The output grid: `chunk` ticks a chunk, `frame` ticks a frame of the programme.

    3.84 s is 96 frames at 25 fps and exactly 180 AAC frames of 1 024 samples at 48 kHz.
    """

    chunk: Ticks = 184_320
    frame: Ticks = 1_920

    def __post_init__(self) -> None:
        if self.frame <= 0 or self.chunk <= 0 or self.chunk % self.frame:
            raise ValueError("a chunk must be a whole number of frames")

    @property
    def fps(self) -> Fraction:
        return Fraction(TICKS_PER_SECOND, self.frame)

    @property
    def frames_per_chunk(self) -> int:
        return self.chunk // self.frame

    def span(self, index: int) -> Span:
        return Span(index * self.chunk, (index + 1) * self.chunk)

    def index(self, at: Ticks) -> int:
        return at // self.chunk

    def chunks(self, end: Ticks) -> int:
        """How many chunks, the last perhaps partial, cover `[0, end)`."""
        return -(-end // self.chunk)

    def spans(self, end: Ticks) -> Iterator[Span]:
        """The chunk spans covering `[0, end)`; the last is cut at `end`."""
        for index in range(self.chunks(end)):
            span = self.span(index)
            yield Span(span.start, min(span.end, end))


@dataclass(frozen=True, slots=True)
class ClockMap:
    """Maps one epoch of a source to the lesson clock: `lesson = source + offset + source * ppm / 1e6`.

    `span` (lesson ticks) is where this map was fitted; `residual` (ticks) bounds the fit's error, for who studies the
    journal. `ppm` is obeyed where a journal has it, and 0 in all that is written: a clock that drifts gets a new map
    every 5 ms (docs/adr/0005).
    """

    source: str
    epoch: int
    span: Span
    offset: Ticks
    ppm: float = 0.0
    residual: Ticks = 0

    def to_lesson(self, at: Ticks) -> Ticks:
        return at + self.offset + round(at * self.ppm * 1e-6)

    def to_source(self, at: Ticks) -> Ticks:
        return round((at - self.offset) / (1.0 + self.ppm * 1e-6)) if self.ppm else at - self.offset


def ruling_map(maps: Sequence[ClockMap], at: Ticks) -> ClockMap:
    """Of the maps of one epoch, in order, the one that rules at lesson tick `at`; the first rules all before, too."""
    ruling = maps[0]
    for candidate in maps[1:]:
        if candidate.span.start > at:
            break
        ruling = candidate
    return ruling


def lesson_tick(maps: Sequence[ClockMap], at: Ticks) -> Ticks:
    """Lesson tick of source tick `at`, by the map that rules there."""
    for candidate in reversed(maps):
        mapped = candidate.to_lesson(at)
        if mapped >= candidate.span.start:
            return mapped
    return maps[0].to_lesson(at)


def source_tick(maps: Sequence[ClockMap], at: Ticks) -> Ticks:
    """Source tick of lesson tick `at`, by the map that rules there."""
    return ruling_map(maps, at).to_source(at)
