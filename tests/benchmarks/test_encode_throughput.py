"""The benchmark is code like any other: run small, its figures checked for sense, its picture drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.clip import write_clip
from benchmarks.encode_throughput import draw, main
from benchmarks.measuring import CommandError, measured
from media.feeds.probe import probe

pytestmark = pytest.mark.slow


def test_the_contract_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "lecture.mp4"
    write_clip(clip, seconds=4.0, size=(640, 360))
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    assert main(["--source", str(clip), "--json", str(out), "--plot", str(plot)]) == 0
    result = json.loads(out.read_text())
    assert {"cpu_ratio", "bytes_ratio", "vmaf_delta", "rungs", "machine"} <= set(result)
    assert result["seconds"] == pytest.approx(4.0, abs=0.05)
    assert result["cpu_ratio"] > 0
    assert [rung["name"] for rung in result["rungs"]] == ["voice", "v180", "v270", "v360", "v720"]
    for rung in result["rungs"][1:]:
        assert 0 < rung["vmaf"] <= 100
        assert 0 < rung["peer_vmaf"] <= 100
    assert result["rungs"][-1]["vmaf"] > 85  # the pictures are the right ones, at the right places
    assert plot.stat().st_size > 10_000
    assert capfd.readouterr().out == ""  # progress goes to stderr


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "no.mp4"
    file.write_bytes(b"nothing")
    assert main(["--source", str(file), "--json", str(tmp_path / "out.json")]) == 1
    assert not (tmp_path / "out.json").exists()
    assert "Traceback" not in capfd.readouterr().err


def test_the_lecture_made_on_the_spot_is_always_the_same(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, seconds=0.4, size=(320, 180))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert len(probe(tmp_path / "a.mp4").streams) == 2


def test_cost_counts_what_children_use() -> None:
    child = "x = bytearray(80_000_000); sum(range(10**7))"
    busy = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measured(["python3", "-c", busy])
    assert cost.cpu_s > 0.1
    assert cost.peak_bytes > 60_000_000
    with pytest.raises(CommandError, match="oh no"):
        measured(["python3", "-c", "raise SystemExit('oh no')"])


def test_a_drawing_needs_no_video(tmp_path: Path) -> None:
    side = {"cpu_s": 1.0, "wall_s": 1.0, "peak_bytes": 1}
    voice = {"name": "voice", "bytes": 1, "peer_bytes": 1, "vmaf": None, "peer_vmaf": None}
    result = {"seconds": 1.0, "ours": side, "theirs": side, "cpu_ratio": 1.0, "vmaf_delta": 0.0, "rungs": [voice],
              "source": "x", "ladder": "thin", "machine": {"cpu": "x"}}  # fmt: skip
    draw(result, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1_000
