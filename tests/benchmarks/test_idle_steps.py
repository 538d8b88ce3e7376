"""Waiting costs the same however long the lesson: counted in work done, not in seconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.idle_steps import idle_rounds, main
from benchmarks.long_lesson import write_lesson
from lesson.view import load_state

MINUTES = (5, 90)


def lines_run(step: Callable[[], object]) -> int:
    """How many lines of Python a call takes, those of every function it calls included."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(before)
    return lines


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Callable[[], object]]]:
    root = tmp_path_factory.mktemp("lessons")
    found = {minutes: idle_rounds(write_lesson(root, 60 * minutes)) for minutes in MINUTES}
    for steps in found.values():
        for step in steps.values():
            step()  # the first round takes in what there is
    return found


@pytest.mark.parametrize("name", ["planner", "observer", "encode", "follow", "page", "health", "progress", "job"])
def test_a_round_does_no_more_work_after_ninety_minutes(
    rounds: dict[int, dict[str, Callable[[], object]]], name: str
) -> None:
    short, long = (lines_run(rounds[minutes][name]) for minutes in MINUTES)
    assert short > 0
    assert long <= 1.5 * short


def test_the_made_up_lesson_is_one_as_the_stages_write_them(tmp_path: Path) -> None:
    state = load_state(write_lesson(tmp_path, 300))
    assert state.strays == set()
    assert state.duration >= 299 * 48_000
    assert [(gap.source, gap.code) for gap in state.gaps()] == [("students", "no_signal"), ("students", "no_signal")]
    assert {progress.leading for progress in state.renditions.values()} == {state.frozen_until // 184_320}
    assert len(state.sources["teacher"].maps[0]) == 6


def test_the_benchmark_says_what_a_round_costs(tmp_path: Path) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    assert main(["--json", str(out), "--plot", str(plot), "--minutes", "3", "6", "--rounds", "5"]) == 0
    result = json.loads(out.read_text())
    assert set(result["ms"]) == {"3", "6"}
    assert result["ms"]["6"]["fold"] > 0
    assert set(result["growth"]) >= {"planner", "observer", "encode", "page"}
    assert plot.stat().st_size > 10_000
