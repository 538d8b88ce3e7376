"""What a command costs: CPU, wall clock and memory of it and of everything it starts; and on which machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.outside import environment

_SAMPLE_S = 0.1
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`cpu_s`: user and system time of the process and all it started. `peak_bytes`: of their memory together.

    Memory shared between the processes counts once (proportional set size), sampled ten times a second.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int

    def rounded(self) -> dict[str, float]:
        return {key: round(value, 3) for key, value in asdict(self).items()}


class CommandError(RuntimeError):
    """A measured command failed; the message ends with what it said."""


def measured(argv: Sequence[str]) -> Cost:
    """Run a command to its end. Raises `CommandError` unless it ends well."""
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
        watch = _MemoryWatch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)  # on Linux with the usage of all descendants that were waited for
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        if process.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-3:]
            raise CommandError(f"{argv[0]} ended with {process.returncode}: {' | '.join(said)}")
    return Cost(cpu_s=usage.ru_utime + usage.ru_stime, wall_s=wall, peak_bytes=watch.peak)


class _MemoryWatch(threading.Thread):
    """Samples the memory of a process and its descendants until stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak = 0
        self.start()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self.peak = max(self.peak, sum(_memory(pid) for pid in _family(self._pid)))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            fields = _read(path / "stat").rpartition(")")[2].split()
            if fields:
                parents[int(path.name)] = int(fields[1])
    family = [pid]
    for member in family:  # grows while it is gone through
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _memory(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KIB
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""


def write_result(result: dict[str, Any], out: Path) -> None:
    """Write a result as JSON; `-` for stdout."""
    text = json.dumps(result, indent=1) + "\n"
    if str(out) == "-":
        print(text, end="")
    else:
        out.write_text(text)


def machine() -> dict[str, Any]:
    """What a figure depends on, for whoever compares it with another."""
    models = [
        line.partition(":")[2].strip() for line in _read(Path("/proc/cpuinfo")).splitlines() if "model name" in line
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pyav": av.__version__,
        "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for results."""
    print(line, file=sys.stderr, flush=True)
