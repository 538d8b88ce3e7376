"""Kill -9 of anything, again and again: what is lost, how soon it is back, and that it stays one sound lesson."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import crash_loss

pytestmark = [pytest.mark.faults, pytest.mark.alone, pytest.mark.timeout(420)]

LOST_S = 0.5
BACK_S = 2.0


def assert_one_sound_lesson(result: dict[str, Any], kills: int) -> None:
    assert result["kills"] == len(result["each"]) == kills, "after each kill everything came back"
    assert result["lessons"] == 1
    assert result["published"]
    assert result["verify_ok"]
    assert result["problems"] == []
    hit = {source for kill in result["each"] for source in kill["epochs"]}
    assert hit <= {gap["source"] for gap in result["gaps"]}, "each interruption is named"
    assert result["max_loss_s"] <= LOST_S, [kill for kill in result["each"] if max(kill["lost_s"].values(), default=0)]


def test_quiet_by_the_benchmark(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    assert crash_loss.main(["--kills", "8", "--seed", "4", "--json", str(out), "--plot", str(plot)]) == 0
    assert capfd.readouterr().out == ""  # progress goes to stderr
    result = json.loads(out.read_text())
    assert {kill["what"] for kill in result["each"]} == set(crash_loss.KINDS)
    assert_one_sound_lesson(result, 8)
    assert result["capture_back_s"]["max"] <= BACK_S
    assert {"p95_loss_s", "machine"} <= set(result)
    assert result["peer"]["mp4"]["max_loss_s"] > result["peer"]["mpegts"]["max_loss_s"]
    assert plot.stat().st_size > 10_000


def test_with_both_cores_busy(tmp_path: Path) -> None:
    assert_one_sound_lesson(crash_loss.run(tmp_path, kills=4, busy=True, seed=4), 4)
