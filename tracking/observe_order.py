"""Which segment is observed next."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.model import Kind, SegmentRecord
from lesson.state import LessonState, SourceState
from lesson.time import Ticks
from tracking.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Pending:
    """A segment with pictures that nobody has looked at yet; `order`: lesson ticks, or a good guess of them."""

    order: Ticks
    source: str
    segment: SegmentRecord

    @property
    def duration(self) -> Ticks:
        span = self.segment.span(Kind.VIDEO)
        return span.duration if span else 0


def pending_segments(state: LessonState, evidence: Evidence) -> list[Pending]:
    """What is still to be observed, oldest first."""
    found: list[Pending] = []
    for source in state.sources.values():
        for segment in source.segments:
            span = segment.span(Kind.VIDEO)
            if span is None or evidence.has(source.spec.id, segment.epoch, segment.seq):
                continue
            at = source.to_lesson(segment.epoch, span.start)
            found.append(Pending(_since_first(source, segment) if at is None else at, source.spec.id, segment))
    return sorted(found, key=lambda p: (p.order, p.source, p.segment.seq))


def _since_first(source: SourceState, segment: SegmentRecord) -> Ticks:
    first, span = source.segments[0].span(Kind.VIDEO), segment.span(Kind.VIDEO)
    return span.start - first.start if span and first and segment.epoch == source.segments[0].epoch else 0
