"""A lesson played from the box by a real browser, natively and with hls.js."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.app import create_app
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Kind
from lesson.records import FrozenUntil, Record
from tests.kit.browser import Browser
from tests.kit.lessons import make_lesson, plan_all, start, stop
from tests.kit.places import NODE_MODULES
from tests.kit.room import encode_for_players, playable_records, template
from tests.kit.web import serving

pytestmark = pytest.mark.browser
SOON = 30.0
CHUNKS = 3
HLS_JS = NODE_MODULES / "hls.js" / "dist" / "hls.min.js"
SMALL = tuple(
    replace(rendition, width=min(rendition.width, 320), height=min(rendition.height, 180))
    for rendition in template().ladder
    if rendition.kind is Kind.AUDIO or rendition.name in {"v180", "v360"}
)
PLAYED = "document.getElementById('video').currentTime"


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    folder = make_lesson(tmp_path / "lessons", "lesson", ladder=SMALL)
    start(folder)
    return folder


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def finish(folder: LessonFolder) -> None:
    stop(folder)
    plan_all(folder, end=CHUNKS * folder.header.grid.chunk)


def play_to_the_end(browser: Browser) -> None:
    """Play from the first picture, then jump to the last seconds and hear the end."""
    browser.wait_for(lambda: browser.evaluate("document.getElementById('video').readyState") >= 2, SOON)
    assert browser.evaluate("document.getElementById('video').duration") == pytest.approx(3 * 3.84, abs=0.2)
    browser.evaluate("(v => { v.muted = true; return v.play().then(() => true); })(document.getElementById('video'))")
    browser.wait_for(lambda: browser.evaluate(PLAYED) > 1.0, SOON)
    assert browser.evaluate("document.getElementById('video').videoHeight") == 180
    browser.evaluate("(v => { v.currentTime = v.duration - 1; })(document.getElementById('video'))")
    browser.wait_for(lambda: browser.evaluate("document.getElementById('video').ended"), SOON)
    assert browser.evaluate("document.getElementById('video').error") is None


def test_native_playback(folder: LessonFolder, browser: Browser) -> None:
    encode_for_players(folder, chunks=CHUNKS)
    finish(folder)
    with serving(create_app(folder.path.parent, template())) as url:
        browser.open(f"{url}/lessons/lesson")
        if not browser.evaluate("document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"):
            pytest.skip("this Chromium cannot play HLS by itself")
        play_to_the_end(browser)
        assert browser.complaints() == []


def grow(journals: dict[Path, list[Record]], *, first: int, last: int) -> None:
    """Commit chunks `first` to `last` of every rendition; the start of the rendition goes with chunk 0."""
    for journal, records in journals.items():
        append_records(journal, records[first + 1 if first else 0 : last + 2])


@pytest.mark.parametrize("library", [True, False], ids=["hls.js", "native"])
def test_a_running_lesson_is_followed(folder: LessonFolder, browser: Browser, library: bool) -> None:
    if library and not HLS_JS.is_file():
        pytest.skip("hls.js is not installed (npm ci in tests/)")
    journals = playable_records(folder, chunks=CHUNKS)
    grow(journals, first=0, last=0)
    with serving(create_app(folder.path.parent, template(), hls_js=HLS_JS if library else None)) as url:
        browser.open(f"{url}/lessons/lesson")
        browser.wait_for(lambda: browser.evaluate("document.getElementById('video').readyState") >= 2, SOON)
        browser.evaluate("(v => { v.muted = true; return v.play().then(() => 1); })(document.getElementById('video'))")
        browser.wait_for(lambda: browser.evaluate(PLAYED) > 2.0, SOON)
        grow(journals, first=1, last=CHUNKS - 1)
        browser.wait_for(lambda: browser.evaluate(PLAYED) > 3.84 + 2.0, SOON, what="the second chunk is played")
        assert browser.complaints() == []


def without_native_hls(browser: Browser) -> None:
    browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        source="HTMLMediaElement.prototype.canPlayType = function () { return ''; };",
    )


def test_hls_js_playback(folder: LessonFolder, browser: Browser) -> None:
    if not HLS_JS.is_file():
        pytest.skip("hls.js is not installed (npm ci in tests/)")
    encode_for_players(folder, chunks=CHUNKS)
    finish(folder)
    without_native_hls(browser)
    with serving(create_app(folder.path.parent, template(), hls_js=HLS_JS)) as url:
        browser.open(f"{url}/lessons/lesson")
        browser.wait_for(
            lambda: str(browser.evaluate("document.getElementById('video').src")).startswith("blob:"), SOON
        )
        play_to_the_end(browser)
        assert browser.complaints() == []


def test_a_browser_that_can_play_nothing_shows_the_address(folder: LessonFolder, browser: Browser) -> None:
    encode_for_players(folder, chunks=1)
    without_native_hls(browser)
    with serving(create_app(folder.path.parent, template())) as url:
        browser.open(f"{url}/lessons/lesson")
        assert browser.text("#no-player a") == "/lessons/lesson/hls/index.m3u8"


def test_the_player_appears_when_there_is_something_to_play(folder: LessonFolder, browser: Browser) -> None:
    with serving(create_app(folder.path.parent, template())) as url:
        browser.open(f"{url}/lessons/lesson")
        assert "nothing to play yet" in browser.text("#player")
        encode_for_players(folder, chunks=CHUNKS)
        append_records(folder.plan_journal(), [FrozenUntil(at=CHUNKS * folder.header.grid.chunk)])
        browser.wait_for(lambda: browser.has("#video"), SOON)
        browser.wait_for(lambda: browser.evaluate("document.getElementById('video').readyState") >= 1, SOON)
        assert "watched up to 00:11" in browser.text("#facts")
