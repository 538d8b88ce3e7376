"""What was observed, by source and epoch, and asked for by lesson time."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from operator import attrgetter

from lesson.model import Kind, Observation
from lesson.records import SegmentObserved
from lesson.state import SourceState
from lesson.time import Span, Ticks, merged


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


class Evidence:
    """The observation journals of a lesson, folded. Records may come in any order and more than once."""

    def __init__(self) -> None:
        self._epochs: defaultdict[tuple[str, int], _EpochEvidence] = defaultdict(_EpochEvidence)

    def add(self, record: SegmentObserved) -> None:
        epoch = self._epochs[record.source, record.epoch]
        if record.seq in epoch.done:
            return
        epoch.done.add(record.seq)
        if record.problem is not None:
            epoch.failed.add(record.seq)
        in_order = not epoch.observations or not record.observations
        in_order = in_order or epoch.observations[-1].at < record.observations[0].at
        epoch.observations += record.observations
        if not in_order:
            epoch.observations.sort(key=attrgetter("at"))

    def has(self, source: str, epoch: int, seq: int) -> bool:
        """Whether this segment was observed, or given up."""
        return seq in self._epochs[source, epoch].done

    def observed_until(self, source: SourceState) -> Ticks | None:
        """Lesson tick where the first segment starts that still has to be observed; None when there is none."""
        for segment in source.segments:
            span = segment.span(Kind.VIDEO)
            if span is not None and not self.has(source.spec.id, segment.epoch, segment.seq):
                return source.to_lesson(segment.epoch, span.start)
        return None

    def seen(self, source: SourceState, window: Span) -> list[Seen]:
        """Observations of a source within a window of lesson time, in order."""
        found: list[Seen] = []
        for epoch in source.maps:
            observations = self._epochs[source.spec.id, epoch].observations
            ruling = source.map_at(epoch, window.start)
            if not observations or ruling is None:
                continue
            slack = 4_800  # maps of one epoch differ by a few milliseconds
            first = bisect_left(observations, ruling.to_source(window.start) - slack, key=attrgetter("at"))
            last = bisect_left(observations, ruling.to_source(window.end) + slack, key=attrgetter("at"))
            for observation in observations[first:last]:
                at = source.to_lesson(epoch, observation.at)
                if at is not None and at in window:
                    found.append(Seen(at, observation))
        return sorted(found, key=attrgetter("at"))

    def observed_spans(self, source: SourceState, window: Span) -> list[Span]:
        """The parts of a window (lesson ticks) in which the source's pictures were analysed without a problem."""
        spans: list[Span] = []
        for segment in source.segments:
            epoch = self._epochs[source.spec.id, segment.epoch]
            if segment.seq not in epoch.done or segment.seq in epoch.failed:
                continue
            span = segment.span(Kind.VIDEO)
            start = source.to_lesson(segment.epoch, span.start) if span else None
            end = source.to_lesson(segment.epoch, span.end) if span else None
            if start is not None and end is not None and start < end and Span(start, end).overlaps(window):
                spans.append(Span(start, end))
        return merged(spans, slack=4_800)
