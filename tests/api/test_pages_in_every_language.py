"""No page shows a sentence of another language, whatever it has to tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.causes import CAUSES
from api.languages import LANGUAGES
from lesson.box import Fault, box_journal
from lesson.clock import Moment
from lesson.journal import append_records
from lesson.lifecycle import start_lesson, stop_lesson
from lesson.model import Role
from lesson.records import FaultRaised
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all, source
from tests.kit.room import MIC, TEACHER, began, deliver, lost, template
from tests.kit.web import serving

OTHERS = [code for code in LANGUAGES if code != "en"]
SPOKEN_ATTRIBUTES = {"alt", "aria-label", "title", "placeholder"}
ROOM = replace(template(*(source(role.value) for role in Role)), room="3")


class Texts(HTMLParser):
    """Every text of a page that somebody reads or hears, but for the names of the languages."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0
        self.feed(re.sub(r'<ul class="languages">.*?</ul>', "", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"script", "style"}
        self.found += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._silent and not data.startswith("/"):  # an address is none of our words
            self.found.append(" ".join(data.split()))


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    with serving(create_app(root, ROOM)) as url:
        yield url


def shown(url: str, address: str, language: str) -> list[str]:
    answer = httpx.get(url + address, headers={"Accept": "text/html", "Accept-Language": language})
    assert answer.headers["content-type"].startswith("text/html")
    assert f'<html lang="{language}">' in answer.text
    return Texts(answer.text).found


def pages(root: Path) -> Iterator[tuple[str, str]]:
    """Addresses one after the other, with the state of the room that each is to be looked at in."""
    yield "/lessons", "no lesson yet"
    yield "/", "idle"
    over = make_lesson(root, "20260101-080000-aaaa", title="1", room="3", sources=(TEACHER, MIC))
    record_all(over)
    yield "/lessons/20260101-080000-aaaa", "nothing encoded yet"
    plan_all(over)
    encode_all(over)
    yield "/lessons/20260101-080000-aaaa", "to be watched"
    broken = make_lesson(root, "20260102-080000-0000", title="2")
    broken.header_path.write_text("{")
    broken.header_copy.unlink()
    yield "/lessons", "one of them damaged"
    yield "/lessons/20260102-080000-0000", "damaged"
    folder, _ = start_lesson(root, ROOM, title="3")
    yield "/", "starting"
    faults = [FaultRaised(code=code, about="1", detail="0", at=Moment.now()) for code in Fault]
    append_records(box_journal(root), faults)
    deliver(folder, TEACHER)
    deliver(folder, MIC)
    append_records(folder.raw_journal("board"), [began(source("board")), lost(source("board"))])
    yield "/", "recording, with every fault there is"
    yield f"/lessons/{folder.id}", "recording"
    stop_lesson(root, folder)
    yield "/", "idle again"
    yield "/nowhere", "no such page"
    yield "/lessons?limit=0", "wrong input"
    yield from ((uri, "explained") for uri in CAUSES)


def test_no_page_speaks_english_to_others(url: str, root: Path) -> None:
    identical: dict[str, set[str]] = {}
    looked_at = 0
    for address, state in pages(root):
        english = set(shown(url, address, "en"))
        assert english
        for language in OTHERS:
            looked_at += 1
            found = set(shown(url, address, language))
            left = {text for text in found & english if re.search("[A-Za-z]{2}", text)}
            identical.setdefault(f"{language} {address} {state}", left)
            if language != "uz":  # nor half a sentence
                words = {re.sub(r"`[^`]*`|[\w.-]*[_.][\w.]+|JSON|HTML|query\.limit", "", text) for text in found}
                assert not [text for text in words if re.search("[A-Za-z]{3}", text)], f"{language} {address} {state}"
    assert looked_at > 4 * (10 + len(CAUSES))
    assert {where: texts for where, texts in identical.items() if texts} == {}


def test_remedies_and_problems_speak_the_language_that_is_asked_for(url: str, root: Path) -> None:
    append_records(box_journal(root), [FaultRaised(code="disk_slow", about="1", detail="0", at=Moment.now())])
    for address, key in (("/health", "faults"), ("/lessons/none", "title")):
        said = {}
        for language in LANGUAGES:
            answer = httpx.get(url + address, headers={"Accept-Language": language})
            assert answer.headers["content-language"] == language
            said[language] = str(answer.json()[key])
        assert len(set(said.values())) == len(LANGUAGES)
        assert str(httpx.get(url + address).json()[key]) == said["en"]  # programs ask for no language


def test_a_page_fits_an_old_phone_on_a_thin_line(url: str, root: Path) -> None:
    start_lesson(root, ROOM)
    for language in LANGUAGES:
        page = httpx.get(url, headers={"Accept": "text/html", "Accept-Language": language}).content
        assert len(page) < 16_000, language  # two seconds at 64 kbit/s
