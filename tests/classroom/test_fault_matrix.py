"""Whatever becomes of a store, a farm, a stage or the pages: recording goes on, and what is wrong is said.

Every cell of {store, encode, tracking, publish, farm, api} × {given up, crashed, hung, refused}, for 45 minutes and for
4 hours, on a clock of the test's own.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classroom.conductor import Clock, Conductor
from classroom.faults import job_faults
from classroom.jobs import STAGE_SILENCE_S, publish_job, wanted_jobs, web_job
from classroom.recording import stop_reason
from classroom.settings import Settings
from lesson.box import BoxView, Fault
from lesson.clock import Moment
from lesson.errors import ConfigError, StorageError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.lifecycle import stop_lesson, window
from lesson.records import Record, SegmentCommitted, Start
from lesson.state import LessonState
from process.job import Job
from process.stage import EXIT_FATAL, EXIT_RETRY
from process.supervisor import GIVE_UP_AFTER, RETRY_S, START_PATIENCE_S, Supervisor
from tests.kit.fake_classroom import FakeClassroom, moment_on
from tests.kit.fake_processes import FakeClock, FakeLauncher
from tests.kit.lessons import TEACHER_AND_MIC, header, make_lesson, start

pytestmark = pytest.mark.slow

SUBJECTS = {
    "store": "publish",
    "publish": "publish",
    "farm": "encode",
    "encode": "encode",
    "tracking": "tracking",
    "api": "api",
}
WAYS: dict[str, dict[str, Any]] = {
    "given up": {"lives_s": 0.5, "code": EXIT_RETRY},
    "crashed": {"lives_s": 1.5, "code": -11},
    "hung": {"beats_s": 5.0},
    "refused": {"lives_s": 1.0, "code": EXIT_FATAL},
}
LENGTHS = {"45 min": 45 * 60.0, "4 h": 4 * 3600.0}
SETTINGS = Settings.model_validate(
    {
        "root": "/lessons",
        "store": {"url": "s3+http://127.0.0.1:1/lessons"},
        "sources": [{"id": spec.id, "role": spec.role, "uri": spec.uri} for spec in TEACHER_AND_MIC],
        "max_lesson": "5h",
    }
)
FARM = SETTINGS.model_copy(update={"encode": SETTINGS.encode.model_copy(update={"farm": "tcp://127.0.0.1:9"})})


class Room:
    """One lesson and the box's own process, supervised as the conductor does, without disk and real time."""

    def __init__(self, logs: Path, stage: str, way: dict[str, Any], settings: Settings) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock, lambda job, _nth: way if job.stage == stage else {})
        self.lesson = Supervisor(logs, self.launcher, self.clock, self._told)
        self.box = Supervisor(logs, self.launcher, self.clock, self._told)
        self.state = LessonState(header())
        self.classroom = FakeClassroom(self.clock, self.launcher, TEACHER_AND_MIC, self.state.apply)
        self.state.apply(Start(at=moment_on(self.clock)))
        self.failed: list[tuple[float, str]] = []
        self.said: dict[str, float] = {}

    def _told(self, job: Job, code: int | None, _reason: str) -> None:
        if code is not None:
            self.failed.append((self.clock.now, job.stage))

    def run(self, seconds: float, step: float) -> None:
        folder, end = LessonFolder(Path("/lessons/lesson")), self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += step
            self.classroom.live()
            assert stop_reason(self.state, moment_on(self.clock), max_lesson_s=self.settings.max_lesson) is None
            self.lesson.reconcile(wanted_jobs(folder, self.state, self.settings))
            self.box.reconcile([web_job(self.settings), publish_job(self.settings)])
            found = job_faults("lesson", self.lesson.troubles.values()) | job_faults("", self.box.troubles.values())
            for code, about in found:
                self.said.setdefault(f"{code}:{about.rpartition('/')[2]}", self.clock.now)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("subject", "way"), list(itertools.product(SUBJECTS, WAYS)))
