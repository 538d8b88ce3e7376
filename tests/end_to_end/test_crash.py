"""Power cuts and dying sources in the middle of `record`: still one lesson, the gap marked, and published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND
from lesson.view import load_state
from tests.kit.programme import (
    classreel,
    command,
    decoding_errors,
    environment,
    folder_of,
    result_of,
)
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

OPEN_BYTES = 20_000  # more than a header: pictures are in it
CONFIG = """
root = "{root}"
room = "Room 1"
[[sources]]
id = "teacher"
role = "teacher"
uri = "test:teacher?size=640x360"
required = true
[[sources]]
id = "board"
role = "board"
uri = "test:board?size=640x360"
[[sources]]
id = "mic"
role = "mic"
uri = "test:tone"
required = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "classroom.toml"
    path.write_text(CONFIG.format(root=tmp_path / "lessons"))
    return path


@pytest.fixture
def recorders() -> Iterator[list[subprocess.Popen[str]]]:
    """Recorders started by the test, in process groups of their own; none outlives it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)


def start(config: Path, recorders: list[subprocess.Popen[str]], *, for_: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command("record", "--for", for_, "--config", config, "--title", "Crash", "--json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment(),
    )  # fmt: skip
    recorders.append(process)
    return process


def only_lesson(root: Path) -> LessonFolder | None:
    found = list(lessons_in(root))
    assert len(found) <= 1
    return found[0] if found else None


def recorded(root: Path, *, segments: int, epoch: int = 0) -> LessonState | None:
    """The state, once every source has so many segments of an epoch."""
    folder = only_lesson(root)
    if folder is None:
        return None
    state = load_state(folder)
    counts = [sum(s.epoch >= epoch for s in source.segments) for source in state.sources.values()]
    return state if min(counts) >= segments else None


def capture_pid(folder: LessonFolder, source: str) -> int | None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"capture" in argv and str(folder.path).encode() in argv and source.encode() in argv:
                return int(entry.name)
    return None


def test_the_whole_process_group_killed_with_9(
    config: Path, tmp_path: Path, recorders: list[subprocess.Popen[str]]
) -> None:
    root = tmp_path / "lessons"
    first = start(config, recorders, for_="25s")
    wait_until(lambda: recorded(root, segments=1), 40, what="a first segment of each source")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(10)
    second = start(config, recorders, for_="25s")
    out, err = second.communicate(timeout=200)
    assert second.returncode == 0, err
    result = json.loads(out)
    folder = only_lesson(root)
    assert folder is not None
    assert result["lesson_id"] == folder.id
    assert {gap["source"] for gap in result["gaps"]} == {"teacher", "board", "mic"}
    state = load_state(folder)
    assert state.verified is not None
    assert all(source.last_epoch == 1 for source in state.sources.values())
    assert 20 <= result["duration_s"] <= 32
    store = folder_of(result["published_url"])
    assert decoding_errors(store / "index.m3u8") == ""
    assert result_of(classreel("verify", folder.path, "--remote", "--config", config, "--json"))["ok"]


def test_one_source_killed_in_the_middle(config: Path, tmp_path: Path, recorders: list[subprocess.Popen[str]]) -> None:
    root = tmp_path / "lessons"
    recorder = start(config, recorders, for_="20s")
    wait_until(lambda: recorded(root, segments=1), 40, what="a first segment of each source")
    folder = only_lesson(root)
    assert folder is not None
    open_segment = folder.segment_path("board", 0, 1)
    wait_until(lambda: open_segment.exists() and open_segment.stat().st_size > OPEN_BYTES, 20, what="an open segment")
    pid = capture_pid(folder, "board")
    assert pid
    os.kill(pid, signal.SIGKILL)
    out, err = recorder.communicate(timeout=200)
    assert recorder.returncode == 0, err
    result = json.loads(out)
    state = load_state(folder)
    assert state.sources["board"].last_epoch == 1
    assert state.sources["teacher"].last_epoch == 0
    assert state.sources["mic"].last_epoch == 0
    board = state.sources["board"]
    before, after = board.coverage(Kind.VIDEO)
    ends, begins = board.to_lesson(0, before.span.end), board.to_lesson(1, after.span.start)
    assert ends is not None
    assert begins is not None
    hole = begins - ends
    assert hole < 2 * TICKS_PER_SECOND
    named = [gap["end_s"] - gap["start_s"] for gap in result["gaps"]]
    assert {gap["source"] for gap in result["gaps"]} <= {"board"}
    assert named == ([pytest.approx(hole / TICKS_PER_SECOND, abs=0.05)] if hole >= MIN_GAP else [])
    assert any(s.closed_by == "recovered" for s in state.sources["board"].segments)
    assert abs(state.duration - 20 * TICKS_PER_SECOND) < 4 * TICKS_PER_SECOND


def test_a_second_classreel_looks_on_and_takes_over(
    config: Path, tmp_path: Path, recorders: list[subprocess.Popen[str]]
) -> None:
    root = tmp_path / "lessons"
    first = start(config, recorders, for_="15s")
    wait_until(lambda: recorded(root, segments=1), 40, what="a first segment of each source")
    second = start(config, recorders, for_="15s")
    assert second.stderr is not None
    assert "going on with lesson" in second.stderr.readline()
    assert "waiting for it" in second.stderr.readline()
    os.killpg(first.pid, signal.SIGKILL)
    out, err = second.communicate(timeout=150)
    assert second.returncode == 0, err
    folder = only_lesson(root)
    assert folder is not None
    assert json.loads(out)["lesson_id"] == folder.id
    assert load_state(folder).verified is not None
