"""Keeps processes alive: each restarts alone, with a growing pause; what cannot work is given up and said."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

from classroom.jobs import Job
from lesson.durable import make_folder
from process.stage import EXIT_DONE, EXIT_FATAL, child_environment

HEALTHY_S = 60.0
"""A process that lived this long has its earlier failures forgiven."""
GIVE_UP_AFTER = 5
"""Failures in a row after which a process that is not vital is given up."""
DONE_PAUSE_S = 1.0
"""Between a process ending well and the journals saying so to the conductor."""
RETIRE_GRACE_S = 5.0
TERM_GRACE_S = 10.0
_TAIL_BYTES = 16_384


def restart_pause(failures: int) -> float:
    """Seconds to wait before the next start: 0.5, 1, 2 … 30."""
    return min(30.0, 0.5 * 2.0 ** max(0, failures - 1))


@dataclass(slots=True)
class _Kept:
    job: Job
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = 0.0
    given_up: str | None = None
    unwanted_since: float | None = None


class Keeper:
    """Runs jobs as child processes in the folder of logs it is given. Not thread-safe."""

    def __init__(self, log_folder: Path) -> None:
        self._logs = log_folder
        self._kept: dict[str, _Kept] = {}
        self._log = structlog.get_logger()
        make_folder(log_folder)

    @property
    def given_up(self) -> dict[str, str]:
        """Job name to reason, for jobs that will not be started again."""
        return {name: kept.given_up for name, kept in self._kept.items() if kept.given_up}

    def failures(self, name: str) -> int:
        """Failures in a row of a job."""
        kept = self._kept.get(name)
        return kept.failures if kept else 0

    def pid(self, name: str) -> int | None:
        """Process id of a running job."""
        kept = self._kept.get(name)
        return kept.process.pid if kept and kept.process else None

    def reconcile(self, wanted: Sequence[Job]) -> None:
        """Reap what ended, start what is wanted and due, stop what is wanted no more."""
        for kept in self._kept.values():
            self._reap(kept)
        self._retire({job.name for job in wanted})
        for job in wanted:
            kept = self._kept.setdefault(job.name, _Kept(job, self._logs / f"{job.name}.log"))
            kept.unwanted_since = None
            if kept.job != job:  # another task under the same name: a new chance, once the old process has ended
                kept.job, kept.given_up, kept.next_start = job, None, 0.0
            if kept.process is None and kept.given_up is None and time.monotonic() >= kept.next_start:
                self._start(kept)

    def _retire(self, wanted: set[str]) -> None:
        """Let go of what is wanted no more: it is about to end by itself, and is told to only if it does not."""
        now = time.monotonic()
        for name, kept in list(self._kept.items()):
            if name in wanted:
                continue
            if kept.unwanted_since is None:
                kept.unwanted_since = now
            if kept.process is not None and now - kept.unwanted_since > RETIRE_GRACE_S:
                self._end(kept)
            if kept.process is None:
                del self._kept[name]

    def _start(self, kept: _Kept) -> None:
        kept.started = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                output: IO[bytes] | int = stack.enter_context(kept.log.open("ab"))
            except OSError:  # a full disk must not keep a process from trying
                output = subprocess.DEVNULL
            try:
                # one process group for all: killing it kills the whole box, as a power cut would
                kept.process = subprocess.Popen(
                    kept.job.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=child_environment()
                )
            except OSError as error:  # out of memory or processes: a pause may help
                kept.failures += 1
                kept.next_start = kept.started + restart_pause(kept.failures)
                self._log.warning("process cannot be started", job=kept.job.name, reason=str(error))

    def _reap(self, kept: _Kept) -> None:
        if kept.process is None or (code := kept.process.poll()) is None:
            return
        kept.process = None
        now = time.monotonic()
        kept.failures = 1 if now - kept.started > HEALTHY_S else kept.failures + 1
        kept.next_start = now + max(DONE_PAUSE_S, restart_pause(kept.failures))
        if code == EXIT_DONE and kept.failures < GIVE_UP_AFTER:
            return  # its journal will soon say so; if not, it is as if it had failed
        said = "ends as if its work were done, again and again" if code == EXIT_DONE else last_error(kept.log)
        reason = said or f"ended with code {code}"
        if code == EXIT_FATAL or (kept.failures >= GIVE_UP_AFTER and not kept.job.vital):
            kept.given_up = reason
        self._log.warning(
            "process ended", job=kept.job.name, code=code, failures=kept.failures, reason=reason,
            given_up=kept.given_up is not None,
        )  # fmt: skip

    def _end(self, kept: _Kept) -> None:
        if kept.process is None:
            return
        kept.process.send_signal(signal.SIGTERM)
        try:
            kept.process.wait(TERM_GRACE_S)
        except subprocess.TimeoutExpired:
            kept.process.kill()
            kept.process.wait()
        kept.process = None

    def stop(self) -> None:
        """End everything, gently first, all at once."""
        for kept in self._kept.values():
            if kept.process:
                kept.process.send_signal(signal.SIGTERM)
        for kept in self._kept.values():
            self._end(kept)
        self._kept.clear()


def last_error(log: Path) -> str | None:
    """The newest error a stage process logged, as one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            if line.strip():
                return line.strip()
            continue
        if isinstance(event, dict) and (said := _complaint(event)):
            return said.strip().splitlines()[-1]
    return None


def _complaint(event: dict[str, Any]) -> str | None:
    """What an event of a log says went wrong, if it says so."""
    said = event.get("error") or event.get("exception")
    if said is None and event.get("level") in {"error", "critical"}:
        said = event.get("event")
    return str(said) if said else None
