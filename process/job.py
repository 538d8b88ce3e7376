"""A job: a process to keep alive, as data."""

from __future__ import annotations

import sys
from dataclasses import dataclass

PYTHON = (sys.executable, "-P")
"""-P: a folder of the user's that is named like one of our rooms must not be run in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`python -m MODULE ARGUMENTS`, one at a time of each `name`.

    `vital`: the box is of no use without it; it is started again soon, for ever. All others, once given up, are tried
    again every minute. `task`: what it is there for; when that changes, what was given up gets a new chance at once.
    `silence_s`: without a sign of life (`process.beat`) for so long it counts as hung and is replaced; None: it gives
    none. `still_s`: if it does not work either meanwhile (`process.activity`), so soon that is said; None: never.
    """

    stage: str
    module: str
    arguments: tuple[str, ...] = ()
    source: str | None = None
    vital: bool = False
    task: str = ""
    niceness: int = 0
    silence_s: float | None = None
    still_s: float | None = None

    @property
    def name(self) -> str:
        """Names the job among those of its lesson, and its log: `encode`, `capture-teacher`."""
        return self.stage if self.source is None else f"{self.stage}-{self.source}"

    @property
    def argv(self) -> tuple[str, ...]:
        return (*PYTHON, "-m", self.module, *self.arguments)
