"""What a supervisor left behind that was killed: nothing of it keeps its successor from recording."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from classroom.lesson_run import ORPHAN_GRACE_S, LessonRun
from classroom.settings import Settings
from lesson.folder import LessonFolder
from process.parentage import SUPERVISOR_ENV
from tests.kit.fake_processes import FakeClock, FakeLauncher
from tests.kit.lessons import make_lesson, start
from tests.kit.waiting import wait_until

SLEEPER = "import signal; print(flush=True); signal.pause()"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def stage(started: list[subprocess.Popen[bytes]], lesson: Path, *, supervised: bool = True) -> subprocess.Popen[bytes]:
    """A stopped process that looks like a stage of the lesson."""
    argv = [sys.executable, "-c", SLEEPER, "-m", "capture", str(lesson), "teacher"]
    env = {**os.environ, **({SUPERVISOR_ENV: "4194304"} if supervised else {})}
    child = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
    started.append(child)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGSTOP)
    return child


def run_of(folder: LessonFolder, clock: FakeClock) -> LessonRun:
    settings = Settings(root=folder.path.parent)
    return LessonRun(
        folder,
        settings,
        jobs=lambda _folder, _state: [],
        launcher=FakeLauncher(clock, lambda _job, _nth: {}),
        clock=clock,
    )


def test_a_hung_stage_of_a_dead_supervisor_is_ended(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    folder, other = make_lesson(tmp_path), make_lesson(tmp_path, "other")
    start(folder)
    orphan = stage(started, folder.path)
    by_hand, elsewhere = stage(started, folder.path, supervised=False), stage(started, other.path)
    clock = FakeClock()
    with run_of(folder, clock) as run:
        run.step()
        assert orphan.poll() is None, "it may still close what it has"
        clock.now += ORPHAN_GRACE_S
        run.step()
        wait_until(lambda: orphan.poll() == -signal.SIGKILL, 10)
        later = stage(started, folder.path)
        clock.now += 60
        run.step()
    assert (by_hand.poll(), elsewhere.poll(), later.poll()) == (None, None, None)
