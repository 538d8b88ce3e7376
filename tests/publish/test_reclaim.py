"""Raw segments make room: only of what the store proves to hold, whoever lies, loses, refuses or is killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from classroom.report import verify_lines, verify_report
from encode.stage import NOT_AGAIN, EncodeStage
from lesson.clock import Moment
from lesson.editions import EditionError, start_edition
from lesson.errors import ConfigError, LessonFormatError, StoreError
from lesson.folder import LessonFolder
from lesson.glance import glance
from lesson.journal import append_records
from lesson.keeping import has_raw, pin_lesson
from lesson.listing import lesson_summary, listed_lesson
from lesson.package import published
from lesson.records import FileDamaged
from lesson.verify import verify_local
from lesson.view import load_state
from process.disk import DiskSpace
from process.parentage import EXIT_TERMINATED
from publish.folder_store import FolderStore
from publish.memory_store import MemoryStore
from publish.protocol import ObjectInfo, ObjectStore
from publish.reclaim import AGAIN_S, Reclaimer
from publish.resend import resend
from publish.settings import StorageSettings, StoreSettings
from tests.kit.lessons import make_lesson, moment, record_all
from tests.kit.stages import LADDER, SOURCES, make_instant, plan_by_turns, shot, work
from tests.kit.waiting import wait_until

DAY = 86_400.0
TOTAL = 1_000_000


class FullDisk:
    """A disk on which so much is used by others; what lessons take of it is looked up."""

    def __init__(self, root: Path, free: int) -> None:
        self.root, self.others = root, 0
        self.others = TOTAL - self._lessons() - free

    def _lessons(self) -> int:
        return sum(path.stat().st_size for path in self.root.rglob("*.mkv"))

    def __call__(self, _path: Path) -> DiskSpace:
        free = TOTAL - self._lessons() - self.others
        return DiskSpace(free, low=True, total=TOTAL)


class Time:
    """Both clocks; the monotonic one goes on by itself."""

    def __init__(self, days: float = 100.0) -> None:
        self.seconds = days * DAY

    def now(self) -> Moment:
        return moment(self.seconds, boot="boot-2")

    def clock(self) -> float:
        return self.seconds


class LyingStore(MemoryStore):
    """Lists everything it ever had, whatever became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: dict[str, ObjectInfo] = {}

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.listed |= {one.key: one for one in super().list("")}
        yield from (one for key, one in sorted(self.listed.items()) if key.startswith(prefix))


class AwayStore(MemoryStore):
    """Cannot be reached while `away`."""

    away = False

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        if self.away:
            raise StoreError("the line is down")
        return super().list(prefix)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_instant(monkeypatch)
    return tmp_path / "root"


def made(root: Path, name: str, store: ObjectStore) -> LessonFolder:
    """A lesson of 12 s of this id that is published."""
    folder = make_lesson(root, name, sources=SOURCES, ladder=LADDER)
    record_all(folder, segments=3)
    plan_by_turns(folder, 12)
    work(folder, store)
    return folder


def reclaimer(root: Path, store: MemoryStore, disk: FullDisk, time: Time | None = None, keep_days: int = 14,
              own_folder: Path | None = None) -> Reclaimer:  # fmt: skip
    time = time or Time()
    settings = StorageSettings(reclaim=True, low=15, high=25, keep_days=keep_days)
    return Reclaimer(root, store, settings, own_folder=own_folder, now=time.now, clock=time.clock, ask=disk)


def raw_bytes(folder: LessonFolder) -> int:
    return sum(path.stat().st_size for path in (folder.path / "raw").rglob("*.mkv"))


def test_the_oldest_gives_first_and_no_more_than_is_needed(root: Path) -> None:
    store = MemoryStore()
    lessons = [made(root, f"lesson-{number}", store) for number in range(3)]
    each = raw_bytes(lessons[0])
    reclaimer(root, store, FullDisk(root, free=150_000)).look()
    assert all(map(has_raw, lessons)), "at the low mark there is room"
    reclaimer(root, store, FullDisk(root, free=250_000 - each - 1)).look()
    assert all(map(has_raw, lessons)), "between the marks nothing begins"
    disk = FullDisk(root, free=149_999)
    disk.others = TOTAL - 3 * each - (250_000 - each)  # one lesson brings it to the high mark
    marks = reclaimer(root, store, disk)
    marks._marks.making = True
    marks.look()
    assert [has_raw(one) for one in lessons] == [False, True, True]
    marks.look()
    assert [has_raw(one) for one in lessons] == [False, True, True]


