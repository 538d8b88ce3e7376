"""A job that is kept alive, and what is wrong with it: what a supervisor remembers of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from process.activity import Standstill
from process.backoff import Backoff
from process.job import Job
from process.launcher import Child

HEALTHY_S = 60.0
"""A process that lived this long has its earlier failures forgiven."""
VITAL_FIRST_S, VITAL_PAUSE_S = 0.1, 5.0
"""Shortest and longest pause before a vital process is started again: every one of them is lost for good."""
VITAL_HELD_S = 5.0
"""A vital process that lived this long had come to work: what ended it may have passed, and the shortest pause is due,
though it is a failure in a row. Starting it costs a third of a second of CPU."""
LISTEN_S = 1.0
"""After so long without a sign of life a process is looked at: signs come twice a second."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job does not work. `since`: seconds on the supervisor's clock. `refused`: it says trying does not help.

    `passing`: its process lives, complains or stands still, and may go on by itself; `about`: of what part of its work,
    empty for all of it. `silence_s`: it hung for so long. `disk`: the box's disk refused what it was to store.
    """

    job: Job
    reason: str
    since: float
    refused: bool
    passing: bool = False
    about: str = ""
    silence_s: float = 0.0
    disk: bool = False


@dataclass(slots=True)
class Kept:
    """A job, the process that does it now (`child`), and how it went. Times: seconds on the supervisor's clock."""

    job: Job
    log: Path
    backoff: Backoff
    failures: int = 0
    done_in_vain: int = 0
    """Processes in a row that ended as if their work were done."""
    child: Child | None = None
    started: float = 0.0
    stirred: float | None = None
    next_start: float = 0.0
    succeeded: float | None = None
    """When a process of it last ended well."""
    trouble: Trouble | None = None
    unwanted_since: float | None = None
    hung: str | None = None
    standstill: Standstill | None = None
    still: Trouble | None = None

    def pause_s(self, lived_s: float) -> float:
        """Count one more failure, of a process that had worked for so long; the pause that is due."""
        self.failures = 1 if lived_s >= HEALTHY_S else self.failures + 1
        return self.backoff.pause_s(lived_s)


def look_for_work(kept: Kept, now: float, silence: float) -> None:
    """Say of a process that it stands still, long before it is replaced, and no more once it works."""
    allowed = kept.job.still_s
    if allowed is None or kept.child is None or kept.standstill is None or silence < LISTEN_S:
        return
    if kept.standstill.seconds(now) < allowed:
        kept.still = None
    elif kept.still is None:
        reason = f"stands still: no sign of life and no work for more than {allowed:.0f} s"
        kept.still = Trouble(kept.job, reason, now, refused=False, passing=True, silence_s=allowed)
        _log.warning("process_still", job=kept.job.name, pid=kept.child.pid, error=reason)


def complaints(kept: Kept) -> list[Trouble]:
    """What a process says keeps it from its work, and that it stands still."""
    if kept.child is None or kept.unwanted_since is not None:
        return []
    said = [
        Trouble(kept.job, reason, kept.started, refused=False, passing=True, about=about)
        for about, reason in kept.child.complaints.items()
    ]
    return [*said, kept.still] if kept.still else said


def backoff(job: Job) -> Backoff:
    """The pauses before a job is started again."""
    if job.vital:
        return Backoff(first_s=VITAL_FIRST_S, longest_s=VITAL_PAUSE_S, held_s=VITAL_HELD_S)
    return Backoff(longest_s=30.0, held_s=HEALTHY_S)
