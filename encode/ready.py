"""Which chunks may be encoded now, and how they are parted into jobs. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from lesson.model import Kind
from lesson.state import LessonState
from lesson.time import Span, Ticks

MAX_BATCH = 8
"""Chunks a job may hold: decoding starts at a key frame up to some seconds before, once for 31 s."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive chunks that all lack the same renditions."""

    first: int
    count: int
    renditions: tuple[str, ...]

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.count)


def ready_chunks(state: LessonState, *, beyond: Ticks = 0) -> int:
    """The number of the first chunk that is not frozen together with `beyond` ticks after it."""
    grid = state.header.grid
    if state.final:
        return grid.chunks(state.frozen_until)
    return max(0, state.frozen_until - beyond) // grid.chunk


def chunk_span(state: LessonState, index: int) -> Span:
    """Lesson ticks of a ready chunk; the first and the last one of an edition may be shorter."""
    span = state.header.grid.span(index)
    start = max(span.start, state.edition.start)
    return Span(start, min(span.end, state.frozen_until)) if state.final else Span(start, span.end)


def lacking(state: LessonState, index: int) -> tuple[str, ...]:
    """Video renditions that have no chunk `index` yet."""
    return tuple(
        rendition.name
        for rendition in state.ladder
        if rendition.kind is Kind.VIDEO and index not in state.renditions[rendition.name].chunks
    )


def _all_there(state: LessonState) -> int:
    """The number of the first chunk that a video rendition lacks."""
    video = (rendition.name for rendition in state.ladder if rendition.kind is Kind.VIDEO)
    return min((state.renditions[name].next for name in video), default=0)


def next_batch(state: LessonState, busy: Collection[int], *, workers: int, alone: Collection[int] = ()) -> Batch | None:
    """The first chunks that are ready, not `busy`, and lack a rendition; None when there are none.

    Live, a chunk goes as soon as it is ready; a backlog goes in batches, evenly parted among `workers`. Chunks in
    `alone` share their job with no other.
    """
    candidates = range(_all_there(state), ready_chunks(state))
    missing = (index for index in candidates if index not in busy and lacking(state, index))
    todo = list(islice(missing, MAX_BATCH * workers))
    if not todo:
        return None
    first, limit = todo[0], min(MAX_BATCH, -(-len(todo) // workers))
    renditions = lacking(state, first)
    count = 1
    while (
        count < limit
        and first not in alone
        and count < len(todo)
        and (index := todo[count]) == first + count
        and index not in alone
        and lacking(state, index) == renditions
    ):
        count += 1
    return Batch(first, count, renditions)
