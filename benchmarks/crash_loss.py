"""What kill -9 costs: seconds of media lost and seconds until the source is back, beside plain ffmpeg.

`python -m benchmarks.crash_loss --kills N [--busy] --json OUT [--plot PNG]`

`classreel record` records three simulated cameras and a microphone while processes are killed at random: a source's
capture process, any other process of the box, the conductor, or the whole group. After each kill everything has to be
back before the next. In the end it must be one lesson, published, with `verify --remote` content.

Lost: from the end of what was kept of the killed process's media, by its arrival on CLOCK_MONOTONIC, to the kill.
Back: from the kill to the next epoch of the source; where the conductor itself was killed, from its new start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.journals import epoch_start_ns, epochs, lessons, media_end_ns, segments
from benchmarks.loss_peer import peer_losses
from benchmarks.measuring import machine, say, write_result
from benchmarks.outside import (
    Running,
    Source,
    capture_pids,
    command,
    end_as_by_ctrl_c,
    environment,
    stage_pids,
    waited,
    write_config,
)

SIZE = "640x360"
SOURCES = (
    Source("teacher", f"test:teacher?size={SIZE}", required=True),
    Source("students", f"test:students?size={SIZE}"),
    Source("board", f"test:board?size={SIZE}"),
    Source("mic", "test:tone", required=True),
)
KINDS = {"capture": 50, "group": 22, "other": 18, "conductor": 10}
"""What is killed, and of a hundred after the first of each: a process dies alone more often than the power fails."""
PAUSE_S = (2.5, 6.0)
"""Between everything being back and the next kill: less and more than one segment of 4 s."""
DOWN_S = (0.2, 4.0)
"""How long the box stays off after its conductor was killed."""
BACK_WITHIN_S = 60.0
START_WITHIN_S = 60.0
PUBLISHED_WITHIN_S = 240.0
"""Beside the length of the recording once more."""


@dataclass(slots=True, kw_only=True)
class Kill:
    """One kill: `at_ns`, the name of what was killed, and what it cost each source that it hit."""

    what: str
    process: str
    at_ns: int
    down_s: float = 0.0
    epochs: dict[str, int] = field(default_factory=dict)
    lost_s: dict[str, float] = field(default_factory=dict)
    back_s: dict[str, float] = field(default_factory=dict)


class Box:
    """`classreel record` of one lesson, killed and started again."""

    def __init__(self, work: Path, seconds: float, rng: random.Random) -> None:
        self.work, self.root, self._rng = work, work / "root", rng
        self.config = write_config(work / "classroom.toml", self.root, SOURCES)
        self._argv = command("record", "--for", f"{seconds:.0f}s", "--config", self.config, "--json")
        self.running = self._start()

    def _start(self) -> Running:
        return Running(self._argv, self.work / "record")

    @property
    def lesson(self) -> Path:
        return lessons(self.root)[0]

    def delivering(self) -> bool:
        """Whether every source has committed media in its newest epoch, and that epoch goes on."""
        if not lessons(self.root):
            return False
        return all(_delivers(self.lesson, source.id) for source in SOURCES)

    def settled(self, kill: Kill) -> None:
        """Wait until nothing is owed to an earlier kill any more, and note which sources one of a helper had hit.

        Captures end with the process that all others are forked from, a moment after it: a kill in that moment would
        be charged with what the earlier one cost.
        """
        waited(self.delivering, BACK_WITHIN_S)
        if kill.what == "other":
            kill.epochs = {source: n for source, n in kill.epochs.items() if len(epochs(self.lesson, source)) > n}

    def kill(self, what: str) -> Kill | None:
        """Kill something of this kind, and start the box again if that ended it; None when there is none."""
        before = {source.id: len(epochs(self.lesson, source.id)) for source in SOURCES}
        if what == "capture":
            source, pid = self._rng.choice(sorted(capture_pids(self.lesson).items()) or [("", 0)])
            return self._one(what, f"capture-{source}", pid, {source: before[source]}) if pid else None
        if what == "other":
            process, pid = self._rng.choice(self._others() or [("", 0)])
            return self._one(what, process, pid, before) if pid else None
        kill = Kill(what=what, process=what, at_ns=time.monotonic_ns(), epochs=before)
        if what == "group":
            self.running.kill_group()
        else:
            self.running.kill()
        kill.down_s = self._rng.uniform(*DOWN_S)
        time.sleep(kill.down_s)
        kill.down_s = (time.monotonic_ns() - kill.at_ns) / 1e9
        self.running = self._start()
        return kill

    def _one(self, what: str, process: str, pid: int, hit: dict[str, int]) -> Kill | None:
        at = time.monotonic_ns()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended by itself
            return None
        return Kill(what=what, process=process, at_ns=at, epochs=hit)

    def _others(self) -> list[tuple[str, int]]:
        """Everything of the group that neither captures nor conducts."""
        names = {pid: name for name, pids in stage_pids(self.lesson).items() for pid in pids}
        busy = set(capture_pids(self.lesson).values()) | {self.running.pid}
        return [(names.get(pid, "helper"), pid) for pid in sorted(self.running.group()) if pid not in busy]

    def back(self, kill: Kill) -> bool:
        """Wait until every source that was hit records again; whether all did."""
        hit = kill.what != "other"  # of a helper it is known only later
        return bool(waited(lambda: (not hit or _is_back(self.lesson, kill)) and self.delivering(), BACK_WITHIN_S))


def _delivers(lesson: Path, source: str) -> bool:
    begun = epochs(lesson, source)
    if not begun:
        return False
    kept = [segment for segment in segments(lesson, source) if segment["epoch"] == begun[-1]["epoch"]]
    return bool(kept) and kept[-1]["closed_by"] == "cut"


def _is_back(lesson: Path, kill: Kill) -> bool:
    return all(len(epochs(lesson, source)) > before for source, before in kill.epochs.items())


@contextmanager
def both_cores_busy() -> Iterator[None]:
    """A spinning process at nice 0 for each core, ended with the block."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def killed_again_and_again(box: Box, kills: int, rng: random.Random) -> list[Kill]:
    """Kill `kills` times, as far as the box comes back; what each cost, of what is known so far."""
    done: list[Kill] = []
    owed = rng.sample(list(KINDS), len(KINDS))  # one of each kind, and then by chance
    while len(done) < kills:
        time.sleep(rng.uniform(*PAUSE_S))
        if done:
            box.settled(done[-1])
        kill = box.kill(owed[-1] if owed else rng.choices(list(KINDS), list(KINDS.values()))[0])
        if kill is None:
            continue
        owed = owed[:-1]
        done.append(kill)
        back = box.back(kill)
        say(f"kill {len(done)} of {kills}: {kill.process}{'' if back else ', not back'}")
        if not back:
            break
    return done


