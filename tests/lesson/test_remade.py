"""Damaged files of renditions in the fold: whichever journal is read first, what was made again counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encode.ready import Batch, next_batch
from lesson.model import ChunkRecord
from lesson.package import media_file
from lesson.records import (
    ChunkEncoded,
    ChunksKept,
    EditionStarted,
    FileDamaged,
    FrozenUntil,
    Record,
    RenditionStarted,
    decode_line,
    encode_line,
)
from lesson.rendition_state import MAX_REMADE
from lesson.state import LessonState
from lesson.time import Grid
from tests.kit.lessons import HIGH, LOW, VOICE, header, moment

GRID = Grid()
NAMES = (VOICE.name, LOW.name, HIGH.name)


def started(name: str, again: str = "", edition: int = 0) -> RenditionStarted:
    return RenditionStarted(rendition=name, digest="", codecs="avc1.64000c", init_path=f"enc/{name}/init-ab{again}.mp4",
                            init_bytes=8, init_sha256="abcdef", edition=edition)  # fmt: skip


def chunk(name: str, index: int, again: str = "") -> ChunkRecord:
    return ChunkRecord(rendition=name, index=index, span=GRID.span(index), path=f"enc/{name}/{index:06d}-12{again}.m4s",
                       bytes=1, sha256=again, inputs="123456789")  # fmt: skip


def damaged(name: str, index: int | None, again: str = "") -> FileDamaged:
    path = started(name, again).init_path if index is None else chunk(name, index, again).path
    return FileDamaged(rendition=name, chunk=index, path=path, problem="missing")


def whole(chunks: int = 3) -> LessonState:
    state = LessonState(header())
    state.apply(FrozenUntil(at=chunks * GRID.chunk, final=True))
    for name in NAMES:
        state.apply(started(name))
        for index in range(chunks):
            state.apply(ChunkEncoded(chunk=chunk(name, index)))
    return state


@pytest.mark.parametrize("index", [None, 0, 2])
def test_a_lesson_with_a_damaged_file_is_not_encoded_until_it_was_made_again(index: int | None) -> None:
    state = whole()
    assert state.encoded
    state.apply(damaged(LOW.name, index))
    assert not state.encoded
    assert state.edition.made
    batch = next_batch(state, set(), workers=2)
    assert batch == (None if index is None else Batch(index, 1, (LOW.name,)))
    again = started(LOW.name, "9") if index is None else ChunkEncoded(chunk=chunk(LOW.name, index, "9"))
    state.apply(again)
    assert state.encoded
    assert next_batch(state, set(), workers=2) is None


@pytest.mark.parametrize("index", [None, 1])
def test_what_is_damaged_again_and_again_is_given_up(index: int | None) -> None:
    state = whole()
    progress = state.renditions[LOW.name]
    for number in range(MAX_REMADE + 1):
        again = str(number) if number else ""
        state.apply(started(LOW.name, again) if index is None else ChunkEncoded(chunk=chunk(LOW.name, 1, again)))
        assert state.encoded
        assert not progress.given_up(index)
        state.apply(damaged(LOW.name, index, again))
    assert progress.given_up(index)
    assert not state.encoded
    assert next_batch(state, set(), workers=2) is None


HISTORY: list[Record] = [
    started(LOW.name),
    *(ChunkEncoded(chunk=chunk(LOW.name, index)) for index in range(4)),
    started(LOW.name, edition=1),
    ChunksKept(rendition=LOW.name, edition=1, of=0, first=0, count=2),
    ChunkEncoded(chunk=chunk(LOW.name, 1, "9"), edition=1),
    ChunksKept(rendition=LOW.name, edition=0, of=1, first=1, count=1),
    started(LOW.name, "9", edition=0),
    started(LOW.name, "9", edition=1),
    ChunkEncoded(chunk=chunk(LOW.name, 1, "99"), edition=1),
]
DAMAGES: list[Record] = [damaged(LOW.name, 1), damaged(LOW.name, None), damaged(LOW.name, 1, "9"),
                         damaged(LOW.name, 3)]  # fmt: skip


@given(order=st.permutations([0] * len(HISTORY) + [1] * len(DAMAGES)), edition_at=st.integers(0, 5))
def test_in_whatever_order_journals_are_read_the_state_is_the_same(order: list[int], edition_at: int) -> None:
    expected, state = LessonState(header()), LessonState(header())
    edition = EditionStarted(number=1, at=moment())
    for record in [edition, *HISTORY, *DAMAGES]:
        expected.apply(record)
    lines: list[list[Record]] = [list(HISTORY), list(DAMAGES)]
    for which in order:
        if len(lines[0]) == len(HISTORY) - edition_at:
            state.apply(edition)
        state.apply(lines[which].pop(0))
    assert state == expected
    assert state.editions[0].renditions[LOW.name].spoilt == {1, 3}
    assert state.editions[1].renditions[LOW.name].spoilt == set()


def test_an_edition_that_is_started_later_knows_what_is_damaged() -> None:
    state = whole()
    state.apply(damaged(LOW.name, 1))
    state.apply(EditionStarted(number=1, at=moment()))
    state.apply(ChunksKept(rendition=LOW.name, edition=1, of=0, first=0, count=3))
    assert state.editions[1].renditions[LOW.name].spoilt == {1}


def test_who_plays_on_gets_under_the_old_name_what_took_its_place() -> None:
    state = whole()
    for index, again in ((None, started(LOW.name, "9")), (1, ChunkEncoded(chunk=chunk(LOW.name, 1, "9")))):
        old = damaged(LOW.name, index)
        key = old.path.removeprefix("enc/")
        state.apply(old)
        before = media_file(state, key)
        assert before is not None
        assert before.path == old.path
        state.apply(again)
        after = media_file(state, key)
        assert after is not None
        assert after.path == old.path.replace("-12", "-129").replace("-ab", "-ab9")
    state.apply(ChunkEncoded(chunk=replace(chunk(LOW.name, 1, "8"), inputs="987654")))
    assert media_file(state, damaged(LOW.name, 1).path.removeprefix("enc/")) is None, "made of something else"


@pytest.mark.parametrize("index", [None, 0, 7])
def test_a_line_is_read_as_it_was_written(index: int | None) -> None:
    record = damaged(LOW.name, index)
    assert decode_line(encode_line(record)) == record
