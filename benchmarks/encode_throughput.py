"""Our encode stage beside one ffmpeg command that makes the same renditions of the same file, in one run.

`python -m benchmarks.encode_throughput --json OUT [--source FILE] [--plot PNG]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.clip import write_clip
from benchmarks.encoders import GRID, one_ffmpeg, our_stage, recorded, rung_file
from benchmarks.measuring import CommandError, Cost, machine, say, write_result
from benchmarks.quality import vmaf
from lesson.ladders import ladder
from lesson.model import Kind, Rendition
from lesson.time import seconds_from_ticks
from lesson.view import load_state

OURS, THEIRS = "#2f6f9f", "#c9782b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rendition made both ways; `vmaf` of a video rung as seen at 1280×720."""

    name: str
    width: int
    height: int
    fps: float
    bytes: int
    peer_bytes: int
    vmaf: float | None
    peer_vmaf: float | None


def compare(source: Path, work: Path, *, name: str, repeats: int) -> dict[str, Any]:
    """Make the renditions of the named ladder both ways; the fields of the benchmark's JSON. Raises `CommandError`."""
    renditions = ladder(name)
    before = machine()
    ours, theirs = work / "ours", work / "theirs"
    costs: list[tuple[Cost, Cost]] = []
    for turn in range(repeats):
        say(f"round {turn + 1} of {repeats}: recording {source.name}")
        folder = recorded(source, work, renditions)
        seconds = seconds_from_ticks(load_state(folder).duration)
        for out in (ours, theirs):
            out.mkdir(exist_ok=True)
        say("encoding with our stage")
        our_cost = our_stage(folder, ours)
        say("encoding with one ffmpeg command")
        costs.append((our_cost, one_ffmpeg(source, theirs, renditions)))
    ours_best = min((cost for cost, _ in costs), key=lambda cost: cost.cpu_s)
    theirs_best = min((cost for _, cost in costs), key=lambda cost: cost.cpu_s)
    rungs = [_rung(rendition, source, ours, theirs) for rendition in renditions]
    judged = [rung for rung in rungs if rung.vmaf is not None and rung.peer_vmaf is not None]
    return {
        "cpu_ratio": round(ours_best.cpu_s / theirs_best.cpu_s, 4),
        "wall_ratio": round(ours_best.wall_s / theirs_best.wall_s, 4),
        "memory_ratio": round(ours_best.peak_bytes / max(1, theirs_best.peak_bytes), 4),
        "bytes_ratio": round(sum(r.bytes for r in rungs) / sum(r.peer_bytes for r in rungs), 4),
        "vmaf_delta": round(sum((r.vmaf or 0) - (r.peer_vmaf or 0) for r in judged) / max(1, len(judged)), 3),
        "ours": ours_best.rounded(),
        "theirs": theirs_best.rounded(),
        "rungs": [asdict(rung) for rung in rungs],
        "seconds": round(seconds, 3),
        "source": source.name,
        "ladder": name,
        "rounds": repeats,
        "machine": before,
    }


def _rung(rendition: Rendition, source: Path, ours: Path, theirs: Path) -> Rung:
    mine, other = rung_file(ours, rendition), rung_file(theirs, rendition)
    seen = rendition.kind is Kind.VIDEO
    if seen:
        say(f"judging {rendition.name}")
    return Rung(
        name=rendition.name,
        width=rendition.width,
        height=rendition.height,
        fps=float(GRID.fps / rendition.frame_divisor) if seen else 0.0,
        bytes=mine.stat().st_size,
        peer_bytes=other.stat().st_size,
        vmaf=round(vmaf(mine, source, rendition), 3) if seen else None,
        peer_vmaf=round(vmaf(other, source, rendition), 3) if seen else None,
    )


def draw(result: dict[str, Any], path: Path) -> None:
    """The comparison as a picture."""
    figure, (cost, rate, quality) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    seconds = result["seconds"]
    labels = ["CPU\n(s)", "wall\n(s)", "memory\n(10 MB)"]
    values = [[side["cpu_s"], side["wall_s"], side["peak_bytes"] / 1e7] for side in (result["ours"], result["theirs"])]
    _pairs(cost, labels, *values)
    cost.set_title(f"Cost of {seconds:.0f} s, CPU ratio {result['cpu_ratio']:.2f}")
    rungs = result["rungs"]
    rates = [[rung[key] * 8 / seconds / 1000 for rung in rungs] for key in ("bytes", "peer_bytes")]
    _pairs(rate, [rung["name"] for rung in rungs], *rates)
    rate.set_title("Bit rate, container included (kbit/s)")
    judged = [rung for rung in rungs if rung["vmaf"] is not None]
    scores = [[rung[key] for rung in judged] for key in ("vmaf", "peer_vmaf")]
    _pairs(quality, [rung["name"] for rung in judged], *scores)
    quality.set_title(f"VMAF as seen at 1280×720, ours {result['vmaf_delta']:+.2f}")
    quality.set_ylim(0, 100)
    cost.legend(["our encode stage", "one ffmpeg command"], frameon=False)
    figure.suptitle(f"{result['source']}, ladder “{result['ladder']}”, {result['machine']['cpu']}", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _pairs(axes: Axes, labels: Sequence[str], ours: Sequence[float], theirs: Sequence[float]) -> None:
    places = range(len(labels))
    for offset, values, colour in ((-0.2, ours, OURS), (0.2, theirs, THEIRS)):
        bars = axes.bar([place + offset for place in places], values, 0.4, color=colour)
        axes.bar_label(bars, fmt="%.3g", fontsize=7)
    axes.set_xticks(list(places), labels)
    axes.spines[["top", "right"]].set_visible(False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encode_throughput", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    parser.add_argument("--source", type=Path, help="a media file; otherwise a lecture is made on the spot")
    parser.add_argument("--seconds", type=float, default=24.0, help="length of the lecture made on the spot")
    parser.add_argument("--ladder", default="thin", help="a named ladder")
    parser.add_argument("--repeats", type=int, default=1, help="rounds; of each side the cheapest counts")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="encode-throughput-") as folder:
        work = Path(folder)
        source = options.source
        if source is None:
            say("making a lecture")
            source = work / "lecture.mp4"
            write_clip(source, seconds=options.seconds)
        try:
            result = compare(source, work, name=options.ladder, repeats=max(1, options.repeats))
        except CommandError as error:
            say(str(error))
            return 1
    write_result(result, options.json)
    if options.plot:
        draw(result, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