def test_recording_goes_on_and_what_is_wrong_is_said(tmp_path: Path, subject: str, way: str, length: str) -> None:
    stage = SUBJECTS[subject]
    room = Room(tmp_path, stage, WAYS[way], FARM if subject == "farm" else SETTINGS)
    seconds, step = LENGTHS[length], 1.0 if length == "45 min" else 2.0
    room.run(seconds, step)
    for source in ("teacher", "mic"):
        assert room.classroom.recorded_s[source] >= 0.999 * (seconds - 2 * step) - 4.0  # the last segment is not closed
    captures = [child for child in room.launcher.started if child.job.stage == "capture"]
    assert len(captures) == 2
    assert all(not child.signals for child in captures)

    usual = Fault.STAGE_HANGS if way == "hung" else Fault.STAGE_GIVEN_UP
    code = Fault.STORE_REFUSES if (stage, way) == ("publish", "refused") else usual
    assert set(room.said) == {f"{code}:{stage}"}
    failures = [at for at, failed in room.failed if failed == stage]
    given_up = failures[0 if way in {"refused", "hung"} else GIVE_UP_AFTER - 1]
    assert room.said[f"{code}:{stage}"] - given_up <= 5.0
    if way == "hung" and stage != "api":  # of which nobody hears before it is replaced
        first = next(child for child in room.launcher.started if child.job.stage == stage)
        assert room.said[f"{code}:{stage}"] - first.born - WAYS["hung"]["beats_s"] <= 10.0 + step

    tries = [child.born for child in room.launcher.started if child.job.stage == stage]
    late = [b - a for a, b in itertools.pairwise(tries) if a > given_up]
    assert len(late) >= 5  # for ever
    hung_s = START_PATIENCE_S + (STAGE_SILENCE_S if way == "hung" else 0.0)
    slowest = RETRY_S + hung_s + 4 * step
    assert max(late) <= slowest


# --- the conductor's own loop -----------------------------------------------------------------------------------------


class World:
    """The real conductor over a real root, with processes and time of the test's own."""

    def __init__(self, root: Path, fate: dict[str, dict[str, Any]], *, step: float = 2.0) -> None:
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock, lambda job, _nth: fate.get(job.stage, {}))
        self.settings = SETTINGS.model_copy(update={"root": root})
        self.step = step
        self.folder = make_lesson(root)
        start(self.folder, at=moment_on(self.clock))
        self.journals: dict[str, JournalWriter] = {}
        self.deeds: list[tuple[float, Callable[[], object]]] = []
        self.classroom = FakeClassroom(self.clock, self.launcher, self.folder.header.sources, self._commit)
        self.conductor = Conductor(
            self.settings, launcher=self.launcher, clock=Clock(self.clock, self.now, self._sleep)
        )

    def now(self) -> Moment:
        return moment_on(self.clock)

    def _commit(self, record: Record) -> None:
        source = record.segment.source if isinstance(record, SegmentCommitted) else record.source  # type: ignore[union-attr]
        if source not in self.journals:
            self.journals[source] = JournalWriter(self.folder.raw_journal(source))
        self.journals[source].append(record)

    def _sleep(self, _seconds: float) -> None:
        self.clock.now += self.step
        self.classroom.live()
        for due in [due for due in self.deeds if due[0] <= self.clock.now]:
            self.deeds.remove(due)
            due[1]()

    def at(self, seconds: float, deed: Callable[[], object]) -> None:
        """Do this once, so many seconds from now."""
        self.deeds.append((self.clock.now + seconds, deed))

    def run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        self.conductor.serve(lambda: self.clock.now >= end)
        for journal in self.journals.values():
            journal.close()


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is no question of the disk."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("minutes", [45, 240])
def test_a_lesson_that_records_is_not_ended_by_the_box(tmp_path: Path, minutes: int) -> None:
    world = World(tmp_path / "root", {}, step=2.0 if minutes == 45 else 8.0)
    world.run(minutes * 60)
    _, stop = window(world.folder)
    assert stop is None
    for source in ("teacher", "mic"):
        assert world.classroom.recorded_s[source] >= 0.999 * minutes * 60 - 12


