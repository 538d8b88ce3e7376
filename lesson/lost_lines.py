"""What a source's journal must have held, and does not. Pure.

A line that a disk or a hand took out whole leaves no wrong checksum behind. But segments are numbered without a hole,
and a source whose lesson is planned to its end has finished.
"""

from __future__ import annotations

from collections.abc import Iterator

from lesson.model import Kind, SegmentRecord
from lesson.source_state import SourceState
from lesson.time import Span, Ticks

SALVAGED = "recovered"
"""`closed_by` of a segment that was found after a crash: one before it may have been of no use."""


def missing_numbers(source: SourceState) -> list[int]:
    """Numbers of segments whose lines are lost."""
    return [number for a, b in _jumps(source) for number in range(a.seq + 1 if a else 0, b.seq)]


def lost_parts(source: SourceState, kind: Kind, window: Span, *, over: bool) -> list[Span]:
    """Where, in lesson ticks, a source may have recorded what no line says any more.

    `over`: the lesson is planned to its end, so that every source had finished.
    """
    found: list[Span] = []
    for before, after in _jumps(source):
        start = _edge(source, kind, before, end=True) if before else window.start
        end = _edge(source, kind, after, end=False)
        if start is not None and end is not None and start < end:
            found.append(Span(start, end))
    file_ends = source.spec.imported and source.segments  # when it does
    if over and not source.finished and source.lost is None and not file_ends:
        reached = [tick for one in Kind if (tick := source.reach(one)) is not None]
        start = max(reached, default=window.start)
        if start < window.end:
            found.append(Span(start, window.end))
    return found


def _jumps(source: SourceState) -> Iterator[tuple[SegmentRecord | None, SegmentRecord]]:
    """Neighbours between whose numbers some are missing, though nothing that happens to a recording explains it.

    A recording gives segments up when its feed is lost, and what a crash left may be of no use; all others follow.
    """
    for before, after in source.numbering.jumps():
        if after.closed_by == SALVAGED:
            continue
        if not any((before.epoch if before else 0) <= loss.epoch < after.epoch for loss in source.losses):
            yield before, after


def _edge(source: SourceState, kind: Kind, segment: SegmentRecord, *, end: bool) -> Ticks | None:
    """Where a segment ends or begins on the lesson clock, of this kind where it has it."""
    span = segment.span(kind) or segment.span(next(one for one in Kind if one is not kind))
    return None if span is None else source.to_lesson(segment.epoch, span.end if end else span.start)
