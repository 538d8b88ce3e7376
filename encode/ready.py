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
    """Consecutive chunks that all lack the same renditions, whose chunks are `multiple` times as long as the grid's."""

    first: int
    count: int
    renditions: tuple[str, ...]
    multiple: int = 1

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.count)


def multiples(state: LessonState) -> list[int]:
    """How long chunks of the video renditions are, in chunks of the lesson's grid; the shortest first."""
    return sorted({rung.grid_multiple for rung in state.ladder if rung.kind is Kind.VIDEO})


def ready_chunks(state: LessonState, multiple: int = 1, *, beyond: Ticks = 0) -> int:
    """The number of the first chunk that is not frozen together with `beyond` ticks after it."""
    grid = state.header.grid_of(multiple)
    if state.final:
        return grid.chunks(state.frozen_until)
    return max(0, state.frozen_until - beyond) // grid.chunk


def chunk_span(state: LessonState, index: int, multiple: int = 1) -> Span:
    """Lesson ticks of a ready chunk; the first and the last one of an edition may be shorter."""
    span = state.header.grid_of(multiple).span(index)
    start = max(span.start, state.edition.start)
    return Span(start, min(span.end, state.frozen_until)) if state.final else Span(start, span.end)


def lacking(state: LessonState, index: int, multiple: int = 1) -> tuple[str, ...]:
    """Video renditions with chunks of this length that have no chunk `index` yet, or a damaged one."""
    return tuple(name for name in _video(state, multiple) if state.renditions[name].lacks(index))


def _video(state: LessonState, multiple: int) -> list[str]:
    return [rung.name for rung in state.ladder if rung.kind is Kind.VIDEO and rung.grid_multiple == multiple]


def _first_due(state: LessonState, multiple: int) -> int:
    """The number of the first chunk that a video rendition lacks, or has to have made again."""
    return min((state.renditions[name].due for name in _video(state, multiple)), default=0)


def next_batch(
    state: LessonState, busy: Collection[int], *, workers: int, alone: Collection[int] = (), multiple: int = 1
) -> Batch | None:
    """The first chunks that are ready, not `busy`, and lack a rendition; None when there are none.

    Live, a chunk goes as soon as it is ready; a backlog goes in batches, evenly parted among `workers`. Chunks in
    `alone` share their job with no other. All are of renditions with chunks `multiple` times as long as the grid's.
    """
    candidates = range(_first_due(state, multiple), ready_chunks(state, multiple))
    missing = (index for index in candidates if index not in busy and lacking(state, index, multiple))
    todo = list(islice(missing, MAX_BATCH * workers))
    if not todo:
        return None
    first, limit = todo[0], min(max(1, MAX_BATCH // multiple), -(-len(todo) // workers))
    renditions = lacking(state, first, multiple)
    count = 1
    while (
        count < limit
        and first not in alone
        and count < len(todo)
        and (index := todo[count]) == first + count
        and index not in alone
        and lacking(state, index, multiple) == renditions
    ):
        count += 1
    return Batch(first, count, renditions, multiple)