@pytest.mark.usefixtures("quick_disk")
def test_the_box_s_journal_says_what_is_wrong_until_it_is_mended(tmp_path: Path) -> None:
    root = tmp_path / "root"
    world = World(root, {"publish": WAYS["refused"]}, step=0.5)
    view = BoxView(root)

    world.run(8)
    key = (Fault.STORE_REFUSES.value, "publish")
    assert key in view.poll().faults
    assert view.state.failures["publish"] >= 1
    assert view.state.starts["capture"] == 2


@pytest.mark.usefixtures("quick_disk")
def test_two_boxes_do_not_share_a_root(tmp_path: Path) -> None:
    world = World(tmp_path / "root", {})
    with pytest.raises(ConfigError, match="another classreel"):
        Conductor(world.settings, launcher=world.launcher)
    world.run(4)
    Conductor(world.settings, launcher=world.launcher, clock=Clock(world.clock, world.now, world._sleep)).serve(
        lambda: True
    )


@pytest.mark.usefixtures("quick_disk")
def test_a_disk_that_is_pulled_and_comes_back(tmp_path: Path) -> None:
    """Nothing is made where it was; what records is left alone, and the box goes on when the disk is there again."""
    root, away = tmp_path / "root", tmp_path / "away"
    world = World(root, {}, step=0.5)
    seen: list[tuple[list[str], set[str]]] = []
    locked: list[bool] = []

    def pulled() -> None:
        root.rename(away)
        root.mkdir()

    def look() -> None:
        faults = world.conductor._box.state.faults
        seen.append((sorted(path.name for path in root.iterdir()), {code for code, _ in faults}))

    def back() -> None:
        root.rmdir()
        away.rename(root)

    world.at(10, pulled)
    world.at(14, look)
    world.at(15, back)
    world.at(40, lambda: locked.append(is_locked(root / ".box")))
    world.run(60)
    assert locked == [True]
    assert seen == [([], {"disk_refuses"})]
    assert len(world.launcher.of("capture-teacher")) == 1
    assert not BoxView(root).poll().faults.keys() & {("disk_refuses", "disk")}


def is_locked(path: Path) -> bool:
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("refused", ["root", "log"])
def test_a_box_whose_disk_refuses_comes_up_and_serves_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    root = tmp_path / "root"
    make_lesson(root)
    if refused == "root":
        monkeypatch.setattr("classroom.root_lock.make_folder", _refuses)
    else:
        (root / "log").touch()
    clock = FakeClock()
    launcher = FakeLauncher(clock, lambda _job, _nth: {})
    settings = SETTINGS.model_copy(update={"root": root})
    said: list[set[str]] = []

    def sleep(_seconds: float) -> None:
        clock.now += 0.5
        said.append({code for code, _ in conductor._box.state.faults})
        if clock.now > 10:
            monkeypatch.undo()

    conductor = Conductor(settings, launcher=launcher, clock=Clock(clock, lambda: moment_on(clock), sleep))
    end = clock.now + 20
    conductor.serve(lambda: clock.now >= end)
    assert len(launcher.of("api")) == 1
    assert ("disk_refuses" in said[0]) is (refused == "root")
    assert "disk_refuses" not in said[-1]


@pytest.mark.usefixtures("quick_disk")
def test_a_lesson_records_without_its_logs_and_the_service_manager_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        world = World(tmp_path / "root", {}, step=0.5)
        (world.folder.path / "log").write_text("here is no folder")
        world.run(4)
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert len(world.launcher.of("capture-teacher")) == 1
    assert not BoxView(tmp_path / "root").poll().faults.keys() & {("lesson_stuck", world.folder.id)}


