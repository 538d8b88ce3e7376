"""When the store is tried: soon after a start, now and then, when somebody asks, and never where publishing tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from classroom.faults import job_faults
from classroom.settings import compose
from classroom.store_watch import EVERY_S, FIRST_S, StoreWatch
from lesson.box import Fault
from lesson.time import NANOSECONDS_PER_SECOND
from process.stage import EXIT_FATAL
from process.supervisor import RETRY_S, Supervisor
from publish.memory_store import MemoryStore
from publish.trial import KEY, try_store, until_it_works
from publish.uplink import Uplink
from tests.kit.fake_processes import FakeClock, FakeLauncher

WORKS: Mapping[str, Any] = {"lives_s": 0.5}


class World:
    """A box on a clock of its own; `fate`: what becomes of the nth trial."""

    def __init__(self, root: Path, fate: Callable[[int], Mapping[str, Any]] = lambda _nth: WORKS) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now
        self.launcher = FakeLauncher(self.clock, lambda _job, nth: fate(nth))
        self.own = Supervisor(root / "log", self.launcher, self.clock)
        self.watch = StoreWatch(compose({"root": str(root)}), self.clock)

    def go(self, seconds: float, *, busy: bool = False, asked: float = 0.0) -> World:
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += 0.25
            asked_ns = round(asked * NANOSECONDS_PER_SECOND)
            self.own.reconcile(self.watch.jobs(self.own, busy=busy, asked_ns=asked_ns))
        return self

    @property
    def tried_s(self) -> list[float]:
        return [child.born - self.began for child in self.launcher.started]

    @property
    def faults(self) -> set[Fault]:
        return {code for code, _about in job_faults("", self.own.troubles.values())}


def test_a_store_that_works_is_tried_soon_after_the_start_and_then_now_and_again(tmp_path: Path) -> None:
    world = World(tmp_path).go(4 * 3600)
    assert world.tried_s[0] == pytest.approx(FIRST_S, abs=1)
    assert len(world.tried_s) == pytest.approx(4 * 3600 / EVERY_S, abs=1)
    assert world.faults == set()


def test_it_is_tried_at_once_when_somebody_asks_and_once_for_each_time(tmp_path: Path) -> None:
    world = World(tmp_path).go(100)
    asked = world.clock.now
    world.go(60, asked=asked)
    assert [round(at) for at in world.tried_s[1:]] == [round(asked - world.began)]


def test_where_something_is_recorded_or_sent_nothing_is_tried(tmp_path: Path) -> None:
    world = World(tmp_path).go(3000, busy=True)
    assert world.tried_s == []
    world.go(EVERY_S + 10)
    assert len(world.tried_s) == 1, "publishing has shown that it works"


def test_a_lesson_that_begins_ends_a_trial_that_hangs(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _nth: {}).go(30)
    assert len(world.launcher.alive) == 1
    world.go(30, busy=True)
    assert world.launcher.alive == []


def test_a_store_that_refuses_is_said_until_it_takes_something(tmp_path: Path) -> None:
    mended = 5
    world = World(tmp_path, lambda nth: WORKS if nth >= mended else {"lives_s": 0.3, "code": EXIT_FATAL})
    assert world.go(FIRST_S + 2).faults == {Fault.STORE_REFUSES}
    assert world.go(RETRY_S * (mended - 1)).faults == {Fault.STORE_REFUSES}
    assert world.go(RETRY_S + 5).faults == set()
    assert len(world.tried_s) == mended + 1
    assert world.go(EVERY_S - RETRY_S).tried_s[mended + 1 :] == []


def test_what_a_living_trial_complains_of_is_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _nth: {"complaints": {"": "no route to host"}}).go(FIRST_S + 2)
    assert world.faults == {Fault.STORE_UNREACHABLE}


def test_a_trial_leaves_one_small_object_however_often_it_is_made() -> None:
    store = MemoryStore()
    for _ in range(3):
        until_it_works(store, Uplink())
    try_store(store)
    assert store.get(KEY) == b"classreel"
    assert [found.key for found in store.list()] == [KEY]
