"""The button, pressed by a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import api
from api.app import create_app
from api.health import RoomStatus, SourceStatus
from api.languages import LANGUAGES
from lesson.catalogue import Catalogue
from lesson.folder import LessonFolder, lessons_in
from lesson.journal import append_records, read_journal
from lesson.lifecycle import start_lesson, stop_lesson
from lesson.listing import DAMAGED
from lesson.model import Role
from lesson.phase import Phase
from lesson.records import FrozenUntil, Start, Stop, Verified
from lesson.signal import Flaw
from tests.kit.browser import Browser
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all, start, stop
from tests.kit.room import MIC, TEACHER, began, committed, deliver, lost, template
from tests.kit.web import serving

pytestmark = pytest.mark.browser
SOON = 15.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lessons"


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    with serving(create_app(root, template())) as url:
        yield url


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def running(root: Path) -> LessonFolder:
    folder = Catalogue(root).running()
    assert folder is not None
    return folder


def test_a_lesson_from_button_to_button(browser: Browser, url: str, root: Path) -> None:
    browser.open(url)
    assert browser.text("#status h1") == "Ready"
    assert browser.title == "Ready – Room 3"
    browser.type("#title", "Fractions")
    browser.click("#button")
    browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
    assert browser.evaluate("document.activeElement.id") == "button", "for whoever uses the keyboard"
    assert browser.text("#status h1") == "Starting …"
    assert "Fractions" in browser.text(".about")
    browser.evaluate("window.sameDocument = true")

    folder = running(root)
    deliver(folder, TEACHER)
    deliver(folder, MIC)
    browser.wait_for(lambda: browser.text("#status h1") == "Recording", SOON)
    browser.wait_for(lambda: browser.evaluate("document.getElementById('picture-teacher').naturalWidth") == 480, SOON)
    assert browser.text("#state-teacher") == "is being recorded"
    assert browser.title == "● Recording – Room 3"
    browser.wait_for(lambda: browser.text("#elapsed") >= "00:02", SOON)
    assert browser.evaluate("window.sameDocument")  # followed without reloading

    browser.click("#button")
    browser.wait_for(lambda: browser.text("#button") == "Start recording", SOON)
    assert browser.text("#status h1") == "Ready"
    assert "being prepared" in browser.text("#last")
    assert [type(r) for r in read_journal(folder.control_journal)] == [Start, Stop]
    assert browser.complaints() == []


def test_trouble_is_shown_and_goes_away(browser: Browser, url: str, root: Path) -> None:
    folder, _ = start_lesson(root, template())
    deliver(folder, TEACHER)
    deliver(folder, MIC)
    browser.open(url)
    browser.wait_for(lambda: browser.text("#status h1") == "Recording", SOON)
    append_records(folder.raw_journal("teacher"), [lost(TEACHER)])
    browser.wait_for(lambda: browser.text("#status h1") == "Something is missing", SOON)
    assert browser.text("#state-teacher") == "no signal (needed)"
    assert browser.evaluate("document.getElementById('panel').className") == "panel trouble"
    back = [began(TEACHER, epoch=1, seconds_ago=4), committed(folder, TEACHER, 1, epoch=1, age_s=0)]
    append_records(folder.raw_journal("teacher"), back)
    browser.wait_for(lambda: browser.text("#status h1") == "Recording", SOON)
    assert browser.evaluate("document.getElementById('picture-teacher').src.split('?')[1]") == "v=1-1"


def test_another_phone_starts_and_stops(browser: Browser, url: str, root: Path) -> None:
    browser.open(url)
    folder, _ = start_lesson(root, template(), title="From the other phone")
    browser.wait_for(lambda: "From the other phone" in browser.text("#action"), SOON)
    stop_lesson(root, folder)
    browser.wait_for(lambda: browser.text("#button") == "Start recording", SOON)


def test_a_double_click_is_one_lesson(browser: Browser, url: str, root: Path) -> None:
    browser.open(url)
    browser.evaluate("(() => { const b = document.getElementById('button'); b.click(); b.click(); })()")
    browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
    assert len(list(lessons_in(root))) == 1
    assert [type(r) for r in read_journal(running(root).control_journal)] == [Start]


def test_a_title_being_typed_survives_the_refresh(browser: Browser, url: str, root: Path) -> None:
    browser.open(url)
    browser.type("#title", "Half a ti")
    record_all(make_lesson(root, "20260101-080000-aaaa", title="Appears later"))
    browser.wait_for(lambda: browser.evaluate("performance.getEntriesByType('resource').filter("
                                              "e => e.initiatorType === 'fetch').length >= 2"), SOON)  # fmt: skip
    assert browser.evaluate("document.getElementById('title').value") == "Half a ti"
    assert browser.evaluate("document.activeElement.id") == "title"


def test_keyboard_alone_is_enough(browser: Browser, url: str, root: Path) -> None:
    browser.open(url)
    order = []
    for _ in range(4):
        browser.devtools("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        order.append(browser.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert order == ["Room 3", "Lessons", "button", "title"]
    outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.type("#title", "By keyboard\ue007")
    browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
    assert running(root).header.title == "By keyboard"


def test_without_script(url: str, root: Path) -> None:
    with Browser(script=False, size=(360, 640)) as browser:
        browser.open(url)
        browser.type("#title", "No script")
        browser.click("#button")
        browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
        folder = running(root)
        assert folder.header.title == "No script"
        deliver(folder, TEACHER)
        deliver(folder, MIC)
        browser.wait_for(lambda: browser.text("#status h1") == "Recording", SOON)  # the page asks again by itself
        browser.click("#button")
        browser.wait_for(lambda: browser.text("#button") == "Start recording", SOON)


def test_a_recorder_that_went_away_is_said(root: Path, browser: Browser) -> None:
    with serving(create_app(root, template())) as url:
        browser.open(url)
        assert browser.evaluate("document.getElementById('offline').hidden")
    browser.wait_for(lambda: "No connection" in browser.text("#offline"), SOON)


def test_a_press_while_the_recorder_is_away_is_sent_when_it_is_back(root: Path, browser: Browser) -> None:
    with serving(create_app(root, template())) as url:
        browser.open(url)
        browser.click("#button")
        browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
    browser.click("#button")
    browser.wait_for(lambda: not browser.evaluate("document.getElementById('kept').hidden"), SOON)
    assert running(root), "nobody has heard of it yet"
    with serving(create_app(root, template()), port=int(url.rpartition(":")[2])):
        browser.wait_for(lambda: browser.text("#button") == "Start recording", SOON)
        assert Catalogue(root).running() is None


def test_without_a_connection_nothing_is_called_recorded(root: Path, browser: Browser) -> None:
    """The box may have lost its power: what the page knew before is not shown as if it were true now."""
    seen = "getComputedStyle(document.querySelector('{}')).visibility"
    with serving(create_app(root, template())) as url:
        browser.open(url)
        browser.click("#button")
        browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
        assert browser.evaluate(seen.format("#status h1")) == "visible"
    browser.wait_for(lambda: "No connection" in browser.text("#offline"), SOON)
    for part in ("#status h1", "#elapsed", ".feeds"):
        assert browser.evaluate(seen.format(part)) == "hidden"
    assert browser.title == "Room 3"


def test_a_start_that_nobody_heard_is_forgotten_and_a_stop_is_not(root: Path, browser: Browser) -> None:
    """Whoever pressed Start and went away must not find a recording of an empty room."""
    minutes = "window.later = 0, performance.now = (was => () => was.call(performance) + later)(performance.now)"
    with serving(create_app(root, template())) as url:
        browser.open(url)
        browser.evaluate(minutes)
    browser.click("#button")
    browser.wait_for(lambda: not browser.evaluate("document.getElementById('kept').hidden"), SOON)
    browser.evaluate("window.later = 301000")
    browser.wait_for(lambda: browser.evaluate("document.getElementById('kept').hidden"), SOON)
    with serving(create_app(root, template()), port=int(url.rpartition(":")[2])):
        browser.wait_for(lambda: browser.evaluate("document.getElementById('offline').hidden"), SOON)
        assert Catalogue(root).running() is None
        browser.click("#button")
        browser.wait_for(lambda: browser.text("#button") == "Stop recording", SOON)
        browser.evaluate(minutes)
    browser.click("#button")
    browser.wait_for(lambda: not browser.evaluate("document.getElementById('kept').hidden"), SOON)
    browser.evaluate("window.later = 3600000")
    with serving(create_app(root, template()), port=int(url.rpartition(":")[2])):
        browser.wait_for(lambda: browser.text("#button") == "Start recording", SOON)
    assert Catalogue(root).running() is None


# contrast as WCAG 2 defines it, between an element's text colour and the nearest opaque background above it
_LOWEST_CONTRAST = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor, [, , , alpha] = parts(colour);
      if (alpha === undefined || alpha === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('body *')].filter(e => e.getClientRects().length &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  return texts.map(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)];
  }).sort((x, y) => x[0] - y[0])[0];
})()"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_can_be_read_on_every_screen(browser: Browser, url: str, root: Path, language: str) -> None:
    record_all(make_lesson(root, "20260101-080000-aaaa", title="Geography: the rivers of the plateau " * 4))
    folder, _ = start_lesson(root, template(), title="Wordwithoutanyspaces" * 8)
    deliver(folder, TEACHER)
    append_records(folder.raw_journal("mic"), [began(MIC), lost(MIC)])
    pages = ["/", "/lessons", "/lessons/20260101-080000-aaaa", "/nowhere"]
    for page in [*pages, "/ idle"]:
        if page == "/ idle":
            stop_lesson(root, folder)
        browser.open(f"{url}{page.split()[0]}?lang={language}")
        contrast, text = browser.evaluate(_LOWEST_CONTRAST)
        assert contrast >= 4.5, f"{page}: {text}"
        for width in (1280, 360, 280):
            browser.resize(width, 640)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width, f"{page} at {width}"
            if page.startswith("/ ") or page == "/":
                assert browser.evaluate("document.getElementById('button').getBoundingClientRect().height") >= 96
                assert browser.evaluate("document.getElementById('button').getBoundingClientRect().bottom") <= 640
    assert browser.evaluate("document.querySelectorAll('main').length") == 1
    assert browser.evaluate("document.querySelectorAll('input:not([id])').length") == 0


COVERED = """[...document.querySelectorAll('a, button, input')].filter(e => e.getClientRects().length).map(e => {
  e.scrollIntoView({block: 'center'});
  const box = e.getClientRects()[0];
  const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const free = e === hit || e.contains(hit) || (hit && hit.contains(e));
  return free ? '' : e.outerHTML.slice(0, 80) + ' under ' + (hit && hit.outerHTML.slice(0, 80));
}).filter(Boolean)"""
"""What can be pressed and lies under something else."""


def in_phase(root: Path, phase: str) -> LessonFolder:
    """The newest lesson of the box, in this state of the library."""
    folder = make_lesson(root, "20300101-080000-ffff")
    if phase == "created":
        return folder
    start(folder)
    if phase == "recording":
        return folder
    if phase != Phase.EMPTY:
        record_all(folder)
    stop(folder)
    if phase == Phase.EMPTY:
        append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    if phase == Phase.PUBLISHED:
        plan_all(folder)
        encode_all(folder)
        append_records(folder.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256="")])
    if phase == DAMAGED:
        folder.header_path.write_text("{")
        folder.header_copy.unlink()
    return folder


@pytest.mark.parametrize("phase", [*Phase, DAMAGED])
def test_nothing_covers_what_can_be_pressed_whatever_became_of_the_last_lesson(
    browser: Browser, url: str, root: Path, phase: str
) -> None:
    folder = in_phase(root, phase)
    for width in (360, 1280):
        browser.resize(width, 760)
        for page in ("/", "/lessons", f"/lessons/{folder.id}"):
            browser.open(url + page)
            assert browser.evaluate(COVERED) == [], f"{page} at {width} px"


def test_no_word_of_a_lesson_or_source_is_a_style_of_its_own() -> None:
    """Such words stand in class attributes: what is styled for one place must not catch them in another."""
    words = {str(word) for kind in (Phase, RoomStatus, SourceStatus, Flaw, Role) for word in kind}
    words |= {DAMAGED, "good", "calm", "fair", "bad", "partly"}
    text = re.sub(r"/\*.*?\*/", "", (Path(api.__file__).parent / "static" / "style.css").read_text(), flags=re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", text) for one in rule.split(",")]
    assert len(selectors) > 50
    alone = [
        one for one in selectors if one.split() and re.fullmatch(rf"\.({'|'.join(words)})(::?[\w-]+)?", one.split()[-1])
    ]
    assert alone == []
