"""One process for all lessons of a root: in turns, and whatever is wrong with one or with the line is nobody else's."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from lesson.clock import Moment
from lesson.errors import ConfigError, StoreError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter, append_records
from lesson.records import FrozenUntil
from lesson.view import load_state
from process.disk import DiskSpace
from publish import publisher, schedule
from publish.blame import SURE_AFTER
from publish.body import Body
from publish.memory_store import MemoryStore
from publish.publisher import OPEN_AT_ONCE, Publisher
from publish.settings import StoreSettings
from publish.store import shares_disk
from publish.uplink import Uplink
from publish.verify import verify_remote
from tests.kit.lessons import encode_all, make_again, make_lesson, old_chunk, plan_all, record_all, start

LONGEST_PAUSE_S = 30.0


def made(root: Path, number: int) -> LessonFolder:
    folder = make_lesson(root, f"20261102-08{number:02d}00-{number:04x}")
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is no question of the disk."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


@pytest.fixture
def lessons(tmp_path: Path) -> list[LessonFolder]:
    """More lessons than are kept open at once, all of them made."""
    return [made(tmp_path / "root", number) for number in range(OPEN_AT_ONCE + 2)]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the process complains of: about what, and why (`-`: no more)."""
    said: list[tuple[str, str]] = []

    def complain(reason: str, *, about: str = "") -> None:
        said.append((about, reason))

    def recovered(*, about: str = "") -> None:
        said.append((about, "-"))

    for module in ("publish.uplink", "publish.publisher"):
        monkeypatch.setattr(f"{module}.complain", complain)
        monkeypatch.setattr(f"{module}.recovered", recovered)
    return said


class CountingStore(MemoryStore):
    """Keeps the keys in the order of their coming; fails as `fails` says."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []

    def fails(self, key: str) -> Exception | None:  # noqa: ARG002
        return None

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
        if error := self.fails(key):
            raise error
        self.puts.append(key)
        super().put(key, body, content_type=content_type, cache_control=cache_control)

    @property
    def order(self) -> list[str]:
        """Lessons in the order of their turns."""
        return [lesson for lesson, _ in groupby(key.split("/")[0] for key in self.puts)]


class Time:
    """A clock that runs when somebody rests."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.rests = 0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rests += 1


def ended(folder: LessonFolder, store: MemoryStore) -> bool:
    return load_state(folder).verified is not None and verify_remote(folder, store, deep=True) == []


def run(root: Path, store: MemoryStore, time: Time | None = None, *, until: list[LessonFolder] | None = None) -> None:
    """Publish the lessons of a root until all, or those of `until`, are verified."""
    time = time or Time()
    publishing = Publisher(root, store, line=Uplink(sleep=time.sleep), clock=time)
    wanted = until
    if wanted is None:
        publishing.run()
        return
    go_on(publishing, lambda: all(load_state(folder).verified for folder in wanted))
    publishing.close()


def go_on(publishing: Publisher, until: Callable[[], bool]) -> None:
    """Step by step until something is true, without resting in real time."""
    for step in range(10_000):
        if step % 5 == 0 and until():  # to look may cost more than a step
            return
        publishing._step()
    pytest.fail("never done")


def test_all_lessons_of_a_root_are_published_and_the_process_ends(lessons: list[LessonFolder]) -> None:
    store = CountingStore()
    run(lessons[0].path.parent, store)
    assert all(ended(folder, store) for folder in lessons)
    assert store.order == [folder.id for folder in lessons]  # each fits into one turn, the oldest goes first


