from __future__ import annotations

import pytest

from api.languages import LANGUAGES, choose_language

ROOM = ("bo", "zh", "en")


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
        ((None, None), "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ((None, None), "uz-Latn-UZ", "uz"),
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


def test_uzbek_is_called_as_it_is_written() -> None:
    assert LANGUAGES["uz"] == "O\u02bbzbekcha"
