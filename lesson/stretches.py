"""Where a source has media: kept up segment by segment, on its own timelines and on the lesson clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lesson.model import Kind, SegmentRecord
from lesson.spans import SpanIndex
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, ticks_from_pts, uncovered

MIN_GAP: Ticks = TICKS_PER_SECOND // 2
"""Shorter holes (start-up skew, one late frame) are not reported as gaps."""
DENSE: Ticks = TICKS_PER_SECOND // 10
"""Pictures this close to one another are a film; films of slides and of screens have fewer, and each stands long."""
DENSE_PICTURES = 25
RARE = 3
"""A picture of a live source that is late by so many times the usual distance is missing."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one epoch without a hole of `MIN_GAP`; `span` in ticks of the source, or of the lesson."""

    epoch: int
    span: Span


class StreamSegments:
    """The segments of one epoch that hold one kind of stream, in the order they came. Times are source ticks."""

    def __init__(self) -> None:
        self._index: SpanIndex[SegmentRecord] = SpanIndex()
        self._damaged: set[int] = set()  # numbers of segments
        self._joined: set[int] = set()
        self._keys: list[Ticks] = []  # of a segment or one before it, the latest time a decoder can start at
        self.packets = 0

    def add(self, kind: Kind, segment: SegmentRecord) -> None:
        """Take a segment if it holds this kind."""
        span, packets = segment.span(kind), segment.range(kind)
        if span is not None and packets is not None:
            self._index.append(span, segment)
            key = ticks_from_pts(packets.key, segment.time_base)
            self._keys.append(max(key, self._keys[-1]) if self._keys else key)
            self.packets += packets.packets

    def join(self, seq: int) -> None:
        """No decoder can start in a segment: it begins with one before it."""
        self._joined.add(seq)

    def lose(self, seq: int) -> None:
        """Nothing can be decoded of a segment any more."""
        self._damaged.add(seq)

    @property
    def reach(self) -> Ticks:
        """The end of the latest sample; 0 without any."""
        return self._index.reach or 0

    def first(self) -> Span | None:
        """What the first segment spans."""
        return self._index.entries[0][0] if len(self._index) else None

    def newest(self, count: int) -> list[tuple[Span, SegmentRecord]]:
        """The last `count` segments, with what they span."""
        return self._index.entries[-count:]

    def overlapping(self, span: Span) -> list[tuple[Span, SegmentRecord]]:
        """The segments with samples in `span`, with what they span."""
        return self._index.overlapping(span)

    def decoded_for(self, span: Span) -> list[SegmentRecord]:
        """The segments in which a decoder finds all of `span`, from the last one it can start in; no damaged ones."""
        first = max(0, bisect_right(self._keys, span.start) - 1)
        while first and self._index.entries[first][1].seq in self._joined:
            first -= 1
        last = max(first + 1, self._index.last_before(span.end))
        return [segment for _, segment in self._index.entries[first:last] if segment.seq not in self._damaged]


class Stretches:
    """The unbroken stretches of one kind of stream of a source.

    On the source's timelines: one for each epoch, and one more after each hole of `MIN_GAP`. On the lesson clock: the
    same, placed by clock maps; those that no map places are left out. A new segment changes the last stretch alone, a
    new map those of its epoch and what came after, and so does damage, which parts a stretch on the lesson clock.
    """

    def __init__(self) -> None:
        self.runs: list[Stretch] = []
        self._lost: dict[int, list[Span]] = {}  # of an epoch, what was recorded and is damaged
        self._first_of: dict[int, int] = {}  # epoch to position of its first run
        self._lesson: SpanIndex[int] = SpanIndex()
        self._placed_before: list[int] = []  # for each run that was looked at, how many on the lesson clock precede it

    def add(self, epoch: int, span: Span) -> None:
        """More media of an epoch."""
        last = self.runs[-1] if self.runs else None
        if last and last.epoch == epoch and last.span.start <= span.start < last.span.end + MIN_GAP:
            self.runs[-1] = Stretch(epoch, Span(last.span.start, max(last.span.end, span.end)))
            self._replace_from(len(self.runs) - 1)
        else:
            self._first_of.setdefault(epoch, len(self.runs))
            self.runs.append(Stretch(epoch, span))

    def newest_of(self, epoch: int) -> list[Span]:
        """The runs of an epoch at the end of the list, newest first."""
        found: list[Span] = []
        for run in reversed(self.runs):
            if run.epoch != epoch:
                break
            found.append(run.span)
        return found

    def lose(self, epoch: int, span: Span) -> None:
        """What an epoch holds of `span` is damaged. Repeating it changes nothing."""
        self._lost.setdefault(epoch, []).append(span)
        self.map_changed(epoch)

    def lost(self) -> list[Stretch]:
        """What was recorded and is damaged, with its epochs."""
        parts = ((run, span) for run in self.runs for span in merged(self._lost.get(run.epoch, ())))
        return [Stretch(run.epoch, part) for run, span in parts if (part := run.span.intersection(span))]

    def intact(self) -> list[Stretch]:
        """The runs without what is damaged."""
        return [Stretch(run.epoch, part) for run in self.runs for part in self._intact(run)]

    def _intact(self, run: Stretch) -> list[Span]:
        return uncovered(run.span, self._lost[run.epoch]) if run.epoch in self._lost else [run.span]

    def map_changed(self, epoch: int) -> None:
        """The clock of an epoch is known better than before."""
        if epoch in self._first_of:
            self._replace_from(self._first_of[epoch])

    def on_lesson_clock(self, place: Callable[[int, Ticks], Ticks | None]) -> SpanIndex[int]:
        """Stretches on the lesson clock with their epochs; `place` gives the lesson tick of a tick of an epoch."""
        for run in self.runs[len(self._placed_before) :]:
            self._placed_before.append(len(self._lesson))
            for part in self._intact(run):
                start, end = place(run.epoch, part.start), place(run.epoch, part.end)
                if start is not None and end is not None and start < end:
                    self._lesson.append(Span(start, end), run.epoch)
        return self._lesson

    def _replace_from(self, run: int) -> None:
        if run < len(self._placed_before):
            self._lesson.cut(self._placed_before[run])
            del self._placed_before[run:]


def live_picture_stands(hole: Span, spacing: float) -> bool:
    """Whether a hole between pictures that come every `spacing` ticks is nothing but their rarity."""
    return hole.duration < RARE * spacing


def file_picture_stands(hole: Span, heard: Sequence[Span], pictures: int, spacing: float) -> list[Span]:
    """Where in a hole of a file's pictures the last one merely stands, as players show it: all but what is lost.

    Something is lost where the file has no sound either (`heard`: its sound around the hole, newest first). Where no
    sound can bear witness, a hole in a film is a loss, and a slide stands: `spacing` ticks lie between the `pictures`.
    """
    if heard and heard[0].end >= hole.end - TICKS_PER_SECOND:  # of a file, streams lie a second apart at most
        begun, reached = heard[-1].start <= hole.start, heard[0].start >= hole.end
        silent = [
            part
            for part in uncovered(hole, heard)  # sound that begins later or ends earlier is no hole in it
            if (begun or part.start > hole.start) and (reached or part.end < hole.end)
        ]
        return uncovered(hole, [part for part in silent if part.duration >= MIN_GAP])
    film = pictures >= DENSE_PICTURES and spacing <= DENSE
    return [] if film else [hole]
