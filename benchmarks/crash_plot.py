"""The picture of `crash_loss`: each kill's cost, and what ffmpeg loses, on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

OURS, THEIRS, GOAL = "#2f6f9f", "#c9782b", "#6b6b6b"
GOAL_S = 0.5
"""Seconds that a kill may cost a source."""
_NOTHING_S = 0.005
"""Where a loss of nothing is drawn on the logarithmic scale."""


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture."""
    figure, (lost, back) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained", width_ratios=(3, 2))
    samples = [(number, loss) for number, kill in enumerate(result["each"], 1) for loss in kill["lost_s"].values()]
    lost.scatter(
        [number for number, _ in samples], [max(_NOTHING_S, loss) for _, loss in samples], s=16, color=OURS,
        label="classreel, each source that was hit",
    )  # fmt: skip
    for (form, peer), style in zip(result["peer"].items(), (":", "--", "-."), strict=False):
        lost.axhline(max(_NOTHING_S, peer["max_loss_s"] or 0.0), color=THEIRS, ls=style, lw=1, label=f"ffmpeg, {form}")
    lost.axhline(GOAL_S, color=GOAL, lw=1, label=f"goal: {GOAL_S} s")
    lost.set(yscale="log", xlabel="kill", ylabel="seconds lost", title=f"Lost by {result['kills']} kills")
    lost.xaxis.get_major_locator().set_params(integer=True)
    lost.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    kinds = ("capture", "group", "conductor")
    for place, kind in enumerate(kinds):
        times = [back_s for kill in result["each"] if kill["what"] == kind for back_s in kill["back_s"].values()]
        back.scatter([place] * len(times), times, s=16, color=OURS)
    back.set_xticks(range(len(kinds)), kinds)
    back.set(ylabel="seconds until it records again", title="Back", ylim=(0, None), xlim=(-0.5, 2.5))
    for axes in (lost, back):
        axes.spines[["top", "right"]].set_visible(False)
    busy = "both cores busy" if result["busy"] else "quiet"
    figure.suptitle(f"kill -9 while recording three cameras and a microphone, {busy}; {result['machine']['cpu']}",
                    fontsize=9)  # fmt: skip
    figure.savefig(path, dpi=110)
    plt.close(figure)
