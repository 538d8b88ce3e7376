"""Testing the feeds before a lesson: one press, and page, `/health` and metrics say what each of them delivers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.idle import TESTED_S
from api.settings import Conducted
from lesson.box import Fault, standing_by
from lesson.clock import Moment
from lesson.look import Look, look_lines
from lesson.records import FaultRaised, encode_line
from process.bulletin import BulletinWriter, LookRequests
from tests.kit.room import template
from tests.kit.web import serving

PAGE = {"Accept": "text/html", "Accept-Language": "en"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **PAGE}
JPEG = b"\xff\xd8 a picture \xff\xd9"


@dataclass
class Feeds:
    """What a conductor and its feeds say, and the pages that show it."""

    client: httpx.Client
    looks: dict[str, BulletinWriter]
    look_requests: LookRequests
    bulletin: BulletinWriter

    def look(self, source: str, *, age_s: float = 0.0, **more: object) -> None:
        at_ns = time.monotonic_ns() - round(age_s * 1e9)
        well_ns = 0 if more.get("flaws") else at_ns
        self.looks[source].write(look_lines(Look(at_ns=at_ns, well_ns=well_ns, **more)))  # type: ignore[arg-type]

    def all_well(self) -> None:
        self.look("teacher", width=1920, height=1080, fps=25.0)
        self.look("mic", rms_db=-30.0, peak_db=-12.0)

    def page(self) -> str:
        return self.client.get("/", headers=PAGE).text

    @property
    def green(self) -> bool:
        """Whether the panel is that of a room that is ready, and says so."""
        page = self.page()
        assert ('class="panel idle"' in page) == (">Ready</h1>" in page) or "partly" in page
        return 'class="panel idle"' in page


@pytest.fixture
def feeds(root: Path) -> Iterator[Feeds]:
    with room(root, standby=True) as found:
        yield found


@contextmanager
def room(root: Path, **more: object) -> Iterator[Feeds]:
    """A box whose teacher's camera and microphone can stand by."""
    looks, look_requests, bulletin = (
        {name: BulletinWriter() for name in ("teacher", "mic")},
        LookRequests(),
        BulletinWriter(),
    )
    paths = {name: one.path for name, one in looks.items() if one.path}
    told = Conducted(bulletin=bulletin.path, looks=paths, look_requests=look_requests.path)
    able = replace(template(), able=("teacher", "mic"), **more)  # type: ignore[arg-type]
    with serving(create_app(root, able, conductor=told)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield Feeds(client, looks, look_requests, bulletin)
    for memory in (*looks.values(), look_requests, bulletin):
        memory.close()


def test_the_page_is_green_only_once_every_feed_was_looked_at_and_is_well(feeds: Feeds) -> None:
    assert not feeds.green
    assert "Not tested yet" in feeds.page()
    assert "are being tested" in feeds.page()
    feeds.look("teacher", width=1920, height=1080, fps=25.0)
    assert not feeds.green
    feeds.look("mic", rms_db=-30.0, peak_db=-12.0)
    assert feeds.green
    page = feeds.page()
    assert "1920×1080 · 25/s" in page
    assert "-30 dB" in page
    assert '<meter min="0" max="100" value="50"' in page
    feeds.look("mic", age_s=TESTED_S + 1, rms_db=-30.0)
    assert not feeds.green
    feeds.look("mic", flaws=("silent",), rms_db=-90.0)
    assert not feeds.green, "it may be silent: that is not said yet, and ready is not said either"


@pytest.mark.parametrize("code", [code for code in Fault if code is not Fault.SOURCE_FLAWED])
def test_the_page_is_not_green_while_anything_is_wrong_with_the_lesson_to_come(feeds: Feeds, code: Fault) -> None:
    feeds.all_well()
    about = standing_by("mic") if code is Fault.CAPTURE_FAILS else "disk"
    feeds.bulletin.write([encode_line(FaultRaised(code=code, about=about, at=Moment.now(), detail="x"))])
    assert feeds.green == (code in {Fault.LESSON_DAMAGED, Fault.LESSON_STUCK})


def test_health_and_metrics_say_the_same(feeds: Feeds) -> None:
    health = feeds.client.get("/health").json()
    assert (health["status"], health["tested"]) == ("idle", False)
    assert [one["tested_s"] for one in health["feeds"]] == [None, None]
    feeds.all_well()
    health = feeds.client.get("/health").json()
    assert (health["tested"], health["ok"]) == (True, True)
    teacher, mic = health["feeds"]
    assert (teacher["width"], teacher["height"], teacher["fps"]) == (1920, 1080, 25.0)
    assert (mic["rms_db"], mic["peak_db"], mic["width"]) == (-30.0, -12.0, None)
    assert 0 <= mic["tested_s"] < 20
    metrics = feeds.client.get("/metrics").text
    assert 'classreel_source_tested_age_seconds{role="mic",source="mic"}' in metrics
    assert 'classreel_source_sound_peak_db{role="mic",source="mic"} -12.0' in metrics


@pytest.mark.parametrize("more", [{}, {"standby": True, "standby_hours": ("03:00-03:01",)}])
def test_feeds_that_rest_are_not_called_ready_until_they_are_tested(root: Path, more: dict[str, object]) -> None:
    with room(root, **more) as feeds:
        if time.gmtime()[3:5] == (3, 0):
            pytest.skip("it is that minute")
        assert "rests until a lesson begins" in feeds.page()
        assert "Press “Test now”" in feeds.page()
        assert not feeds.green
        assert feeds.client.post("/test").status_code == 202
        assert "rests until" not in feeds.page()
        assert "are being tested" in feeds.page()
        feeds.all_well()
        assert feeds.green


def test_a_press_asks_for_a_look_and_shows_pictures(feeds: Feeds) -> None:
    feeds.look("teacher", width=1920, height=1080, fps=25.0, jpeg=JPEG)
    assert feeds.client.get("/feeds/teacher.jpg").status_code == 404, "nobody asked here"
    pressed = feeds.client.post("/test", headers=FORM)
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/")
    assert time.monotonic_ns() - feeds.look_requests.look_asked_ns() < 20e9
    picture = feeds.client.get("/feeds/teacher.jpg")
    assert picture.content == JPEG
    assert picture.headers["cache-control"] == "no-store"
    assert "/feeds/teacher.jpg?v=" in feeds.page()
    assert feeds.client.get("/feeds/mic.jpg").status_code == 404
    assert feeds.client.get("/feeds/nobody.jpg").json()["type"] == "/problems/source-not-found"


def test_nothing_is_tested_while_a_lesson_is_recorded(feeds: Feeds) -> None:
    feeds.look("teacher", jpeg=JPEG)
    feeds.client.post("/test")
    assert feeds.client.post("/lessons").status_code == 201
    assert feeds.client.post("/test").json()["type"] == "/problems/recording-now"
    assert feeds.client.get("/feeds/teacher.jpg").status_code == 404
    assert "Test now" not in feeds.page()


def test_where_nothing_can_stand_by_that_is_said_and_the_room_is_ready(client: httpx.Client) -> None:
    assert client.post("/test").json()["type"] == "/problems/cannot-test"
    page = client.get("/", headers=PAGE).text
    assert "Test now" not in page
    assert ">Ready</h1>" in page


def test_another_page_cannot_press(feeds: Feeds) -> None:
    answer = feeds.client.post("/test", headers={**FORM, "Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert feeds.look_requests.look_asked_ns() == 0


def test_nobody_learns_from_health_where_a_camera_is(feeds: Feeds) -> None:
    why = "rtsp://10.9.8.7:554/hidden/main: timed out, nothing came any more"
    about = standing_by("teacher")
    feeds.bulletin.write([encode_line(FaultRaised(code=Fault.CAPTURE_FAILS, about=about, at=Moment.now(), detail=why))])
    health = feeds.client.get("/health")
    assert "10.9.8.7" not in health.text
    assert "hidden" not in health.text
    assert health.json()["sources"][0]["reason"] == "rtsp://…: timed out, nothing came any more"
