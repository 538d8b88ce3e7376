"""Feeds whose crystals differ stay together, by the benchmark that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import clock_drift


def test_feeds_stay_together_and_the_peer_does_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "drift.json", tmp_path / "drift.png"
    assert clock_drift.main(["--json", str(out), "--plot", str(plot), "--minutes", "6"]) == 0
    capfd.readouterr()
    found = json.loads(out.read_text())
    assert len(found["runs"]) == 2 * len(clock_drift.NETWORKS) * len(clock_drift.PPM)
    assert found["max_offset_ms"] == max(run["max_offset_ms"] for run in found["runs"]) <= clock_drift.GOAL_MS
    assert found["peer_max_offset_ms"] > clock_drift.GOAL_MS, "there is something to correct"
    assert plot.read_bytes().startswith(b"\x89PNG")
