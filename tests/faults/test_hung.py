"""A process that stops without dying (a driver or disk that hangs, swapped out): noticed, replaced, and named."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.journals import epochs, media_end_ns, segments
from benchmarks.outside import capture_pids, stage_pids
from tests.kit.box import Box, holes, named_s
from tests.kit.processes import command_line
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

REPLACED_S = 12.0
"""No new byte for 10 s, and a look each second."""
STAGES = ("tracking", "encode", "publish")
HUNG_S = 20.0
STARVED_S = 40.0
SAID_WITHIN_S = 10.0
SAYS_NO_MORE_S = 5.0
PAGES_AGAIN_S = 40.0
"""Fifteen seconds of silence, ten of grace, and a start."""


@contextmanager
def stopped_process(pid: int) -> Iterator[float]:
    """SIGSTOP for the length of the block; gives the instant. A process that was replaced meanwhile is left alone."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield time.monotonic()
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def recording_box(box: Box) -> Path:
    lesson = box.press()
    box.until_recording()
    return lesson


def test_a_hung_capture_is_replaced(tmp_path: Path) -> None:
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        pids = capture_pids(lesson)
        with stopped_process(pids["teacher"]) as at:
            wait_until(lambda: capture_pids(lesson).get("teacher") not in (pids["teacher"], None), REPLACED_S + 5)
            assert time.monotonic() - at <= REPLACED_S
            wait_until(lambda: len(epochs(lesson, "teacher")) == 2, 10)
            wait_until(lambda: segments(lesson, "teacher")[-1]["epoch"] == 1, 20)
        assert capture_pids(lesson)["mic"] == pids["mic"], "no other process is touched"
        assert holes(lesson, "mic", "audio") == []
        named = wait_until(lambda: named_s(box.detail(), "teacher", "video"), 15, what="a gap, once it is placed")
        assert named is not None
        (missing,) = named
        assert 8.0 <= missing <= REPLACED_S + 5


def test_a_hole_in_one_epoch_is_a_gap(tmp_path: Path) -> None:
    """Shorter than what gets a process replaced: the recording goes on as if nothing had been."""
    hung_s = 6.0
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        with stopped_process(capture_pids(lesson)["teacher"]) as at:
            wait_until(lambda: time.monotonic() - at >= hung_s, hung_s + 5)
        resumed = time.monotonic_ns()
        wait_until(lambda: (media_end_ns(lesson, "teacher") or 0) > resumed + 2e9, 30, what="it goes on")
        box.stop()
        wait_until(lambda: all(one["finished"] for one in box.detail()["sources"]), 30)
        there = holes(lesson, "teacher", "video")
        named = named_s(box.detail(), "teacher", "video")
        assert len(epochs(lesson, "teacher")) > 1 or sum(there) >= hung_s - 1.0, "the scene's clock went on"
        assert sum(named) >= hung_s - 1.0
        assert len(named) >= len(there)


def test_hung_stages_never_touch_the_recording(tmp_path: Path) -> None:
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        wait_until(lambda: set(STAGES) <= set(stage_pids(lesson)), 30, what="all stages are there")
        captures = capture_pids(lesson)
        with ExitStack() as stack:
            at = [stack.enter_context(stopped_process(stage_pids(lesson)[name][0])) for name in STAGES]
            had = {source.id: len(segments(lesson, source.id)) for source in box.sources}
            wait_until(lambda: time.monotonic() - at[0] > HUNG_S, HUNG_S + 5)
            assert capture_pids(lesson) == captures
            assert box.health()["status"] == "recording"
            for source, count in had.items():
                assert len(segments(lesson, source)) >= count + 3, "a segment each 4 s"
                assert len(epochs(lesson, source)) == 1
        box.stop()
        wait_until(lambda: box.detail()["state"] == "published", 120, what="it is published all the same")
        assert box.detail()["gaps"] == []


