"""The conductor and the store: one process publishes everything, and no lesson waits for another's way to the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from classroom.conductor import Clock, Conductor
from classroom.settings import Settings
from lesson.box import BoxView, Fault
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import FrozenUntil, SourceFinished, Verified
from tests.kit.fake_classroom import moment_on
from tests.kit.fake_processes import FakeChild, FakeClock, FakeLauncher
from tests.kit.lessons import (
    encode_all,
    epoch_started,
    make_lesson,
    moment,
    plan_all,
    record_all,
    start,
    stop,
    write_segment,
)

SETTINGS = {"store": {"url": "s3+http://127.0.0.1:1/lessons"}}


class Box:
    """A conductor over a real root whose processes and time are the test's."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock)
        self.running_at_the_end: set[str] = set()
        self.each_step: list[Callable[[], object]] = []
        self.conductor = Conductor(
            Settings.model_validate({"root": root, **SETTINGS}),
            launcher=self.launcher,
            clock=Clock(self.clock, lambda: moment_on(self.clock), self._sleep),
        )

    def _sleep(self, _seconds: float) -> None:
        self.clock.now += 0.5
        for deed in self.each_step:
            deed()

    def run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        self.conductor.serve(lambda: self._look() and self.clock.now >= end)

    def _look(self) -> bool:
        self.running_at_the_end = {child.job.stage for child in self.launcher.alive}
        return True

    def lessons_of(self, stage: str) -> list[str]:
        """The last part of what each process of a stage was started for."""
        return [Path(child.job.arguments[0]).name for child in self.launcher.started if child.job.stage == stage]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is no question of the disk."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


def recorded(root: Path, number: int, *, made: bool) -> LessonFolder:
    folder = make_lesson(root, f"20261102-08{number:02d}00-{number:04x}")
    record_all(folder)
    plan_all(folder)
    if made:
        encode_all(folder)
    return folder


def test_lessons_that_are_made_wait_for_the_store_without_keeping_others_from_being_made(tmp_path: Path) -> None:
    for number in range(3):
        recorded(tmp_path, number, made=True)
    waiting = recorded(tmp_path, 3, made=False)
    box = Box(tmp_path)
    box.run(12)
    assert box.lessons_of("encode") == [waiting.id]
    (publisher,) = box.launcher.of("publish")
    assert publisher.job.arguments[:2] == ("--all", str(tmp_path))
    assert not publisher.signals or publisher.signals == [15], "it is ended with the box, not before"


def test_lessons_that_come_faster_than_they_are_made_wait_for_one_another(tmp_path: Path) -> None:
    """Each begins while the ones before are still being made: of those only one keeps the cores busy."""
    box = Box(tmp_path)
    lessons: list[LessonFolder] = []

    def taught() -> None:
        """A lesson of ten seconds every ten seconds, four times."""
        begun, age = len(lessons), box.clock.now - 1000
        if begun < 4 and age >= 10 * begun:
            if lessons:
                over(lessons[-1])
            lessons.append(make_lesson(tmp_path, f"20261102-08{begun:02d}00-{begun:04x}"))
            start(lessons[-1], at=moment_on(box.clock))
        elif begun == 4 and age == 40:
            over(lessons[-1])

    def over(folder: LessonFolder) -> None:
        for spec in folder.header.sources:
            records = [epoch_started(spec), write_segment(folder, spec, 0), SourceFinished(source=spec.id, at=moment())]
            append_records(folder.raw_journal(spec.id), records)
        stop(folder, at=moment_on(box.clock))

    makes: list[list[str]] = []

    def look() -> None:
        stopped = {folder.id for folder in lessons if len(folder.control_journal.read_bytes().splitlines()) > 1}
        busy = {Path(c.job.arguments[0]).name for c in box.launcher.alive if c.job.stage == "encode"}
        makes.append(sorted(busy & stopped))

    box.each_step = [taught, look]
    box.run(100)
    settled = makes[-80:]  # processes are let go of within seconds
    assert settled == [[lessons[0].id]] * len(settled)
    box.each_step = []
    plan_all(lessons[0], end=4 * 48_000)
    encode_all(lessons[0])
    again = Box(tmp_path)
    again.run(12)
    assert again.lessons_of("encode") == [lessons[1].id]


def test_nothing_unpublished_no_publisher(tmp_path: Path) -> None:
    done = recorded(tmp_path, 0, made=True)
    append_records(done.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256="")])
    box = Box(tmp_path)
    box.run(8)
    assert box.launcher.of("publish") == []


def test_an_empty_lesson_needs_no_publisher_once_it_is_known_to_be_empty(tmp_path: Path) -> None:
    empty = make_lesson(tmp_path, "20261102-090000-0001")
    record_all(empty)
    append_records(empty.plan_journal(), [FrozenUntil(at=0, final=True)])
    box = Box(tmp_path)
    box.run(12)
    assert box.running_at_the_end == {"api"}


def test_a_lesson_the_publisher_complains_of_is_a_fault_of_that_lesson(tmp_path: Path) -> None:
    damaged = recorded(tmp_path, 0, made=True)
    box = Box(tmp_path)
    before = box.launcher.start

    def start(job, log):  # type: ignore[no-untyped-def]
        child = before(job, log)
        if job.stage == "publish":
            assert isinstance(child, FakeChild)
            child.complaints[damaged.id] = "low/000001.m4s: damaged on this disk"
        return child

    box.launcher.start = start  # type: ignore[method-assign]
    box.run(6)
    faults = BoxView(tmp_path).poll().faults
    assert {key: fault.detail for key, fault in faults.items() if key[0].startswith(("lesson", "store"))} == {
        (Fault.LESSON_STUCK.value, damaged.id): "low/000001.m4s: damaged on this disk"
    }
