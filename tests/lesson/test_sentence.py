"""Sentences about a lesson: one English text for reports, and the same in every language of the pages."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.languages import LANGUAGES
from api.translation import translation
from lesson.loss import Loss
from lesson.model import Kind
from lesson.sentence import Sentence, kind_word, loss_word, stretch_words
from lesson.time import TICKS_PER_SECOND, Span

WHERE = stretch_words(Span(TICKS_PER_SECOND, 5 * TICKS_PER_SECOND // 2), 0)
NAME = Sentence("%(source)s: %(kind)s", source="100%board", kind=kind_word(Kind.VIDEO))
LOST = Sentence(
    "%(name)s %(where)s is not in the lesson: %(why)s", name=NAME, where=WHERE, why=loss_word(Loss.UNDECODABLE)
)


def test_it_is_its_english_text() -> None:
    assert LOST == "100%board: picture from 1 to 2.5 s is not in the lesson: not decodable"
    assert json.loads(json.dumps([LOST])) == [str(LOST)]
    assert f"{LOST}" == str(LOST)


@pytest.mark.parametrize("carry", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_it_may_be_carried_about(carry: object) -> None:
    carried = carry(LOST)  # type: ignore[operator]
    assert carried == LOST
    assert (carried.message, carried.values) == (LOST.message, LOST.values)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_part_of_it_is_said_in_the_language_of_the_page(code: str) -> None:
    said = translation(code).sentence(LOST)
    assert "100%board" in said
    assert "2.5" in said
    assert "%(" not in said
    assert (said == LOST) == (code == "en")
    for english in ("picture", "from", "not in the lesson", "decodable"):
        assert (english in said) == (code == "en")


@given(st.text(), st.text())
def test_whatever_a_source_is_called_stays_as_it_is(name: str, other: str) -> None:
    said = Sentence("%(source)s: nothing was recorded of it", source=name)
    assert said == f"{name}: nothing was recorded of it"
    assert name in translation("zh").sentence(said)
    assert translation("zh").sentence(other) == other, "what is no sentence of ours is not touched"
