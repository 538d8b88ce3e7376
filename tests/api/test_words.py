from __future__ import annotations

import string

import pytest

from api.health import Feed, Light
from api.words import CATALOGUE, choose_language
from lesson.model import Role
from lesson.state import Phase

ROOM = ("bo", "zh", "en")


def test_every_language_has_every_text() -> None:
    for language, words in CATALOGUE.items():
        assert words.keys() == CATALOGUE["en"].keys(), language
        assert all(text.strip() for text in words.values()), language


def test_every_state_and_role_has_a_word() -> None:
    wanted = {f"light_{light}" for light in Light} | {f"hint_{light}" for light in Light}
    wanted |= {f"feed_{feed}" for feed in Feed} | {f"role_{role}" for role in Role}
    wanted |= {f"state_{phase}" for phase in Phase} | {"state_damaged"}
    assert wanted <= CATALOGUE["en"].keys()


def test_translations_are_in_their_own_script() -> None:
    latin = set(string.ascii_letters)
    for language, first, last in (("zh", "\u4e00", "\u9fff"), ("bo", "\u0f00", "\u0fff")):
        for key, text in CATALOGUE[language].items():
            assert not latin & set(text), (language, key)
            assert any(first <= sign <= last for sign in text), (language, key)


@pytest.mark.parametrize(
    ("asked", "accept", "language"),
    [
        ((None, None), "", "bo"),  # the room's first
        ((None, None), "de-DE, de;q=0.9", "bo"),
        ((None, None), "en-GB,en;q=0.9,zh;q=0.8", "en"),
        ((None, None), "de, zh-CN;q=0.5, en;q=0.4", "zh"),
        ((None, None), "en;q=0.1, bo;q=0.7", "bo"),
        ((None, None), "en;q=0, zh", "zh"),
        ((None, None), "zh_Hans_CN.UTF-8", "zh"),
        (("zh", "bo"), "en", "zh"),
        ((None, "zh"), "en", "zh"),
        (("xx", None), "en", "en"),
        (("../../etc", None), "en;q=hello,,;", "bo"),
    ],
)
def test_language_choice(asked: tuple[str | None, ...], accept: str, language: str) -> None:
    assert choose_language(asked, accept, ROOM) == language


def test_english_where_nothing_fits() -> None:
    assert choose_language([], "de", ["fr"]) == "en"
