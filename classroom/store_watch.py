"""When the store is tried though nothing waits for it: in time to mend it before the next lesson."""

from __future__ import annotations

from collections.abc import Callable

from classroom.jobs import trial_job
from classroom.settings import Settings
from lesson.time import NANOSECONDS_PER_SECOND
from process.job import Job
from process.supervisor import Supervisor

EVERY_S = 600.0
"""A trial is two short requests, some 10 kB with TLS: 1.4 MB a day."""
FIRST_S = 5.0
"""After a start: recording, and what lies there unfinished, come first."""


class StoreWatch:
    """Wants a trial of the store from time to time, and when somebody asks; none where publishing tells as much."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._job = trial_job(settings)
        self._clock = clock
        self._due = clock() + FIRST_S
        self._asked_ns = 0

    def jobs(self, own: Supervisor, *, busy: bool, asked_ns: int = 0) -> list[Job]:
        """The trial, while it is due and has not succeeded. `busy`: something is recorded, or sent.

        `asked_ns`: when somebody last asked for a test (CLOCK_MONOTONIC).
        """
        now = self._clock()
        if asked_ns > self._asked_ns:
            self._asked_ns, self._due = asked_ns, min(self._due, asked_ns / NANOSECONDS_PER_SECOND)
        if busy:
            self._due = now + EVERY_S
        done = own.succeeded(self._job.name)
        if done is not None and done >= self._due:
            self._due = now + EVERY_S
        return [self._job] if now >= self._due else []