def _refuses(path: Path) -> None:
    raise StorageError(f"{path}: Input/output error")


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_a_running_lesson_whose_header_is_lost_gets_it_back(tmp_path: Path, damage: str) -> None:
    world = World(tmp_path / "root", {}, step=0.5)
    before = world.folder.header_path.read_bytes()

    def lose() -> None:
        world.folder.header_copy.unlink()
        world.folder.header_path.unlink() if damage == "gone" else world.folder.header_path.write_bytes(b"{")

    world.at(10, lose)
    world.run(20)
    assert world.folder.header_path.read_bytes() == before
    assert len(world.launcher.of("capture-teacher")) == 1


LATER: dict[str, Callable[[LessonFolder], Path]] = {
    "plan": lambda folder: folder.plan_journal(),
    "enc": lambda folder: folder.rendition_journal("voice"),
    "pub": lambda folder: folder.publish_journal,
}
"""Journals of the stages after recording."""
WRITER = {"plan": "tracking", "enc": "encode"}


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("begin_s", [0, 10])
@pytest.mark.parametrize("name", LATER)
def test_a_later_stage_s_journal_that_cannot_be_read_is_that_stage_s_trouble(
    tmp_path: Path, name: str, begin_s: float
) -> None:
    world = World(tmp_path / "root", {}, step=0.5)
    view, journal = BoxView(world.settings.root), LATER[name](world.folder)
    if begin_s:
        world.at(begin_s, lambda: journal.mkdir(parents=True))
    else:
        journal.mkdir(parents=True)
    world.at(20, lambda: world.launcher.of("capture-teacher")[-1].signal(9))
    said: list[tuple[str, str]] = []
    world.at(30, lambda: said.extend(view.poll().faults))
    world.at(40, lambda: stop_lesson(world.settings.root, world.folder))
    world.at(45, lambda: world.launcher.of("capture-teacher")[-1].signal(9))
    world.run(55)
    assert [child.job.task for child in world.launcher.of("capture-teacher")] == ["record", "record", "close"]
    assert [child.job.task for child in world.launcher.of("capture-mic")] == ["record"]
    lesson = world.folder.id
    stuck = (Fault.LESSON_STUCK, lesson)  # one process publishes all lessons: only this one waits
    assert said == [(Fault.STAGE_GIVEN_UP, f"{lesson}/{WRITER[name]}") if name in WRITER else stuck]


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("damage", ["flipped", "empty"])
def test_a_running_lesson_whose_start_is_lost_goes_on_and_ends_with_stop(tmp_path: Path, damage: str) -> None:
    world = World(tmp_path / "root", {}, step=0.5)
    control = world.folder.control_journal
    view, said = BoxView(world.settings.root), list[tuple[str, str]]()

    def spoil() -> None:
        data = control.read_bytes()
        control.write_bytes(
            data[:40] + bytes([data[40] ^ 0x10, data[41] ^ 0x10]) + data[42:] if damage == "flipped" else b""
        )

    world.at(10, spoil)
    world.at(15, lambda: world.launcher.of("capture-teacher")[-1].signal(9))
    world.at(20, lambda: said.extend(view.poll().faults))
    world.run(25)
    assert [child.job.task for child in world.launcher.of("capture-teacher")] == ["record", "record"]
    assert said == [(Fault.LESSON_DAMAGED, world.folder.id)]

    world.journals.clear()
    world.launcher.close()
    world.conductor = Conductor(
        world.settings, launcher=world.launcher, clock=Clock(world.clock, world.now, world._sleep)
    )
    started = len(world.launcher.of("capture-teacher"))
    world.at(10, lambda: stop_lesson(world.settings.root, world.folder))
    world.at(15, lambda: world.launcher.of("capture-teacher")[-1].signal(9))
    world.run(20)
    assert [child.job.task for child in world.launcher.of("capture-teacher")[started:]] == ["record", "close"]
