from __future__ import annotations

from dataclasses import replace

import pytest

from encode.ready import MAX_BATCH, Batch, chunk_span, multiples, next_batch, ready_chunks
from lesson.model import ChunkRecord
from lesson.records import ChunkEncoded, FrozenUntil
from lesson.state import LessonState
from lesson.time import Grid, Span, Ticks
from tests.kit.lessons import HIGH, LOW, VOICE, header

CHUNK = Grid().chunk


def state(frozen: Ticks, *, final: bool = False, done: dict[str, set[int]] | None = None) -> LessonState:
    state = LessonState(header())
    state.apply(FrozenUntil(at=frozen, final=final))
    for name, indices in (done or {}).items():
        for index in indices:
            state.apply(
                ChunkEncoded(
                    chunk=ChunkRecord(
                        rendition=name, index=index, span=Grid().span(index), path="x", bytes=1, sha256="", inputs=""
                    )
                )
            )
    return state


@pytest.mark.parametrize(
    ("frozen", "final", "beyond", "ready"),
    [
        (0, False, 0, 0),
        (CHUNK - 1, False, 0, 0),
        (CHUNK, False, 0, 1),
        (CHUNK, False, 1, 0),
        (CHUNK + 1, False, 1, 1),
        (CHUNK, True, 5, 1),
        (CHUNK + 1, True, 0, 2),
        (0, True, 0, 0),
        (10, False, 100, 0),
    ],
)
def test_a_chunk_is_ready_when_all_that_decides_it_is_frozen(
    frozen: Ticks, final: bool, beyond: Ticks, ready: int
) -> None:
    assert ready_chunks(state(frozen, final=final), beyond=beyond) == ready


def test_the_last_chunk_ends_with_the_lesson() -> None:
    assert chunk_span(state(2 * CHUNK + 1_920, final=True), 2) == Span(2 * CHUNK, 2 * CHUNK + 1_920)
    assert chunk_span(state(2 * CHUNK + 1_920), 1) == Span(CHUNK, 2 * CHUNK)


def test_live_each_chunk_goes_alone() -> None:
    assert next_batch(state(CHUNK), set(), workers=2) == Batch(0, 1, (LOW.name, HIGH.name))
    assert next_batch(state(CHUNK), {0}, workers=2) is None


def test_a_backlog_is_parted_among_the_workers_and_bounded() -> None:
    assert next_batch(state(6 * CHUNK), set(), workers=2) == Batch(0, 3, (LOW.name, HIGH.name))
    assert next_batch(state(100 * CHUNK), set(), workers=2) == Batch(0, MAX_BATCH, (LOW.name, HIGH.name))
    assert next_batch(state(100 * CHUNK), set(range(8)), workers=2) == Batch(8, MAX_BATCH, (LOW.name, HIGH.name))


def test_a_batch_holds_only_what_is_missing() -> None:
    lesson = state(10 * CHUNK, done={LOW.name: {0, 1, 2, 3, 6}, HIGH.name: {0, 1, 6}})
    busy: set[int] = set()
    batches = []
    while batch := next_batch(lesson, busy, workers=1):
        batches.append(batch)
        busy |= set(batch.indices)
    assert batches == [
        Batch(2, 2, (HIGH.name,)),
        Batch(4, 2, (LOW.name, HIGH.name)),
        Batch(7, 3, (LOW.name, HIGH.name)),
    ]


def test_a_chunk_over_which_a_worker_died_goes_alone() -> None:
    busy: set[int] = set()
    batches = []
    while batch := next_batch(state(5 * CHUNK), busy, workers=1, alone={2}):
        batches.append((batch.first, batch.count))
        busy |= set(batch.indices)
    assert batches == [(0, 2), (2, 1), (3, 2)]


def test_nothing_is_missing_when_all_is_there() -> None:
    everything = {name: {0, 1} for name in (VOICE.name, LOW.name, HIGH.name)}
    assert next_batch(state(2 * CHUNK, final=True, done=everything), set(), workers=2) is None


def test_a_rendition_may_have_chunks_of_several_grid_chunks() -> None:
    long = replace(HIGH, name="long", grid_multiple=4)
    lesson = LessonState(header(ladder=(VOICE, LOW, long)))
    lesson.apply(FrozenUntil(at=7 * CHUNK))
    assert multiples(lesson) == [1, 4]
    assert next_batch(lesson, set(), workers=1) == Batch(0, 7, (LOW.name,))
    assert next_batch(lesson, set(), workers=1, multiple=4) == Batch(0, 1, (long.name,), 4)
    lesson.apply(FrozenUntil(at=9 * CHUNK + 1_920, final=True))
    assert [ready_chunks(lesson), ready_chunks(lesson, 4)] == [10, 3]
    assert chunk_span(lesson, 2, 4) == Span(8 * CHUNK, 9 * CHUNK + 1_920)
    assert [len(lesson.edition.chunks_of(rung)) for rung in lesson.ladder] == [10, 10, 3]
    assert lesson.renditions[LOW.name].target_s == 16  # one for all variants