def test_a_lesson_that_made_room_is_whole_for_everybody_and_says_so(root: Path) -> None:
    store = MemoryStore()
    folder = made(root, "lesson", store)
    before = lesson_summary(load_state(folder)), load_state(folder).gaps(), published(load_state(folder))
    journals = {path: path.read_bytes() for path in folder.path.rglob("*.jsonl") if path != folder.control_journal}
    reclaimer(root, store, FullDisk(root, free=0)).look()
    state = load_state(folder)
    assert not has_raw(folder)
    assert {path: path.read_bytes() for path in journals} == journals
    assert folder.header_copy.is_file()
    assert verify_local(folder) == []
    gone = state.raw_reclaimed
    assert gone is not None
    assert (gone.edition, gone.segments, gone.bytes) == (0, 9, sum(one.bytes for one in state.sources.values()))
    assert listed_lesson(glance(folder)).raw_reclaimed == lesson_summary(state).raw_reclaimed == gone.at.wall
    assert any("make room" in line for line in verify_lines(verify_report(folder, [])))
    assert (state.gaps(), published(state)) == before[1:]
    with pytest.raises(EditionError, match=r"removed on .* to make room"):
        start_edition(root, folder, [shot(0, 4, "board")])
    store.objects.clear()
    assert resend(folder, store) > 0, "what the store lost is sent again from here"
    assert verify_local(folder) == []
    reclaimer(root, store, FullDisk(root, free=0)).look()


def test_what_cannot_be_made_again_is_said_and_not_made_of_nothing(root: Path) -> None:
    store = MemoryStore()
    folder = made(root, "lesson", store)
    reclaimer(root, store, FullDisk(root, free=0)).look()
    chunk = load_state(folder).renditions["low"].chunks[0]
    append_records(folder.damage_journal, [FileDamaged(rendition="low", path=chunk.path, problem="spoilt", chunk=0)])
    with EncodeStage(folder, 1) as stage, pytest.raises(LessonFormatError, match=NOT_AGAIN):
        stage.step()


def lose(store: MemoryStore, folder: LessonFolder, key: str) -> None:
    del store.objects[f"{folder.id}/{key}"]


def alter(store: MemoryStore, folder: LessonFolder, key: str) -> None:
    store.objects[f"{folder.id}/{key}"] = bytes(len(store.objects[f"{folder.id}/{key}"]))


@pytest.mark.parametrize("harm", [lose, alter])
@pytest.mark.parametrize("lies", [False, True])
def test_a_store_that_lost_or_altered_anything_keeps_the_recording(
    root: Path, harm: Callable[[MemoryStore, LessonFolder, str], None], *, lies: bool
) -> None:
    """One that lies in its listings is found out by what is read back."""
    store: MemoryStore = LyingStore() if lies else MemoryStore()
    folder, other = made(root, "lesson-1", store), made(root, "lesson-2", store)
    list(store.list())
    keys = [one.key for one in published(load_state(folder))]
    if lies:
        keys = [key for key in keys if not key.endswith(".m4s")]
    for key in keys:
        time, kept = Time(), store.objects[f"{folder.id}/{key}"]
        harm(store, folder, key)
        room = reclaimer(root, store, FullDisk(root, free=0), time)
        room.look()
        assert has_raw(folder), key
        assert load_state(folder).raw_reclaimed is None
        assert not has_raw(other), "one lesson's trouble keeps no other one"
        store.objects[f"{folder.id}/{key}"] = kept
        room.look()
        assert has_raw(folder), "it is not asked again at once"
    time.seconds += AGAIN_S
    room.look()
    assert not has_raw(folder)


def test_a_store_that_is_away_keeps_everything_until_it_is_back(root: Path) -> None:
    store = AwayStore()
    folder = made(root, "lesson", store)
    room = reclaimer(root, store, FullDisk(root, free=0))
    store.away = True
    with pytest.raises(StoreError):
        room.look()
    assert has_raw(folder)
    store.away = False
    room.look()
    assert not has_raw(folder)


def test_a_store_on_the_lessons_own_disk_is_no_second_copy(root: Path) -> None:
    store = MemoryStore()
    folder = made(root, "lesson", store)
    room = reclaimer(root, store, FullDisk(root, free=0), own_folder=root / "store" / "deep")
    with pytest.raises(ConfigError, match="disk of the lessons"):
        room.look()
    assert has_raw(folder)
    reclaimer(root, store, FullDisk(root, free=0), own_folder=Path("/dev/shm/classreel")).look()  # noqa: S108
    assert not has_raw(folder)


