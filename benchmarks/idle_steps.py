"""What one round of each waiting loop costs, by the length of the lesson that is waited for.

`python -m benchmarks.idle_steps --json OUT [--plot PNG]`. Every stage looks at the journals several times a second for
as long as a lesson lasts: a round in which nothing is new must cost the same after 5 minutes and after 90.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from rich.console import Console

from api.health import room_health
from api.schema import LessonOut
from benchmarks.long_lesson import moment, write_lesson
from benchmarks.measuring import machine, say, write_result
from classroom.jobs import wanted_jobs
from classroom.progress import LessonProgress
from classroom.settings import Settings
from encode.jobs import make_job
from encode.ready import next_batch
from lesson.folder import LessonFolder
from lesson.time import TICKS_PER_SECOND
from lesson.view import LessonView, load_state
from tracking.clocks import LessonClock
from tracking.evidence_reader import EvidenceReader
from tracking.observe_order import first_pending, pending_ticks
from tracking.planner import Planner

MINUTES = (5, 45, 90)
ROUNDS = 300
JOB_S = 120
"""The chunk whose job is made lies here, in a lesson of any length."""


def idle_rounds(folder: LessonFolder) -> dict[str, Callable[[], object]]:
    """One idle round of each loop over a lesson made by `write_lesson`, ready to be called again and again.

    `planner`, `observer`, `encode`: as the stages do them. `follow`: what the command and the conductor read and
    conclude. `page`, `health`: one answer about the lesson, about the room. `progress`: the command's display. And one
    that is not idle, `job`: a chunk is prepared for encoding.
    """
    view, reader = LessonView(folder), EvidenceReader(folder)
    watched = EvidenceReader(folder, keep_observations=False)
    view.poll()
    reader.poll()
    watched.poll()
    state = view.state
    clock = LessonClock(state)
    now = moment(state.duration / TICKS_PER_SECOND)
    planner = Planner(state=state, clock=clock, evidence=reader.evidence)
    while due := planner.due(now):  # until there is nothing to do but wait
        for record in due:
            state.apply(record)
    encoded = load_state(folder)
    settings = Settings(root=folder.path.parent)
    progress = LessonProgress(Console(file=io.StringIO()))
    index = JOB_S * TICKS_PER_SECOND // state.header.grid.chunk

    def plan() -> None:
        view.poll()
        reader.poll()
        first_pending(state, reader.evidence)
        planner.due(now)

    def observe() -> None:
        view.poll()
        watched.poll()
        first_pending(state, watched.evidence)
        pending_ticks(state, watched.evidence)

    def follow() -> None:
        view.poll()
        wanted_jobs(folder, state, settings)

    def encode() -> None:
        view.poll()
        next_batch(encoded, set(), workers=1)

    return {
        "planner": plan,
        "observer": observe,
        "encode": encode,
        "follow": follow,
        "page": lambda: LessonOut.of_state(state, view.damage),
        "health": lambda: room_health(state, now),
        "progress": lambda: progress.update(state, recorded_s=0.0),
        "job": lambda: make_job(folder, encoded, {index: state.header.grid.span(index)}, state.header.ladder[1:]),
    }


def measure(root: Path, minutes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Milliseconds of CPU of each round, fold included, and how they grow from the shortest lesson to the longest."""
    lessons: dict[int, dict[str, float]] = {}
    for length in minutes:
        say(f"a lesson of {length} minutes")
        folder = write_lesson(root, 60 * length)
        began = time.process_time()
        load_state(folder)
        costs = {"fold": 1_000 * (time.process_time() - began)}
        for name, step in idle_rounds(folder).items():
            step()
            began = time.process_time()
            for _ in range(rounds):
                step()
            costs[name] = 1_000 * (time.process_time() - began) / rounds
        lessons[length] = {name: round(cost, 4) for name, cost in costs.items()}
    shortest, longest = lessons[min(minutes)], lessons[max(minutes)]
    growth = {name: round(longest[name] / shortest[name], 2) for name in shortest if name != "fold" and shortest[name]}
    return {"ms": {str(length): costs for length, costs in lessons.items()}, "growth": growth, "machine": machine()}


def draw(result: dict[str, Any], path: Path) -> None:
    """Cost of a round over the length of the lesson, one line a loop."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    minutes = [int(length) for length in result["ms"]]
    for name, growth in result["growth"].items():
        axes.plot(
            minutes, [costs[name] for costs in result["ms"].values()], marker="o", label=f"{name} (×{growth:.2f})"
        )
    axes.set_yscale("log")
    axes.set_xlabel("minutes of lesson")
    axes.set_ylabel("milliseconds of CPU a round")
    axes.set_title("A round in which nothing is new", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_steps", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    parser.add_argument("--minutes", type=int, nargs="+", default=list(MINUTES), help="lengths of the lessons")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds measured of each loop")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="idle-steps-") as root:
        result = measure(Path(root), options.minutes, options.rounds)
    write_result(result, options.json)
    if options.plot:
        draw(result, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
