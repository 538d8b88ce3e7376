"""One lesson being worked on: locks it, keeps its processes alive, knows when it is done or stuck."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from classroom.jobs import BLIND_AFTER, publish_job, unread_troubles, wanted_jobs
from classroom.settings import Settings
from classroom.start import PRELOAD
from lesson.errors import ClassreelError, storage_errors
from lesson.folder import LessonFolder
from lesson.glance import NOTHING
from lesson.state import LessonState
from lesson.view import LessonView
from process.fork_launcher import best_launcher
from process.job import Job
from process.kept import Trouble
from process.launcher import Child, Launcher
from process.orphans import end, orphans
from process.supervisor import Supervisor

STUCK_AFTER_S = 30.0
"""When the first stage a recorded lesson lacks was given up, and nothing has come of the later ones for so long."""
ORPHAN_GRACE_S = 1.0
"""Processes of a supervisor before us were told to end: a recording one needs some tenths to close its segment."""

JobRule: TypeAlias = Callable[[LessonFolder, LessonState], list[Job]]
"""Which processes a lesson needs now."""
Told: TypeAlias = Callable[[Job, int | None, str], None]
"""Hears of each start (code None) and failure of a process: job, exit code, reason."""


def at_work(folder: LessonFolder) -> bool:
    """Whether a conductor is at work on the lesson right now."""
    with storage_errors(folder.conductor_lock):
        try:
            lock = os.open(folder.conductor_lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


class LessonBusyError(ClassreelError):
    """Another conductor is at work on this lesson."""


class LessonRun:
    """Brings one lesson further, step by step, until it is published or cannot be helped.

    `jobs`: the processes it needs; None: all that make it, and one that publishes it. With `publishes` off the lesson
    is done when it is made: the box publishes all lessons by one process. `launcher` starts its processes; None: one of
    its own. `clock`: seconds, monotonic.

    Raises:
        LessonBusyError: on entering, when another process is at work on the lesson.
    """

    def __init__(
        self,
        folder: LessonFolder,
        settings: Settings,
        *,
        jobs: JobRule | None = None,
        publishes: bool = True,
        launcher: Launcher | None = None,
        clock: Callable[[], float] = time.monotonic,
        told: Told = lambda _job, _code, _reason: None,
    ) -> None:
        self.folder = folder
        self.view = LessonView(folder, needs=())
        self._settings = settings
        self._publishes = publishes
        self._rule = jobs or self._wanted
        self._owns_launcher = launcher is None
        self._launcher = launcher or best_launcher(PRELOAD)
        self._clock = clock
        self._supervisor = Supervisor(folder.log_path("x").parent, self._launcher, clock, told)
        self._crashes = 0
        self._changed = clock()
        self._lock = -1
        self._orphans: list[int] = []
        self._orphans_until = 0.0

    def __enter__(self) -> Self:
        try:
            self._lock_lesson()
            self.view.poll()
            self._orphans = orphans(self.folder.path)
            self._orphans_until = self._clock() + ORPHAN_GRACE_S
        except BaseException:
            self._close_launcher()
            raise
        return self

    def _lock_lesson(self) -> None:
        with storage_errors(self.folder.conductor_lock):
            self._lock = os.open(self.folder.conductor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise LessonBusyError(f"lesson {self.folder.id}: another classreel is at work on it") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the lesson's processes and let go of it."""
        self._supervisor.stop()
        self._close_launcher()
        self._end_orphans()
        os.close(self._lock)

    def _close_launcher(self) -> None:
        if self._owns_launcher:
            self._launcher.close()

    def _wanted(self, folder: LessonFolder, state: LessonState) -> list[Job]:
        jobs = wanted_jobs(folder, state, self._settings, tracking_crashes=self._crashes)
        publishing = self._publishes and state.start is not None and not (state.verified or state.empty)
        return [*jobs, publish_job(self._settings, folder)] if publishing else jobs

    def adopt(self, job: Job, child: Child) -> None:
        """Keep a process that lives already as the one of this job."""
        self._supervisor.adopt(job, child)

    def step(self, *, rests: bool = False) -> bool:
        """Look at the journals, start and stop processes accordingly; whether anything new was committed.

        `rests`: for now it needs none.
        """
        if self._clock() >= self._orphans_until:
            self._end_orphans()
        changed = self.view.poll()
        if changed:
            self._changed = self._clock()
        self._supervisor.reconcile([] if rests else self._rule(self.folder, self.view.state))
        self._crashes = max(self._crashes, self._supervisor.failures("tracking"))
        return changed

    def _end_orphans(self) -> None:
        end(self._orphans)
        self._orphans = []

    @property
    def done(self) -> bool:
        """Whether nothing more is to be done here: published, or over with nothing recorded."""
        made = not self._publishes and self.view.state.encoded
        return made or self.published or self.view.state.empty

    @property
    def published(self) -> bool:
        return self.view.state.verified is not None

    @property
    def stuck(self) -> bool:
        """Whether nothing more will come of this lesson before somebody mends what its troubles name.

        A lesson that is still being recorded is never stuck.
        """
        if self.view.state.stop is None or self._clock() - self._changed < STUCK_AFTER_S:
            return False
        first = next(iter(self._rule(self.folder, self.view.state)), None)
        trouble = self.troubles.get(first.name) if first else None
        return trouble is not None and not trouble.passing

    @property
    def troubles(self) -> dict[str, Trouble]:
        """Job name to what is wrong with it; one whose journal cannot be read need not have failed yet."""
        jobs = self._rule(self.folder, self.view.state) if self.view.unread else []
        return unread_troubles(self.folder, jobs, self.view.unread, self._clock()) | self._supervisor.troubles

    @property
    def problems(self) -> list[str]:
        """One line for everything that was given up or done without."""
        given_up = [f"{name}: {trouble.reason}" for name, trouble in sorted(self.troubles.items())]
        blind = [f"tracking: crashed {self._crashes} times; planned without analysis"]
        empty = [NOTHING] if self.view.state.empty else []
        return empty + given_up + (blind if self._crashes >= BLIND_AFTER else [])

    def pid(self, job: str) -> int | None:
        """Process id of one of the lesson's processes."""
        return self._supervisor.pid(job)