def test_a_stage_that_stands_still_is_said_within_10_s(tmp_path: Path) -> None:
    """Long before it is replaced; said no more once it goes on. The observer is the planner's to tell of."""
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        pids = wait_until(lambda: one_of_each(lesson), 30, what="all stages are there")
        wait_until(lambda: segments(lesson, "teacher"), 20)
        assert box.health()["faults"] == [], "whoever works is not accused"
        for name, pid in pids.items():
            with stopped_process(pid) as at:
                code = "signal_unchecked" if name == "signal" else "stage_hangs"
                fault = box.fault(code, within_s=SAID_WITHIN_S + 2)
                assert time.monotonic() - at <= SAID_WITHIN_S + 1.0, "and a look of this test"
                assert fault["about"].rpartition("/")[2] == ("tracking" if name == "observer" else name)
                assert fault["remedy"]
                assert ("observer" in fault["detail"]) is (name == "observer")
            wait_until(lambda: box.health()["faults"] == [], SAYS_NO_MORE_S, what=f"{name} goes on")
        assert one_of_each(lesson) == pids, "nobody was replaced"
        box.stop()
        wait_until(lambda: box.detail()["state"] == "published", 120)


def test_nobody_is_accused_on_a_starved_box(tmp_path: Path) -> None:
    """Every core has four others that want all of it, and the stages come after them."""
    with Box(tmp_path) as box, ExitStack() as stack:
        recording_box(box)
        for _ in range(4 * (os.cpu_count() or 1)):
            hog = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(hog.kill)
        began, said = time.monotonic(), set[str]()

        def over() -> bool:
            said.update(fault["code"] for fault in box.health()["faults"])
            return time.monotonic() - began > STARVED_S

        wait_until(over, STARVED_S + 20, poll_s=0.5)
        assert not said & {"stage_hangs", "signal_unchecked", "stage_given_up"}


def one_of_each(lesson: Path) -> dict[str, int] | None:
    """The process of each stage, and the observer; None while one is missing."""
    found = {
        "observer" if "--observe" in command_line(pid) else name: pid
        for name, pids in stage_pids(lesson).items()
        for pid in pids
        if name in STAGES
    }
    everyone = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    found.update(("signal", pid) for pid in everyone if f"-m capture.monitor {lesson}" in command_line(pid))
    return found if set(found) == {"observer", "signal", *STAGES} else None


def test_hung_pages_are_replaced(tmp_path: Path) -> None:
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        captures, pid = capture_pids(lesson), box.web_pid()
        with stopped_process(pid):
            wait_until(lambda: box.get("/health", timeout_s=2).status == 200, PAGES_AGAIN_S, what="pages again")
            assert box.web_pid() != pid
        assert capture_pids(lesson) == captures
        assert box.health()["status"] == "recording"


def test_a_hung_capture_whose_conductor_dies_keeps_nobody_from_recording(tmp_path: Path) -> None:
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        with stopped_process(capture_pids(lesson)["teacher"]):
            os.kill(box.running.pid, signal.SIGKILL)
            box.running.wait(10)
            wait_until(lambda: set(capture_pids(lesson)) <= {"teacher"}, 20, what="all others end with the conductor")
            box.start()
            wait_until(lambda: len(epochs(lesson, "teacher")) == 2, 20)
            wait_until(lambda: segments(lesson, "teacher")[-1]["epoch"] == 1, 20)


def test_a_taken_port_keeps_nobody_from_recording(tmp_path: Path) -> None:
    with Box(tmp_path) as box:
        lesson = recording_box(box)
        box.kill()
        with socket.create_server(("127.0.0.1", box.port)):
            box.start(answers=False)
            wait_until(lambda: len(epochs(lesson, "teacher")) == 2, 20)
            wait_until(lambda: segments(lesson, "teacher")[-1]["epoch"] == 1, 20)
            assert "the page is tried again" in box.said
        wait_until(lambda: box.get("/health").status == 200, 20, what="the page is there by itself")
        assert box.health()["lesson_id"] == lesson.name
