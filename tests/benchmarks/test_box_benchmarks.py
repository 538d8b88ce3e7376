"""The benchmarks of a whole box, run small: their JSON, their pictures, and that the figures make sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import capture_cost, resume, standby_cost

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


def test_capture_cost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    argv = ["--seconds", "8", "--size", "640x360", "--json", str(out), "--plot", str(plot)]
    assert capture_cost.main(argv) == 0
    result = json.loads(out.read_text())
    assert set(result["processes"]) == {"teacher", "students", "board", "mic"}
    assert 0 < result["cores"] < 1
    assert result["pss_mb"] <= result["rss_sum_mb"]
    assert result["rss_mb"] <= result["rss_sum_mb"]
    assert all(rate == pytest.approx(25.0, abs=0.2) for rate in result["pictures_per_s"].values())
    assert result["peer"]["cores"] > 0
    assert 1 < result["media_mb_per_min"] < 200
    for one in (result, result["peer"]):
        assert one["written_mb_per_min"] is None or 1 < one["written_mb_per_min"] < 1000
    assert plot.stat().st_size > 10_000
    assert capfd.readouterr().out == ""


def test_standby_cost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert standby_cost.main(["--seconds", "5", "--size", "640x360", "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert set(result["processes"]) == {"teacher", "students", "board", "mic"}
    assert 0 < result["cores"] <= result["box_cores"] < 1
    assert result["peer"]["cores"] > 0
    assert capfd.readouterr().out == ""


def test_resume(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    assert resume.main(["--lessons", "0,3", "--minutes", "1", "--json", str(out), "--plot", str(plot)]) == 0
    result = json.loads(out.read_text())
    assert [size["lessons"] for size in result["sizes"]] == [0, 3]
    assert result["max_capture_s"] > 0
    assert all(size["pages_ok"] and size["files_opened"] > 0 for size in result["sizes"])
    assert plot.stat().st_size > 10_000
    assert capfd.readouterr().out == ""
