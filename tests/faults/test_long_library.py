"""Years of lessons on the box: recording again after a power cut, and the pages, cost what is shown, not what there is.

Bounds are on work done (what is opened), not on seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.file_watch import FileWatch, Opened
from benchmarks.journals import epochs
from benchmarks.library import SOURCES, craft_interrupted, craft_library
from benchmarks.outside import Source, capture_pids
from tests.kit.box import Box
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

LESSONS = 3_000
LOOKS = 3
"""Cheap looks at a lesson: its header, the end of its control journal, the end of its publish journal."""
OWN = 200
"""Files of the interrupted lesson itself and of the box."""
FILES_SHOWN = 6
"""Files of each lesson that the list shows: header, manifest, and the ends of journals."""
ASIDE = 20


@dataclass(frozen=True)
class Started:
    """A box that was just started in a long library, and what it opened until then."""

    box: Box
    watch: FileWatch
    lesson: Path
    until_capture: list[Opened]

    def opened_for(self, page: str) -> tuple[Any, list[Opened]]:
        """A page's JSON, and what of the library the process that serves it opened for it."""
        before, pid = len(self.watch.opened()), self.box.web_pid()
        answer = self.box.get(page, timeout_s=60)
        assert answer.status == 200
        opened = [one for one in self.watch.opened()[before:] if one.pid == pid]
        return answer.json, [one for one in opened if not one.path.startswith(str(self.lesson))]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("library")
    root = folder / "root"
    craft_library(root, LESSONS, minutes=2.0)
    lesson = craft_interrupted(root, sources=(SOURCES[0], SOURCES[-1]))
    watch = FileWatch(folder / "watch", root)
    sources = (Source("teacher", SOURCES[0].uri, required=True), Source("mic", "test:tone"))
    box = Box(folder, sources, root=root, env=watch.environment)
    box.start(answers=False)
    try:
        wait_until(lambda: len(capture_pids(lesson)) == len(sources), 200, poll_s=0.01, what=f"capture: {box.said}")
        until = watch.opened()
        wait_until(lambda: box.get("/health", timeout_s=60).status == 200, 120, what="it answers")
        yield Started(box, watch, lesson, until)
    finally:
        box.kill()


def folded(opened: list[Opened]) -> list[str]:
    """Those whose records a state is made of: raw, plan, encoded."""
    return [one.path for one in opened if any(part in one.path for part in ("/raw/", "/plan/", "/enc/", "/observe/"))]


def test_recording_comes_before_the_library(started: Started) -> None:
    assert folded([one for one in started.until_capture if not one.path.startswith(str(started.lesson))]) == []
    assert len(started.until_capture) <= LOOKS * LESSONS + OWN
    wait_until(lambda: len(epochs(started.lesson, "teacher")) == 2, 60, what="the lesson goes on")


def test_a_first_page_of_the_list_costs_a_page(started: Started) -> None:
    listing, opened = started.opened_for("/lessons")
    assert folded(opened) == []
    newest, *others = listing["lessons"]
    assert newest["lesson_id"] == started.lesson.name
    assert len(opened) <= FILES_SHOWN * len(others) + ASIDE
    assert {one["state"] for one in others} == {"published"}
    assert {one["duration_s"] for one in others} == {120.0}


@pytest.mark.parametrize("page", ["/", "/health", "/metrics"])
def test_the_teachers_page_does_not_read_the_library(started: Started, page: str) -> None:
    _, opened = started.opened_for(page)
    assert folded(opened) == []
