"""A box that finished a lesson makes it again when it is asked to, without being started anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from classroom.conductor import Clock, Conductor
from classroom.settings import Settings
from lesson.editions import start_edition
from lesson.records import Planning
from publish.memory_store import MemoryStore
from publish.uploader import Uploader
from tests.kit.fake_classroom import moment_on
from tests.kit.fake_processes import FakeClock, FakeLauncher
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all, start, stop


def test_another_edition_is_taken_up_by_the_box_that_made_the_one_before(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    record_all(folder)
    stop(folder)
    plan_all(folder)
    encode_all(folder)
    clock = FakeClock()
    launcher = FakeLauncher(clock)

    def rest(seconds: float) -> None:
        clock.now += seconds

    def course() -> Iterator[None]:
        while not launcher.of("publish"):
            yield
        Uploader(folder, MemoryStore()).run()
        over = clock.now + 20
        while clock.now < over:
            yield
        assert launcher.of("tracking") == []
        assert launcher.alive == [child for child in launcher.alive if child.job.stage == "api"], "it is let go of"
        start_edition(tmp_path, folder, planning=Planning.HINDSIGHT)
        limit = clock.now + 20
        while not launcher.of("tracking"):
            if clock.now > limit:
                pytest.fail("the box does not notice")
            yield

    going = course()
    conductor = Conductor(
        Settings(root=tmp_path), launcher=launcher, clock=Clock(clock, lambda: moment_on(clock), rest)
    )
    conductor.serve(lambda: next(going, going) is going)