def test_pinned_young_and_damaged_lessons_keep_their_recording(root: Path) -> None:
    store = MemoryStore()
    pinned, damaged, spoilt, whole = [made(root, name, store) for name in ("pinned", "damaged", "spoilt", "whole")]
    pin_lesson(pinned)
    next((damaged.path / "raw").rglob("*.mkv")).write_bytes(b"short")
    next((spoilt.path / "enc" / "low").glob("*.m4s")).write_bytes(b"short")
    disk = FullDisk(root, free=0)
    reclaimer(root, store, disk, Time(days=13)).look()
    assert all(map(has_raw, (pinned, damaged, spoilt, whole))), "younger than two weeks"
    reclaimer(root, store, disk, Time(days=-400)).look()
    assert has_raw(whole), "a clock that stepped back says nothing of its age"
    reclaimer(root, store, disk).look()
    assert [has_raw(one) for one in (pinned, damaged, spoilt, whole)] == [True, True, True, False]
    pin_lesson(pinned, pinned=False)
    reclaimer(root, store, disk).look()
    assert not has_raw(pinned)


def test_an_edition_that_is_being_made_or_a_pin_at_the_last_moment_keeps_it(root: Path) -> None:
    class Meddling(MemoryStore):
        meddle: Callable[[], object] | None = None

        def blocks(self, key: str) -> Iterator[bytes]:
            if self.meddle is not None:
                meddle, self.meddle = self.meddle, None
                meddle()
            return super().blocks(key)

    store = Meddling()
    pinned = made(root, "pinned", store)
    store.meddle = lambda: pin_lesson(pinned)
    reclaimer(root, store, FullDisk(root, free=0)).look()
    edited = made(root, "edited", store)
    store.meddle = lambda: start_edition(root, edited, [shot(0, 4, "board")])
    reclaimer(root, store, FullDisk(root, free=0)).look()
    for folder in (pinned, edited):
        assert has_raw(folder)
        assert load_state(folder).raw_reclaimed is None
    work(edited, store)
    reclaimer(root, store, FullDisk(root, free=0)).look()
    gone = load_state(edited).raw_reclaimed
    assert gone is not None
    assert gone.edition == 1
    assert verify_local(edited) == []


class Killed(BaseException):
    """kill -9."""


@pytest.mark.parametrize("after", range(10))
def test_killed_anywhere_it_ends_the_same(root: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the line, or after any of the nine files."""
    store = MemoryStore()
    folder = made(root, "lesson", store)
    removed, unlink = 0, Path.unlink

    def dies(path: Path, missing_ok: bool = False) -> None:
        nonlocal removed
        if path.suffix == ".mkv":
            if removed == after:
                raise Killed
            removed += 1
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", dies)
    disk = FullDisk(root, free=0)
    if after < 9:
        with pytest.raises(Killed):
            reclaimer(root, store, disk).look()
        assert verify_local(folder) == [], "sound in between, too"
        with pytest.raises(EditionError):
            start_edition(root, folder, [shot(0, 4, "board")])
    monkeypatch.setattr(Path, "unlink", unlink)
    disk.others = 0  # there is room by now: what was begun is finished all the same
    room = reclaimer(root, store, disk if after < 9 else FullDisk(root, free=0))
    room.look()
    assert not has_raw(folder)
    assert verify_local(folder) == []
    lines = folder.control_journal.read_text().count("RawReclaimed")
    assert lines == 1


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A store that lies on another disk than the lessons."""
    disk = tmp_path / "other"
    disk.mkdir()
    argv = ["/bin/mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("no other disk can be mounted")
    yield disk
    subprocess.run(["/bin/umount", "-l", disk], check=True)


def _hears_sigterm(pid: int) -> bool:
    """Whether a process has a handler for it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.slow
def test_the_process_killed_again_and_again_comes_to_the_same_end(
    root: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.kit.lessons.moment", lambda *_args, **_more: Moment.now())
    store = FolderStore(other_disk / "store")
    lessons = [made(root, f"lesson-{number}", store) for number in range(3)]
    full = StorageSettings(reclaim=True, low=89, high=90, keep_days=0)  # what any disk in use is below
    if shutil.disk_usage(root).free > 0.89 * shutil.disk_usage(root).total:
        pytest.skip("this disk is empty")
    where = StoreSettings(url=(other_disk / "store").as_uri())
    argv = [sys.executable, "-m", "publish.reclaim", str(root), full.argument(), where.argument()]
    for folder in lessons:
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: b"RawReclaimed" in folder.control_journal.read_bytes(), 60)  # noqa: B023
        finally:
            process.kill()
            process.wait()
        assert verify_local(folder) == []
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: not any(map(has_raw, lessons)), 60)
        wait_until(lambda: _hears_sigterm(process.pid), 20)  # the one before may have left nothing to wait for
        process.terminate()
        assert process.wait(20) == EXIT_TERMINATED
    finally:
        process.kill()
    for folder in lessons:
        assert verify_local(folder) == []
        assert folder.control_journal.read_bytes().count(b"RawReclaimed") == 1
