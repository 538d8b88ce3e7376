"""One lesson being worked on: locks it, keeps its processes alive, knows when it is done or stuck."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from classroom.jobs import BLIND_AFTER, Job, wanted_jobs
from classroom.keeper import Keeper
from classroom.settings import Settings
from lesson.errors import ClassreelError, storage_errors
from lesson.folder import LessonFolder
from lesson.state import LessonState, LessonView


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


JobRule: TypeAlias = Callable[[LessonFolder, LessonState], list[Job]]
"""Which processes a lesson needs now."""


class LessonBusyError(ClassreelError):
    """Another conductor is at work on this lesson."""


class LessonRun:
    """Brings one lesson further, step by step, until it is published or cannot be helped.

    Raises:
        LessonBusyError: on entering, when another process is at work on the lesson.
    """

    def __init__(self, folder: LessonFolder, settings: Settings, *, jobs: JobRule | None = None) -> None:
        self.folder = folder
        self.view = LessonView(folder)
        self._jobs = jobs or (
            lambda folder, state: wanted_jobs(folder, state, settings, tracking_crashes=self._crashes)
        )
        self._keeper = Keeper(folder.log_path("x").parent)
        self._crashes = 0
        self._lock = -1

    def __enter__(self) -> Self:
        with storage_errors(self.folder.conductor_lock):
            self._lock = os.open(self.folder.conductor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise LessonBusyError(f"lesson {self.folder.id}: another classreel is at work on it") from error
        self.view.poll()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.stop()
        os.close(self._lock)

    def step(self) -> bool:
        """Look at the journals, start and stop processes accordingly; whether anything new was committed."""
        changed = self.view.poll()
        self._keeper.reconcile(self._jobs(self.folder, self.view.state))
        self._crashes = max(self._crashes, self._keeper.failures("tracking"))
        return changed

    @property
    def done(self) -> bool:
        return self.view.state.verified is not None

    @property
    def stuck(self) -> bool:
        """Whether a process this lesson cannot do without was given up; while it records, a feed it can do without."""
        recording = self.view.state.stop is None
        return any(not (recording and name.startswith("capture-")) for name in self._keeper.given_up)

    @property
    def problems(self) -> list[str]:
        """One line for everything that was given up or done without."""
        given_up = [f"{name}: {reason}" for name, reason in sorted(self._keeper.given_up.items())]
        blind = [f"tracking: crashed {self._crashes} times; planned without analysis"]
        return given_up + (blind if self._crashes >= BLIND_AFTER else [])

    def pid(self, job: str) -> int | None:
        """Process id of one of the lesson's processes."""
        return self._keeper.pid(job)
