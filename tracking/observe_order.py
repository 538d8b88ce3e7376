"""Which segment is observed next."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.model import Kind, SegmentRecord
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import Span, Ticks
from tracking.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Pending:
    """A segment with pictures that some `detectors` have not looked at; `order`: lesson ticks, or a good guess."""

    order: Ticks
    source: str
    segment: SegmentRecord
    detectors: tuple[str, ...]

    @property
    def duration(self) -> Ticks:
        span = self.segment.span(Kind.VIDEO)
        return span.duration if span else 0


def first_pending(state: LessonState, evidence: Evidence) -> Pending | None:
    """What is to be observed next: the oldest segment by lesson time; None when all are observed."""
    heads: list[Pending] = []
    for source in state.sources.values():
        waiting = evidence.waiting(source).segments
        if waiting:
            span, segment = waiting[0]
            at = source.to_lesson(segment.epoch, span.start)
            order = _since_first(source, segment, span) if at is None else at
            heads.append(Pending(order, source.spec.id, segment, evidence.missing(source, segment)))
    return min(heads, key=lambda head: (head.order, head.source, head.segment.seq), default=None)


def pending_ticks(state: LessonState, evidence: Evidence) -> Ticks:
    """The length of all pictures together that are still to be observed."""
    return sum(evidence.waiting(source).ticks for source in state.sources.values())


def _since_first(source: SourceState, segment: SegmentRecord, span: Span) -> Ticks:
    first = source.segments[0]
    begin = first.span(Kind.VIDEO)
    return span.start - begin.start if begin and segment.epoch == first.epoch else 0
