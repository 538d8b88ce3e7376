"""Which feeds stand by, and which lessons they are handed over to: processes that exist on the test's clock only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from capture.orders import Order, asked_in, look_asked, orders_in
from classroom.settings import Settings, compose
from classroom.standby import FRESH_S, TEST_S, Standby
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.lifecycle import start_lesson
from lesson.records import Stop
from lesson.view import load_state
from process.bulletin import BulletinReader
from tests.kit.fake_processes import FakeClock, FakeLauncher

SOURCES = [
    {"id": "teacher", "role": "teacher", "uri": "rtsp://10.0.0.11/main", "required": True},
    {"id": "board", "role": "board", "uri": "file:/slides.mp4?loop"},
    {"id": "mic", "role": "mic", "uri": "alsa:hw:1"},
]


class Room:
    """A room whose feeds stand by."""

    def __init__(self, root: Path, **more: object) -> None:
        self.settings: Settings = compose({"root": str(root), "sources": SOURCES, **more})
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock)
        self.standby = Standby(self.settings, self.launcher, self.clock, lambda _job, _code, _reason: None)

    def press(self, settings: Settings | None = None) -> LessonFolder:
        chosen = settings or self.settings
        folder, _new = start_lesson(chosen.root, chosen.template())
        return folder

    def handed_over(self, folder: LessonFolder, now: Moment | None = None) -> dict[str, int]:
        given = self.standby.hand_over(folder, load_state(folder), now or Moment.now())
        return {job.name: child.pid for job, child in given}

    def orders(self) -> list[Order]:
        """What the newest process that stands by is told to record."""
        return orders_in(self.lines())

    def lines(self) -> list[bytes]:
        """What it is told."""
        path = next(reversed(self.launcher.started)).job.arguments[1]
        read = BulletinReader(Path(path)).read()
        assert read is not None
        assert read.lines is not None
        return list(read.lines)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_cameras_and_microphones_stand_by_and_files_do_not(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    assert [child.job.name for child in room.launcher.started] == ["standby-teacher", "standby-mic"]
    assert "10.0.0.11" in room.launcher.started[0].job.arguments[0]


def test_none_does_where_the_room_does_not_want_it(tmp_path: Path) -> None:
    room = Room(tmp_path, capture={"standby": False})
    room.standby.reconcile(Moment.now(), resting=False)
    assert room.launcher.started == []


def test_a_lesson_that_begins_gets_the_very_processes(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    standing = {child.job.source: child.pid for child in room.launcher.started}
    folder = room.press()
    assert room.handed_over(folder) == {"capture-teacher": standing["teacher"], "capture-mic": standing["mic"]}
    start = load_state(folder).start
    assert start is not None
    assert room.orders() == [
        Order(name, str(folder.path.absolute()), start.at.monotonic_ns) for name in ("teacher", "mic")
    ]
    for _ in range(100):  # the lesson goes on: nothing of it is ended or started
        room.clock.now += 1
        room.standby.reconcile(Moment.now(), resting=True)
    assert [child.signals for child in room.launcher.started] == [[], []]


def test_after_the_lesson_they_stand_by_anew_and_find_no_old_order(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    room.handed_over(room.press())
    room.standby.reconcile(Moment.now(), resting=True)
    room.clock.now += 60
    room.standby.reconcile(Moment.now(), resting=False)
    assert [child.job.name for child in room.launcher.started[2:]] == ["standby-teacher", "standby-mic"]
    assert room.orders() == []


def test_a_lesson_stopped_before_anybody_looked_is_still_recorded_from_what_is_held(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    folder = room.press()
    state = load_state(folder)
    state.apply(Stop(at=Moment.now(), reason="asked"))
    assert {job.name: job.task for job, _ in room.standby.hand_over(folder, state, Moment.now())} == {
        "capture-teacher": "close",
        "capture-mic": "close",
    }


@pytest.mark.parametrize("late_s", [FRESH_S + 1, -5.0])
def test_an_old_lesson_that_is_taken_up_again_gets_none(room: Room, late_s: float) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    now = Moment.now()
    later = replace(now, monotonic_ns=now.monotonic_ns + round(late_s * 1e9))
    assert room.handed_over(room.press(), later) == {}
    assert room.handed_over(room.press(), replace(now, boot="another")) == {}


def test_a_source_that_is_configured_otherwise_now_is_opened_anew(room: Room, tmp_path: Path) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    other = [{**SOURCES[0], "uri": "rtsp://10.0.0.12/main"}, *SOURCES[1:]]
    folder = room.press(compose({"root": str(tmp_path), "sources": other}))
    assert set(room.handed_over(folder)) == {"capture-mic"}


def test_one_that_has_just_died_is_not_handed_over(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    room.launcher.started[0].signal(9)
    assert set(room.handed_over(room.press())) == {"capture-mic"}


@pytest.mark.parametrize(
    ("wall", "stands"),
    [
        ("2026-11-26T00:00:00+00:00", True),  # 08:00 in Shanghai
        ("2026-11-26T03:59:59+00:00", True),
        ("2026-11-26T04:00:00+00:00", False),
        ("2026-11-26T08:00:00+00:00", False),
        ("1970-01-01T08:00:00+00:00", True),  # nobody knows what time it is
    ],
)
def test_cameras_rest_outside_the_hours_for_it(tmp_path: Path, wall: str, *, stands: bool) -> None:
    room = Room(tmp_path, timezone="Asia/Shanghai", capture={"standby_hours": ["07:30-12:00"]})
    room.standby.reconcile(replace(Moment.now(), wall=wall), resting=False)
    assert bool(room.launcher.started) == stands


def test_they_are_ended_when_their_hours_are_over(tmp_path: Path) -> None:
    room = Room(tmp_path, capture={"standby_hours": ["07:30-12:00"]})
    morning = replace(Moment.now(), wall="2026-11-26T11:00:00+00:00")
    noon = replace(morning, wall="2026-11-26T12:00:01+00:00")
    room.standby.reconcile(morning, resting=False)
    for _ in range(10):
        room.clock.now += 1
        room.standby.reconcile(noon, resting=False)
    assert room.launcher.alive == []


@pytest.mark.parametrize("capture", [{"standby": False}, {"standby_hours": ["03:00-03:01"]}])
def test_feeds_that_rest_are_opened_for_a_minute_when_somebody_wants_to_see_them(
    tmp_path: Path, capture: dict[str, object]
) -> None:
    room = Room(tmp_path, capture=capture)
    noon = replace(Moment.now(), wall="2026-11-02T12:00:00+00:00")
    asked_ns = noon.monotonic_ns
    room.standby.reconcile(noon, resting=False)
    assert room.launcher.started == []
    room.standby.reconcile(noon, resting=False, asked_ns=asked_ns)
    assert [child.job.name for child in room.launcher.started] == ["standby-teacher", "standby-mic"]
    assert room.lines() == look_asked(asked_ns)
    for seconds in range(1, 70):
        room.clock.now += 1
        now = replace(noon, monotonic_ns=asked_ns + seconds * 10**9)
        room.standby.reconcile(now, resting=False, asked_ns=asked_ns)
        if seconds < TEST_S:
            assert not any(child.signals for child in room.launcher.started), seconds
    assert all(child.signals for child in room.launcher.started)
    assert room.lines() == []


def test_those_that_stand_by_are_told_that_somebody_looks_and_of_their_lesson_all_the_same(room: Room) -> None:
    room.standby.reconcile(Moment.now(), resting=False)
    room.standby.reconcile(Moment.now(), resting=False, asked_ns=Moment.now().monotonic_ns - 1)
    assert asked_in(room.lines()) > 0
    assert room.orders() == []
    folder = room.press()
    room.handed_over(folder)
    assert [order.source for order in room.orders()] == ["teacher", "mic"]
    assert len({child.pid for child in room.launcher.started}) == 2, "none is started anew for it"


def test_where_each_says_what_it_delivers_is_known(room: Room) -> None:
    assert set(room.standby.looks) == {"teacher", "mic"}
    room.standby.reconcile(Moment.now(), resting=False)
    told = {child.job.source: child.job.arguments[2] for child in room.launcher.started}
    assert told == {name: str(path) for name, path in room.standby.looks.items()}
