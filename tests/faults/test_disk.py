"""The lesson's disk fills, fails, or loses its power in the middle of a lesson; each on a file system of its own."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.journals import epochs, lessons, media_end_ns, segments, stopped
from benchmarks.outside import Source, waited
from tests.kit.box import MIC, TEACHER, Box, damaged
from tests.kit.disks import disk
from tests.kit.programme import classreel
from tests.kit.shims import told_fsync
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

BOARD = Source("board", "test:board?size=320x180&fps=10")
SOURCES = (TEACHER, BOARD, MIC)
LOST_S = 1.0
SAID_WITHIN_S = 5.0
SEEN_WITHIN_S = 15.0
AGAIN_WITHIN_S = 60.0
PROBED_WITHIN_S = 30.0
"""The disk is tried now and then, and each trial may take its time."""
LEFT = 400_000
"""Bytes left on the full disk: less than a segment of everything."""
FOR_REQUIRED = 3_000_000
"""Bytes with which, on a disk of 96 MB, only required sources are recorded: less than 5 %, more than 2 %."""


def counts(lesson: Path) -> dict[str, int]:
    return {source.id: len(segments(lesson, source.id)) for source in SOURCES}


def more_than(lesson: Path, before: dict[str, int]) -> bool:
    return all(count > before[source] for source, count in counts(lesson).items())


@dataclass
class Told:
    """Every fault that `/health` told of when it was looked at."""

    box: Box
    codes: set[str] = field(default_factory=set)

    def look(self) -> str | None:
        """Look once more; the status."""
        health = self.box.health()
        self.codes |= {one["code"] for one in health.get("faults", [])}
        return health.get("status")


def all_damaged(lesson: Path) -> list[str]:
    return [path for source in SOURCES for path in damaged(lesson, source.id)]


@pytest.mark.parametrize("system", ["ext4", "xfs"])
def test_power_cuts_cost_a_second_and_nothing_that_was_committed(system: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    told = told_fsync(tmp_path)
    with (
        disk(tmp_path / system, system) as where,
        Box(tmp_path, SOURCES, root=where.path / "root", env=told.env) as box,
    ):
        lesson = box.press()
        for _ in range(2):
            before = counts(lesson)
            wait_until(lambda: more_than(lesson, before), AGAIN_WITHIN_S, what="new segments")  # noqa: B023
            last = {source.id: len(epochs(lesson, source.id)) - 1 for source in SOURCES}
            now, in_this_segment_s = time.monotonic(), rng.uniform(0, 3.5)
            wait_until(lambda: time.monotonic() - now >= in_this_segment_s, 5)  # noqa: B023
            promised, at = told.promised(), time.monotonic_ns()
            where.cut_power()
            box.kill()
            where.power_again()
            assert_kept(promised)
            box.start()
            wait_until(
                lambda: all(len(epochs(lesson, source)) > epoch + 1 for source, epoch in last.items()),  # noqa: B023
                AGAIN_WITHIN_S, what="it records again",
            )  # fmt: skip
            for source, epoch in last.items():
                end = media_end_ns(lesson, source, epoch)
                assert end is not None
                assert (at - end) / 1e9 <= LOST_S, source
            assert all_damaged(lesson) == []
        assert lessons(box.root) == [lesson]
        box.stop()
        wait_until(lambda: all(one["finished"] for one in box.detail()["sources"]), 30)
        done = classreel("verify", lesson, "--config", box.config, "--json")
        assert done.returncode == 0, done.stdout
        box.kill()


def assert_kept(promised: dict[Path, int]) -> None:
    """A commit is a commit: each journal is as long as the disk had said."""
    journals = {path: size for path, size in promised.items() if path.suffix == ".jsonl"}
    assert len(journals) > len(SOURCES)
    assert {path: path.stat().st_size for path, size in journals.items() if path.stat().st_size < size} == {}


def test_a_full_disk_is_said_and_recording_goes_on_when_there_is_space(tmp_path: Path) -> None:
    with disk(tmp_path / "small", size=96 << 20) as where, Box(tmp_path, SOURCES, root=where.path / "root") as box:
        lesson = box.press()
        wait_until(lambda: min(counts(lesson).values()) >= 2, AGAIN_WITHIN_S, what="two segments of each")
        ballast = where.fill(leave=LEFT)
        box.fault("disk_low", "disk_refuses", within_s=PROBED_WITHIN_S)
        wait_until(lambda: box.health().get("status") != "recording", AGAIN_WITHIN_S, what="no claim to record")
        said = Told(box)
        assert not waited(lambda: said.look() == "recording", 30), "epochs that come to nothing"
        assert "capture_fails" not in said.codes, "no source is blamed for what the disk does"
        assert box.get("/").status == 200
        assert all_damaged(lesson) == []
        assert stopped(lesson) is None, "a full disk does not end a lesson"
        before = counts(lesson)
        ballast.unlink()
        wait_until(lambda: more_than(lesson, before), AGAIN_WITHIN_S, what="it records again by itself")
        assert all_damaged(lesson) == []
        wait_until(lambda: box.health().get("status") == "recording", SEEN_WITHIN_S)
        box.kill()


def test_a_disk_that_fills_takes_the_optional_source_first_and_everybody_says_so(tmp_path: Path) -> None:
    with disk(tmp_path / "small", size=96 << 20) as where, Box(tmp_path, SOURCES, root=where.path / "root") as box:
        lesson = box.press()
        wait_until(lambda: min(counts(lesson).values()) >= 2, AGAIN_WITHIN_S, what="two segments of each")
        ballast = where.fill(leave=FOR_REQUIRED)
        wait_until(lambda: feed(box, "board")["code"] == "no_space", SEEN_WITHIN_S, what="the board rests")
        before = counts(lesson)
        wait_until(lambda: all(counts(lesson)[one] > before[one] + 1 for one in ("teacher", "mic")), AGAIN_WITHIN_S)
        assert counts(lesson)["board"] == before["board"]
        assert box.health()["status"] == "recording", "what is required is"
        assert [feed(box, one)["state"] for one in ("teacher", "board", "mic")] == ["recording", "lost", "recording"]
        assert "its last space is kept for teacher and microphone" in box.get("/").body.decode()
        box.fault("disk_low", within_s=PROBED_WITHIN_S)
        ballast.unlink()
        wait_until(lambda: feed(box, "board")["state"] == "recording", AGAIN_WITHIN_S, what="it is recorded again")
        box.stop()
        wait_until(lambda: all(one["finished"] for one in box.detail()["sources"]), 30)
        gaps = [("board", "no_space")]
        wait_until(lambda: [(gap["source"], gap["code"]) for gap in box.detail()["gaps"]] == gaps, AGAIN_WITHIN_S)
        assert all_damaged(lesson) == []
        box.kill()


def feed(box: Box, source: str) -> dict[str, Any]:
    """What `/health` says of a source."""
    return next(one for one in box.health()["feeds"] if one["id"] == source)


def test_a_disk_that_fails_is_said(tmp_path: Path) -> None:
    """The kernel makes it read-only; nothing can be recorded, and that is what the page says."""
    with disk(tmp_path / "failing", size=96 << 20) as where, Box(tmp_path, SOURCES, root=where.path / "root") as box:
        lesson = box.press()
        wait_until(lambda: min(counts(lesson).values()) >= 1, AGAIN_WITHIN_S, what="a segment of each")
        where.fail()
        assert waited(lambda: box.health().get("status") == "trouble", SEEN_WITHIN_S), box.health()
        assert box.health()["ok"] is False
        assert box.get("/").status == 200
        assert box.post("/lessons").status in {200, 503}, "the running lesson, or that nothing can be started"
        assert all_damaged(lesson) == []
        box.kill()


def test_a_dead_disk_is_said_and_a_box_that_starts_on_it_has_its_pages(tmp_path: Path) -> None:
    with disk(tmp_path / "dead", size=96 << 20) as where, Box(tmp_path, SOURCES, root=where.path / "root") as box:
        box.press()
        box.until_recording()
        where.cut_power()
        refused_within(box, SAID_WITHIN_S)
        assert box.get("/").status == 200
        box.kill()
        box.start()
        refused_within(box, SAID_WITHIN_S)
        assert box.get("/").status == 200
        box.kill()
        where.power_again()
        box.start()
        box.until_recording()
        box.kill()


def refused_within(box: Box, within_s: float) -> None:
    box.fault("disk_refuses", within_s=within_s)
    health = box.health()
    assert (health["status"], health["ok"]) == ("trouble", False)


def test_a_disk_that_is_unplugged_is_gone_and_nothing_is_made_where_it_was(tmp_path: Path) -> None:
    with disk(tmp_path / "pulled", size=96 << 20) as where, Box(tmp_path, SOURCES, root=where.path / "root") as box:
        box.press()
        box.until_recording()
        where.unplug()
        refused_within(box, SAID_WITHIN_S)
        assert box.post("/lessons").status == 503
        now = time.monotonic()
        wait_until(lambda: time.monotonic() - now > SEEN_WITHIN_S, 2 * SEEN_WITHIN_S)  # epochs come and go meanwhile
        assert list(where.path.iterdir()) == []
        where.mount()
        box.until_recording()
        box.kill()


def test_a_conductor_that_hangs_is_said_within_seconds_and_takes_nothing_with_it(tmp_path: Path) -> None:
    with Box(tmp_path, SOURCES) as box:
        box.press()
        box.until_recording()
        os.kill(box.running.pid, signal.SIGSTOP)
        box.fault("conductor_hangs", within_s=10)
        assert box.health()["status"] == "trouble"
        before = counts(box.lesson)
        wait_until(lambda: more_than(box.lesson, before), 30, what="what records goes on")
        os.kill(box.running.pid, signal.SIGCONT)
        wait_until(lambda: box.health().get("status") == "recording", SEEN_WITHIN_S)
