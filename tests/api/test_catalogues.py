"""The message catalogues against the sources, and against each other."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from api.health import RoomStatus, SourceStatus
from api.languages import LANGUAGES
from api.translation import DOMAIN, catalogue_path, translation
from api.wording import FAULTS, HINTS, ROLES, ROOM_STATUSES, SOURCE_STATUSES, STATES
from lesson.box import Fault, remedy
from lesson.listing import DAMAGED
from lesson.loss import Loss, loss_words
from lesson.model import Role
from lesson.phase import Phase

ROOT = Path(__file__).parents[2]
OTHERS = [code for code in LANGUAGES if code != "en"]


def catalogue(code: str) -> Catalog:
    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=code, domain=DOMAIN, abort_invalid=True)


def messages(code: str) -> list[Message]:
    return [message for message in catalogue(code) if message.id]


def texts(message: Message) -> tuple[str, ...]:
    """All forms of the translation."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def extracted() -> set[str | tuple[str, ...]]:
    """What `pybabel extract` finds with the settings of pyproject.toml."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(one["pattern"], one["method"]) for one in mappings]
    keywords = {**DEFAULT_KEYWORDS, "gettext_noop": None}
    rooms = {"api", "lesson", "templates"}
    found = extract_from_dir(ROOT, methods, keywords=keywords, directory_filter=lambda path: Path(path).name in rooms)
    return {message for _, _, message, _, _ in found}


def test_the_english_catalogue_holds_what_the_sources_say_word_for_word() -> None:
    found = extracted()
    assert len(found) > 100
    assert {message.id for message in messages("en")} == found
    for message in messages("en"):
        assert message.string == message.id


@pytest.mark.parametrize("code", OTHERS)
def test_every_language_has_every_message_and_no_other(code: str) -> None:
    assert {message.id for message in messages(code)} == {message.id for message in messages("en")}
    for message in messages(code):
        assert all(text.strip() for text in texts(message)), message.id
        assert not message.fuzzy, message.id
    assert not catalogue(code).obsolete


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[a-z]", text))


@pytest.mark.parametrize("code", LANGUAGES)
def test_placeholders_agree(code: str) -> None:
    for message in messages(code):
        source = message.id if isinstance(message.id, str) else message.id[0]
        for text in texts(message):
            assert placeholders(text) == placeholders(source), text
        assert not list(message.check(catalogue(code)))


@pytest.mark.parametrize("code", LANGUAGES)
def test_messages_can_stand_in_a_page_as_they_are(code: str) -> None:
    """Templates take them for markup."""
    assert not [text for message in messages(code) for text in texts(message) if set(text) & set('<>&"')]


def foreign(text: str) -> str:
    """A text without what is the same in every language: placeholders, commands, names of keys and files."""
    same = r"%\(\w+\)s|%\(num\)d|`[^`]*`|\[store\]|classroom\.toml|allowed_hosts|lesson\.json|hls\.js|JSON|HTML"
    return re.sub(same, "", text)


@pytest.mark.parametrize(("code", "first", "last"), [("zh", "一", "龥"), ("bo", "ༀ", "࿿"), ("ru", "А", "ё")])
def test_translations_are_in_their_own_script(code: str, first: str, last: str) -> None:
    for message in messages(code):
        for text in texts(message):
            assert not set(string.ascii_letters) & set(foreign(text)), text
            assert any(first <= sign <= last for sign in text), text


def test_uzbek_is_written_with_its_own_letters() -> None:
    for message in messages("uz"):
        for text in texts(message):
            assert text not in {message.id, *message.id}, "not translated"
            assert not set(foreign(text)) & set("'\u2018\u2019`wW"), text
            assert not re.search("\u02bc(?<![aeiou]\u02bc)", text), "the tutuq belgisi follows a vowel"
            assert not re.search("\u02bb(?<![ogOG]\u02bb)", text), "only o and g take this sign"


@pytest.mark.parametrize(
    ("code", "hours"),
    [
        ("en", ["0 hours", "1 hour", "2 hours", "5 hours", "21 hours"]),
        ("zh", ["0 小时", "1 小时", "2 小时", "5 小时", "21 小时"]),
        ("bo", ["ཆུ་ཚོད་ 0", "ཆུ་ཚོད་ 1", "ཆུ་ཚོད་ 2", "ཆུ་ཚོད་ 5", "ཆུ་ཚོད་ 21"]),
        ("ru", ["0 часов", "1 час", "2 часа", "5 часов", "21 час"]),
        ("uz", ["0 soat", "1 soat", "2 soat", "5 soat", "21 soat"]),
    ],
)
def test_plural_forms(code: str, hours: list[str]) -> None:
    spoken = translation(code)
    found = [spoken.ngettext("%(num)d hour", "%(num)d hours", n) % {"num": n} for n in (0, 1, 2, 5, 21)]
    assert found == hours


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_plural_has_every_form_of_its_language(code: str) -> None:
    forms = catalogue(code).num_plurals
    counted = [message for message in messages(code) if not isinstance(message.id, str)]
    assert counted
    for message in counted:
        assert len(message.string) == forms, message.id


def test_every_state_role_and_fault_has_words() -> None:
    assert set(ROOM_STATUSES) == set(HINTS) == set(RoomStatus)
    assert set(SOURCE_STATUSES) == set(SourceStatus)
    assert set(ROLES) == set(Role)
    assert set(STATES) == {*Phase, DAMAGED}
    assert set(FAULTS) == set(Fault)


def said_by_codes() -> Iterator[str]:
    for table in (ROOM_STATUSES, HINTS, SOURCE_STATUSES, ROLES, STATES, FAULTS):
        yield from table.values()
    yield from map(remedy, Fault)
    yield from map(loss_words, Loss)


@pytest.mark.parametrize("code", OTHERS)
def test_no_code_is_shown_in_english(code: str) -> None:
    assert [text for text in said_by_codes() if translation(code).gettext(text) == text] == []


def test_those_that_want_a_native_reader_say_so() -> None:
    assert all("native reader" in catalogue(code).header_comment for code in ("bo", "uz"))
    development = (ROOT / "docs" / "development.md").read_text()
    assert "native reader" in development
