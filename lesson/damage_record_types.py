"""What is wrong with recorded segments, as facts in a journal; their text form is in `lesson.records`."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.time import Span, Ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDamaged:
    """A committed segment is not any more what was committed: nothing is made of it. `problem` is for people."""

    source: str
    epoch: int
    seq: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUnseen:
    """The pictures of a segment cannot be decoded, though it is what was committed: none of them is shown.

    `start`, `end`: those of a part of it (source ticks), where there are any.
    """

    source: str
    epoch: int
    seq: int
    start: Ticks | None = None
    end: Ticks | None = None

    def __post_init__(self) -> None:
        _ = self.span

    @property
    def span(self) -> Span | None:
        """The part; None for all of it. Raises `ValueError` where it ends before it begins."""
        return None if self.start is None or self.end is None else Span(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUnheard:
    """The sound of a part of a segment (source ticks) cannot be decoded: it is as if it were not there."""

    source: str
    epoch: int
    seq: int
    start: Ticks
    end: Ticks

    def __post_init__(self) -> None:
        _ = self.span

    @property
    def span(self) -> Span:
        """The part. Raises `ValueError` where it ends before it begins."""
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJoined:
    """The pictures of a segment can be decoded only with those before it: its key frame is no fresh start."""

    source: str
    epoch: int
    seq: int
