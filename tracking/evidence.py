"""What was observed, by source and epoch, and asked for by lesson time."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from operator import attrgetter

from lesson.model import Kind, Observation, SegmentRecord
from lesson.records import SegmentObserved
from lesson.state import SourceState
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged

_SLACK: Ticks = 4_800
"""Maps of one epoch differ by a few milliseconds, and pictures of neighbouring segments by a frame."""
_LATELY: Ticks = 60 * TICKS_PER_SECOND
"""Forgetting is asked for more often than this; what ended earlier is forgotten already."""
_WORTH_FORGETTING = 256
"""So many observations at once: forgetting one by one would move the others each time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation placed on the lesson clock."""

    at: Ticks
    what: Observation


@dataclass(slots=True)
class _EpochEvidence:
    observations: list[Observation] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Waiting:
    """The picture segments of a source that are still to be observed, in order; `ticks`: their length together.

    A segment that was observed out of turn is let go of when its turn comes.
    """

    source: SourceState
    segments: deque[tuple[Span, SegmentRecord]] = field(default_factory=deque)
    ticks: Ticks = 0
    read: int = 0

    def refresh(self, evidence: Evidence) -> None:
        """Take in what is newly committed, let go of what is newly observed."""
        for position in range(self.read, len(self.source.segments)):
            segment = self.source.segments[position]
            span = segment.span(Kind.VIDEO)
            if span is not None:
                self.segments.append((span, segment))
                self.ticks += span.duration
        self.read = len(self.source.segments)
        while self.segments:
            span, segment = self.segments[0]
            if not evidence.has(self.source.spec.id, segment.epoch, segment.seq):
                return
            self.segments.popleft()
            self.ticks -= span.duration


class Evidence:
    """The observation journals of a lesson, folded. Records may come in any order and more than once.

    `keep_observations` False: only which segments were observed.
    """

    def __init__(self, *, keep_observations: bool = True) -> None:
        self._epochs: defaultdict[tuple[str, int], _EpochEvidence] = defaultdict(_EpochEvidence)
        self._keep = keep_observations
        self._waiting: dict[str, Waiting] = {}

    def add(self, record: SegmentObserved) -> None:
        epoch = self._epochs[record.source, record.epoch]
        if record.seq in epoch.done:
            return
        epoch.done.add(record.seq)
        if record.problem is not None:
            epoch.failed.add(record.seq)
        if not self._keep:
            return
        in_order = not epoch.observations or not record.observations
        in_order = in_order or epoch.observations[-1].at < record.observations[0].at
        epoch.observations += record.observations
        if not in_order:
            epoch.observations.sort(key=attrgetter("at"))

    def has(self, source: str, epoch: int, seq: int) -> bool:
        """Whether this segment was observed, or given up."""
        return seq in self._epochs[source, epoch].done

    def waiting(self, source: SourceState) -> Waiting:
        """What of a source is still to be observed."""
        waiting = self._waiting.get(source.spec.id)
        if waiting is None or waiting.source is not source:  # the state of the lesson was folded anew
            waiting = self._waiting[source.spec.id] = Waiting(source)
        waiting.refresh(self)
        return waiting

    def observed_until(self, source: SourceState) -> Ticks | None:
        """Lesson tick where the first segment starts that still has to be observed; None when there is none."""
        waiting = self.waiting(source).segments
        return source.to_lesson(waiting[0][1].epoch, waiting[0][0].start) if waiting else None

    def forget(self, source: SourceState, before: Ticks) -> None:
        """Let go of observations that lie before a lesson tick: nobody will ask for them any more."""
        for epoch in _epochs_in(source, Span(before - _LATELY, before)):
            observations = self._epochs[source.spec.id, epoch].observations
            ruling = source.map_at(epoch, before)
            if ruling is not None:
                past = bisect_left(observations, ruling.to_source(before) - _SLACK, key=attrgetter("at"))
                if past >= _WORTH_FORGETTING or past == len(observations):
                    del observations[:past]

    def seen(self, source: SourceState, window: Span) -> list[Seen]:
        """Observations of a source within a window of lesson time, in order."""
        found: list[Seen] = []
        for epoch in _epochs_in(source, window):
            observations = self._epochs[source.spec.id, epoch].observations
            first, last = _source_window(source, epoch, window)
            start = bisect_left(observations, first, key=attrgetter("at"))
            end = bisect_left(observations, last, key=attrgetter("at"))
            for observation in observations[start:end]:
                at = source.to_lesson(epoch, observation.at)
                if at is not None and at in window:
                    found.append(Seen(at, observation))
        return sorted(found, key=attrgetter("at"))

    def observed_spans(self, source: SourceState, window: Span) -> list[Span]:
        """The parts of a window (lesson ticks) in which the source's pictures were analysed without a problem."""
        spans: list[Span] = []
        for epoch in _epochs_in(source, window):
            known = self._epochs[source.spec.id, epoch]
            nearby = Span(*_source_window(source, epoch, window))
            for span, segment in source.track(Kind.VIDEO, epoch).overlapping(nearby):
                start, end = source.to_lesson(epoch, span.start), source.to_lesson(epoch, span.end)
                if segment.seq not in known.done or segment.seq in known.failed or start is None or end is None:
                    continue
                if start < end and Span(start, end).overlaps(window):
                    spans.append(Span(start, end))
        return merged(spans, slack=_SLACK)


def _epochs_in(source: SourceState, window: Span) -> list[int]:
    """The epochs with pictures in or near a window (lesson ticks)."""
    near = Span(window.start - _SLACK, window.end + _SLACK)
    return sorted({stretch.epoch for stretch in source.stretches(Kind.VIDEO, near)})


def _source_window(source: SourceState, epoch: int, window: Span) -> tuple[Ticks, Ticks]:
    """Source ticks from before a window (lesson ticks) to after it."""
    first, last = source.map_at(epoch, window.start), source.map_at(epoch, window.end)
    start = window.start if first is None else first.to_source(window.start)
    end = window.end if last is None else last.to_source(window.end)
    return start - _SLACK, max(start, end) + _SLACK
