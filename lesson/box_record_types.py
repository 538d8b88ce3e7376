"""Every kind of fact that `box.jsonl` may hold, as values; their text form is in `lesson.records`."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.clock import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """The conductor started a process. `lesson`: id of what it works for, empty for the box itself."""

    stage: str
    source: str | None = None
    lesson: str
    at: Moment
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded:
    """A process failed or ended before its work was done; `code` is its exit code, negative for a signal."""

    stage: str
    source: str | None = None
    lesson: str
    at: Moment
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRaised:
    """Something is wrong with the box until it is cleared. `code`: a `lesson.box.Fault`, or one of a later version.

    `about`: the lesson, job, disk … it concerns. `detail` is for this box's own pages and may name devices.
    """

    code: str
    about: str
    at: Moment
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCleared:
    """That is wrong no more."""

    code: str
    about: str
    at: Moment
