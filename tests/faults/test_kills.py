"""Kill -9 of anything, again and again: what is lost, how soon it is back, and that it stays one sound lesson."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.crash_loss import KINDS, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(420)]

LOST_S = 0.5
BACK_S = 2.0
BESIDE_OTHERS_S = 3.0
"""More for coming back: other tests of the same run share the two cores."""


def assert_one_sound_lesson(result: dict[str, Any], kills: int) -> None:
    assert result["kills"] == kills, "after each kill everything came back"
    assert result["lessons"] == 1
    assert result["published"]
    assert result["verify_ok"]
    assert result["problems"] == []
    hit = {source for kill in result["each"] for source in kill["epochs"]}
    assert hit <= {gap["source"] for gap in result["gaps"]}, "each interruption is named"
    assert result["max_loss_s"] <= LOST_S, [kill for kill in result["each"] if max(kill["lost_s"].values(), default=0)]


def test_quiet(tmp_path: Path) -> None:
    result = run(tmp_path, kills=8, busy=False, seed=4)
    assert {kill["what"] for kill in result["each"]} == set(KINDS)
    assert_one_sound_lesson(result, 8)
    assert result["capture_back_s"]["max"] <= BACK_S + BESIDE_OTHERS_S


def test_with_both_cores_busy(tmp_path: Path) -> None:
    assert_one_sound_lesson(run(tmp_path, kills=4, busy=True, seed=4), 4)
