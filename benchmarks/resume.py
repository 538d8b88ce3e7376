"""How long until the box records again after a power cut, as its library grows.

`python -m benchmarks.resume --json OUT [--plot PNG] [--lessons 0,40,400,3000]`

A root with N published lessons of 45 minutes and one lesson that a power cut broke off; `classreel serve` is started.
Measured until the first capture process of that lesson exists: seconds, CPU seconds of all processes of the box,
files opened and folders listed below the root. Then the first answers of the pages.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.file_watch import FileWatch
from benchmarks.library import SOURCES, craft_interrupted, craft_library
from benchmarks.measuring import machine, say, write_result
from benchmarks.outside import (
    Answer,
    Running,
    Source,
    ask,
    capture_pids,
    command,
    cpu_s,
    end_as_by_ctrl_c,
    waited,
    write_config,
)

SIZES = (0, 40, 400, 3000)
PAGES = ("/", "/health", "/lessons", "/lessons (page)", "/metrics")
"""`/lessons` is the JSON of a hundred lessons, the page after it shows people thirty."""
WITHIN_S = 120.0
"""Give up after this: a box that does not record two minutes after its start has failed the teacher."""
_ANSWER_WITHIN_S = 60.0


def measure(work: Path, count: int, *, minutes: float) -> dict[str, Any]:
    """What one start costs with `count` lessons; seconds are None for what did not happen in time."""
    root = work / "root"
    craft_library(root, count, minutes=minutes)
    lesson = craft_interrupted(root)
    sources = tuple(Source(s.id, s.uri, s.role.value, s.required) for s in SOURCES)
    config = write_config(work / "classroom.toml", root, sources)
    watch = FileWatch(work / "watch", root)
    port = free_port()
    argv = command("serve", "--config", config, "--port", str(port))
    with Running(argv, work / "serve", env=watch.environment) as running:
        captures = waited(lambda: capture_pids(lesson), WITHIN_S, poll_s=0.01)
        seen_ns = time.monotonic_ns()
        used = sum(cpu_s(pid) for pid in running.group() if pid not in (captures or {}).values())
        opened = watch.opened(before_ns=seen_ns)
        listening = waited(lambda: _listens(port), WITHIN_S, poll_s=0.01)
        url = f"http://127.0.0.1:{port}"
        answers = {page: _answer(url, page) for page in PAGES} if listening else {}
    return {
        "lessons": count,
        "capture_s": round((seen_ns - running.started_ns) / 1e9, 3) if captures else None,
        "capture_cpu_s": round(used, 3),
        "files_opened": sum(one.event == "open" for one in opened),
        "folders_listed": sum(one.event != "open" for one in opened),
        "pages_s": {page: round(answer.took_s, 3) for page, answer in answers.items()},
        "pages_ok": bool(answers) and all(answer.status == 200 for answer in answers.values()),
    }


def _answer(url: str, page: str) -> Answer:
    path, _, for_people = page.partition(" ")
    return ask(url + path, headers={"Accept": "text/html"} if for_people else None, timeout_s=_ANSWER_WITHIN_S)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the growth as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = result["sizes"]
    counts = [size["lessons"] for size in sizes]
    figure, (again, work, pages) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    again.plot(counts, [size["capture_s"] for size in sizes], "o-", color="#2f6f9f", label="seconds")
    again.plot(counts, [size["capture_cpu_s"] for size in sizes], "s--", color="#c9782b", label="CPU seconds")
    again.axhline(2, color="#6b6b6b", lw=1, label="goal: 2 s")
    again.set_title("Until the interrupted lesson is captured again")
    work.plot(counts, [size["files_opened"] for size in sizes], "o-", color="#2f6f9f", label="files opened until then")
    work.plot(counts, [size["folders_listed"] for size in sizes], "s--", color="#c9782b", label="folders listed")
    work.set_title("Work until then")
    for page, mark in zip(PAGES, "os^Dv", strict=True):
        pages.plot(counts, [size["pages_s"].get(page) for size in sizes], f"{mark}-", label=f"GET {page}")
    pages.set_title("First answers (s)")
    for axes in (again, work, pages):
        axes.set_xscale("symlog", linthresh=40)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("published lessons on the box")
        axes.set_xlim(-5, max(counts) * 1.5)  # else the line of the goal stretches it
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"`classreel serve` after a power cut; {result['machine']['cpu']}", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every size records again in time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resume", description=__doc__)
    parser.add_argument("--lessons", default=",".join(map(str, SIZES)), help="library sizes, separated by commas")
    parser.add_argument("--minutes", type=float, default=45.0, help="length of each published lesson")
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args(arguments)
    before, sizes = machine(), []
    for count in [int(text) for text in options.lessons.split(",")]:
        work = Path(tempfile.mkdtemp(prefix="resume-"))
        try:
            say(f"{count} lessons")
            sizes.append(measure(work, count, minutes=options.minutes))
        finally:
            shutil.rmtree(work)
    times = [size["capture_s"] for size in sizes]
    result = {
        "max_capture_s": None if None in times else max(times),
        "max_capture_cpu_s": max(size["capture_cpu_s"] for size in sizes),
        "sizes": sizes,
        "machine": before,
    }
    write_result(result, options.json)
    if options.plot:
        draw(result, options.plot)
    return 0 if result["max_capture_s"] is not None else 1


if __name__ == "__main__":
    end_as_by_ctrl_c()
    sys.exit(main())