def settle(lesson: Path, kills: Sequence[Kill]) -> None:
    """Fill in what each kill cost, from the journals."""
    for kill in kills:
        for source, before in kill.epochs.items():
            if not before:
                continue
            kept = media_end_ns(lesson, source, before - 1) or epoch_start_ns(lesson, source, before - 1)
            if kept is not None:
                kill.lost_s[source] = round(max(0.0, (kill.at_ns - kept) / 1e9), 3)
            began = epoch_start_ns(lesson, source, before)
            if began is not None:
                kill.back_s[source] = round((began - kill.at_ns) / 1e9 - kill.down_s, 3)


def run(work: Path, *, kills: int, busy: bool, seed: int) -> dict[str, Any]:
    """The fields of the benchmark's JSON."""
    before, rng = machine(), random.Random(seed)  # noqa: S311 - a seeded course of kills, no secret
    window = START_WITHIN_S + kills * (PAUSE_S[1] + DOWN_S[1] + BACK_WITHIN_S)  # ended by Ctrl-C long before
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        box = Box(work, window, rng)
        stack.callback(lambda: box.running.kill_group())
        with both_cores_busy() if busy else contextlib.nullcontext():
            if not waited(box.delivering, START_WITHIN_S):
                raise RuntimeError(f"not recording within {START_WITHIN_S:.0f} s; see {box.running.err.read_text()}")
            done = killed_again_and_again(box, kills, rng)
            time.sleep(PAUSE_S[0])
            for last in done[-1:]:
                box.settled(last)
            box.running.interrupt()
            recorded_s = time.monotonic() - began
        say(f"recorded {recorded_s:.0f} s; waiting for the lesson to be published")
        with contextlib.suppress(subprocess.TimeoutExpired):
            box.running.wait(PUBLISHED_WITHIN_S + 2 * recorded_s)
        report = box.running.report()
        settle(box.lesson, done)
        verified = subprocess.run(
            command("verify", box.lesson, "--remote", "--config", box.config, "--json"),
            capture_output=True, text=True, env=environment(), timeout=PUBLISHED_WITHIN_S, check=False,
        )  # fmt: skip
        found = len(lessons(box.root))
    return {
        **_figures(done),
        "lessons": found,
        "published": bool(report.get("published_url")),
        "verify_ok": verified.returncode == 0,
        "gaps": report.get("gaps", []),
        "problems": report.get("problems", []),
        "recorded_s": round(recorded_s, 1),
        "busy": busy,
        "seed": seed,
        "each": [asdict(kill) for kill in done],
        "machine": before,
    }


def _figures(kills: Sequence[Kill]) -> dict[str, Any]:
    losses = sorted(loss for kill in kills for loss in kill.lost_s.values())
    alone = sorted(back for kill in kills if kill.what == "capture" for back in kill.back_s.values())
    every = sorted(back for kill in kills for back in kill.back_s.values())
    return {
        "kills": len(kills),
        "samples": len(losses),
        "median_loss_s": part_of(losses, 0.5),
        "p95_loss_s": part_of(losses, 0.95),
        "max_loss_s": part_of(losses, 1.0),
        "back_s": {"median": part_of(every, 0.5), "max": part_of(every, 1.0)},
        "capture_back_s": {"median": part_of(alone, 0.5), "max": part_of(alone, 1.0)},
    }


def part_of(ordered: Sequence[float], share: float) -> float | None:
    """The least value that at least this share of the values do not exceed; None of none."""
    if not ordered:
        return None
    return round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when it is one sound, published lesson after all the kills."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash_loss", description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--busy", action="store_true", help="every core is kept busy at nice 0 while it records")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="crash-loss-") as folder:
        result = run(Path(folder), kills=options.kills, busy=options.busy, seed=options.seed)
        say("what ffmpeg loses")
        result["peer"] = peer_losses(Path(folder), seed=options.seed)
    write_result(result, options.json)
    if options.plot:
        from benchmarks.crash_plot import draw  # needs matplotlib, which measuring does not

        draw(result, options.plot)
    sound = result["lessons"] == 1 and result["published"] and result["verify_ok"]
    return 0 if sound and result["kills"] == options.kills else 1


if __name__ == "__main__":
    end_as_by_ctrl_c()
    sys.exit(main())
