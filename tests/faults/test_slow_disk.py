"""A disk that answers slowly: every picture of a camera is kept, and the disk is blamed, not the camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.journals import epochs, media_s, of_type, packets, raw_journal, stopped
from benchmarks.outside import Source
from tests.kit.box import MIC, Box, holes
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.shims import Shim, slow_fsync
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

RECORDED_S = 28.0
STALL_AT_S, STALL_S = 8.0, 10.0
CASES = {"300 ms": 300.0, "2500 ms": 2_500.0, "one stall of 10 s": 0.0}


@dataclass(frozen=True)
class Recorded:
    """What one box recorded from its first epoch to Stop."""

    lesson: Path
    asked_s: float
    losses: list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Recorded]]]:
    """All cases beside each other: they mostly wait for the disk."""
    slow_fsync(tmp_path_factory.mktemp("trial"))  # skips here, where it cannot be built
    with ThreadPoolExecutor(len(CASES)) as pool:
        yield {case: pool.submit(record, tmp_path_factory.mktemp("box"), case) for case in CASES}


def record(folder: Path, case: str) -> Recorded:
    camera, shim = RtspCamera().start(), slow_fsync(folder, CASES[case])
    try:
        sources = (Source("teacher", camera.url, required=True), MIC)
        with Box(folder / "box", sources, env=shim.env) as box:
            return recorded_by(box, shim, stall=case.startswith("one"))
    finally:
        camera.stop()


def recorded_by(box: Box, shim: Shim, *, stall: bool) -> Recorded:
    lesson = box.press()
    wait_until(lambda: epochs(lesson, "teacher") and epochs(lesson, "mic"), 60, what=f"it begins: {box.said}")
    began = time.monotonic()

    def over() -> bool:
        passed = time.monotonic() - began
        if stall and passed >= STALL_AT_S:  # whatever is asked of the disk meanwhile is done when it answers again
            shim.set(max(0.0, STALL_AT_S + STALL_S - passed) * 1000)
        return passed >= RECORDED_S

    wait_until(over, RECORDED_S + 5)
    box.post(f"/lessons/{lesson.name}/stop")
    stop = wait_until(lambda: stopped(lesson), 30, what="Stop is in the journal")
    wait_until(lambda: of_type(raw_journal(lesson, "teacher"), "SourceFinished"), 60, what="the camera is closed")
    wait_until(lambda: of_type(raw_journal(lesson, "mic"), "SourceFinished"), 60, what="the microphone is closed")
    first_ns = epochs(lesson, "teacher")[0]["at"]["monotonic_ns"]
    return Recorded(
        lesson=lesson,
        asked_s=(stop["at"]["monotonic_ns"] - first_ns) / 1e9,
        losses=of_type(raw_journal(lesson, "teacher"), "SourceLost"),
    )


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_lost(recorded: dict[str, Future[Recorded]], case: str) -> None:
    it = recorded[case].result()
    assert it.losses == [], "the camera is not to blame"
    assert len(epochs(it.lesson, "teacher")) == len(epochs(it.lesson, "mic")) == 1
    for source, kind in (("teacher", "video"), ("teacher", "audio"), ("mic", "audio")):
        assert holes(it.lesson, source, kind) == []
        assert media_s(it.lesson, source, kind) >= it.asked_s - 1.5
    assert packets(it.lesson, "teacher", "video") >= (it.asked_s - 1.5) * 25