def test_lessons_take_turns(lessons: list[LessonFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "TURN_BYTES", 2_000)
    store = CountingStore()
    run(lessons[0].path.parent, store)
    assert all(ended(folder, store) for folder in lessons)
    first = [store.order.index(folder.id) for folder in lessons]
    assert first == sorted(first)
    assert max(first) < len(store.order) / 2  # everybody has had a turn before the first half is over
    media = [key for key in store.puts if key.endswith((".m4s", ".mp4"))]
    assert len(media) == len(set(media))


def test_what_is_being_made_goes_before_the_backlog(lessons: list[LessonFolder]) -> None:
    root = lessons[0].path.parent
    live = make_lesson(root, "20261103-080000-ffff")
    record_all(live, finished=False)
    grid = live.header.grid
    plan_all(live, end=2 * grid.chunk, final=False)
    encode_all(live, end=2 * grid.chunk)
    store = CountingStore()
    run(root, store, until=lessons)
    assert store.order == [live.id, *(folder.id for folder in lessons)]


def test_a_damaged_chunk_holds_up_nothing_but_the_end_of_its_lesson(
    lessons: list[LessonFolder], said: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    damaged, *others = lessons
    path = old_chunk(damaged, "low", 1)
    path.write_bytes(bytes(path.stat().st_size))
    store, time = CountingStore(), Time()
    run(damaged.path.parent, store, time, until=others)
    assert all(ended(folder, store) for folder in others)
    kept = {f"{damaged.id}/{name}/{index:06d}.m4s" for name in ("voice", "low", "high") for index in range(4)}
    assert kept - set(store.objects) == {f"{damaged.id}/low/000001.m4s"}
    assert "file_damaged" in caplog.text
    assert [one for one in said if one[1] != "-"] == []  # it mends itself
    assert make_again(damaged) == 1
    run(damaged.path.parent, store, time)
    assert ended(damaged, store)


def test_a_mended_lesson_is_taken_up_again_and_its_complaint_taken_back(
    lessons: list[LessonFolder], said: list[tuple[str, str]]
) -> None:
    damaged = lessons[3]
    old_chunk(damaged, "low", 1).unlink()
    damaged.damage_journal.mkdir(parents=True)  # so that nobody can be told
    store, time = CountingStore(), Time()
    publishing = Publisher(damaged.path.parent, store, line=Uplink(sleep=time.sleep), clock=time)
    go_on(publishing, lambda: any(about for about, _ in said))
    damaged.damage_journal.rmdir()
    time.now += publisher.RETRY_S
    go_on(publishing, lambda: make_again(damaged) > 0)
    publishing.run()
    assert ended(damaged, store)
    assert (damaged.id, "-") in said


def test_an_error_of_ours_over_one_lesson_holds_nobody_up(
    lessons: list[LessonFolder], error_logs: list[logging.LogRecord], said: list[tuple[str, str]]
) -> None:
    class Faulty(CountingStore):
        def fails(self, key: str) -> Exception | None:
            return KeyError(key) if key.startswith(lessons[0].id) else None

    store = Faulty()
    run(lessons[0].path.parent, store, until=lessons[1:])
    assert all(ended(folder, store) for folder in lessons[1:])
    assert error_logs
    assert any(about == lessons[0].id and "KeyError" in reason for about, reason in said)


class PickyStore(CountingStore):
    """Does not take one object."""

    def __init__(self, refused: str | None) -> None:
        super().__init__()
        self.refused = refused
        self.refusals = 0

    def fails(self, key: str) -> Exception | None:
        self.refusals += key == self.refused
        return StoreError("not this one") if key == self.refused else None


KEYS = ["voice/init.mp4", "low/000001.m4s", "voice/index.m3u8", "index.m3u8", "manifest.json"]


@pytest.mark.parametrize("turn_bytes", [1, schedule.TURN_BYTES])
@pytest.mark.parametrize(("count", "key"), [*((2, key) for key in KEYS), (OPEN_AT_ONCE + 2, KEYS[1])])
def test_an_object_the_store_does_not_take_holds_nobody_up(
    tmp_path: Path, said: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, key: str, count: int, turn_bytes: int
) -> None:
    """Few lessons or many, whichever object: it is that lesson's, also long after the others are done."""
    monkeypatch.setattr(schedule, "TURN_BYTES", turn_bytes)
    bad, *others = [made(tmp_path, number) for number in range(count)]
    store, time = PickyStore(f"{bad.id}/{key}"), Time()
    publishing = Publisher(tmp_path, store, line=Uplink(sleep=time.sleep), clock=time)
    go_on(publishing, lambda: all(load_state(folder).verified for folder in others))
    refusals = store.refusals
    go_on(publishing, lambda: store.refusals > refusals + 2 * SURE_AFTER)
    assert all(ended(folder, store) for folder in others)
    assert {one for one in said if one[1] != "-"} == {(bad.id, "not this one")}
    assert (bad.id, "-") not in said
    assert time.rests == 1, "at its first failure nothing shows whose it is; later on nobody waits for it"
    store.refused = None
    time.now += LONGEST_PAUSE_S
    publishing.run()
    assert ended(bad, store)
    assert (bad.id, "not this one") not in said[said.index((bad.id, "-")) :]


def test_an_object_that_is_alone_cannot_be_told_from_the_store(tmp_path: Path, said: list[tuple[str, str]]) -> None:
    """Until another one comes and gets through."""
    root = tmp_path / "root"
    only = made(root, 0)
    store, time = PickyStore(f"{only.id}/voice/init.mp4"), Time()
    publishing = Publisher(root, store, line=Uplink(sleep=time.sleep), clock=time)
    go_on(publishing, lambda: store.refusals >= 2 * SURE_AFTER)
    assert {one for one in said if one[1] != "-"} == {("", "not this one")}
    late = made(root, 1)
    said.clear()
    go_on(publishing, lambda: load_state(late).verified is not None)
    go_on(publishing, lambda: (only.id, "not this one") in said)
    assert ("", "not this one") not in said[said.index(("", "-")) :]
    publishing.close()


def test_a_line_that_is_down_is_said_once_for_all_and_rested_for(
    lessons: list[LessonFolder], said: list[tuple[str, str]]
) -> None:
    down: Iterator[bool] = iter([False] * 5 + [True] * 9)

    class Down(CountingStore):
        def fails(self, key: str) -> Exception | None:  # noqa: ARG002
            return StoreError("no route") if next(down, False) else None

    store, time = Down(), Time()
    run(lessons[0].path.parent, store, time)
    assert all(ended(folder, store) for folder in lessons)
    assert time.rests == 9
    complaints = [(about, reason) for about, reason in said if reason != "-"]
    assert complaints == [("", "no route")] * 7  # from the third on
    assert said[said.index(("", "no route")) :].count(("", "-")) > 0


def test_a_store_that_refuses_ends_the_process(lessons: list[LessonFolder]) -> None:
    class Closed(CountingStore):
        def fails(self, key: str) -> Exception | None:  # noqa: ARG002
            return ConfigError("the secret key is wrong")

    with pytest.raises(ConfigError, match="secret key"):
        run(lessons[0].path.parent, Closed())
    with JournalWriter(lessons[0].publish_journal):  # it has let go of everything
        pass


def test_killed_and_started_again_it_sends_nothing_twice(lessons: list[LessonFolder]) -> None:
    class Killed(BaseException):
        pass

    class Deadly(CountingStore):
        left = 7

        def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
            super().put(key, body, content_type=content_type, cache_control=cache_control)
            self.left -= 1
            if self.left < 0:
                raise Killed  # stored, but not journaled

    store = Deadly()
    for _ in range(100):
        try:
            run(lessons[0].path.parent, store)
            break
        except Killed:
            store.left = 30
    assert all(ended(folder, store) for folder in lessons)
    media = [key for key in store.puts if key.endswith((".m4s", ".mp4"))]
    assert len(media) == len(set(media))


def test_an_empty_lesson_has_nothing_to_publish(tmp_path: Path, said: list[tuple[str, str]]) -> None:
    folder = make_lesson(tmp_path, "20261102-080000-0001")
    record_all(folder)
    append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    store, time = CountingStore(), Time()
    publishing = Publisher(tmp_path, store, line=Uplink(sleep=time.sleep), clock=time)
    for _ in range(20):
        publishing._step()
    publishing.close()
    assert store.objects == {}
    assert said == []


def test_a_lesson_that_another_process_publishes_is_left_to_it(
    lessons: list[LessonFolder], said: list[tuple[str, str]]
) -> None:
    store = CountingStore()
    with JournalWriter(lessons[0].publish_journal):
        run(lessons[0].path.parent, store, until=lessons[1:])
    assert not [key for key in store.puts if key.startswith(lessons[0].id)]
    assert [one for one in said if one[0]] == []
    run(lessons[0].path.parent, store)
    assert ended(lessons[0], store)


@pytest.mark.parametrize("shares", [True, False])
def test_a_store_on_the_lessons_disk_leaves_its_last_space_to_the_lesson_that_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shares: bool
) -> None:
    root, store, time, free = tmp_path / "root", CountingStore(), Time(), [0]
    older = made(root, 1)
    running = make_lesson(root, "20261102-090000-0002")
    start(running, at=Moment.now())
    monkeypatch.setattr(publisher, "space_for", lambda _root: DiskSpace(free[0], low=True, total=1 << 40))
    publishing = Publisher(root, store, line=Uplink(sleep=time.sleep), clock=time, shares_disk=shares)
    for _ in range(10):
        publishing._step()
    assert bool(store.puts) is not shares
    free[0] = 1 << 39
    go_on(publishing, lambda: ended(older, store))
    publishing.close()


def test_which_stores_lie_on_the_disk_of_the_lessons(tmp_path: Path) -> None:
    assert shares_disk(StoreSettings(url=(tmp_path / "a" / "b").as_uri()), tmp_path)
    assert not shares_disk(StoreSettings(url="file:///proc/store"), tmp_path)
    assert not shares_disk(StoreSettings(url="s3+http://localhost:9000/lessons"), tmp_path)
