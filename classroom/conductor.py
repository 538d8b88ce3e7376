"""The unattended box: follows every lesson of a root and keeps the processes each one needs alive."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from classroom.jobs import web_job
from classroom.keeper import Keeper
from classroom.lesson_run import LessonBusyError, LessonRun
from classroom.recording import stop_reason
from classroom.settings import Settings
from lesson.clock import Moment
from lesson.errors import ClassreelError
from lesson.folder import LessonFolder, lessons_in
from lesson.lifecycle import stop_lesson
from lesson.state import Phase, load_state

POLL_S = 0.25
LOOK_S = 1.0
RETRY_STUCK_S = 15 * 60.0
"""A lesson that could not be finished is tried again after this long: every state has a way out."""


class Conductor:
    """`serve`: the API, the running lesson, and one unfinished older lesson at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = Keeper(settings.root / "log")
        self._runs: dict[str, LessonRun] = {}
        self._published: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._log = structlog.get_logger()

    def serve(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until `until` says so or a signal ends the process; children are ended gently."""
        next_look = 0.0
        try:
            while not until():
                self._api.reconcile([web_job(self._settings)])
                if time.monotonic() >= next_look:
                    self._take_up()
                    next_look = time.monotonic() + LOOK_S
                for lesson_id in list(self._runs):
                    self._advance_safely(lesson_id)
                time.sleep(POLL_S)
        finally:
            for run in self._runs.values():
                run.__exit__(None, None, None)
            self._api.stop()

    def _take_up(self) -> None:
        """Open a run for the recording lesson, and for the oldest unfinished one if none is being finished."""
        finishing = any(run.view.state.phase is not Phase.RECORDING for run in self._runs.values())
        for folder in lessons_in(self._settings.root):
            if folder.id in self._published or folder.id in self._runs:
                continue
            phase = self._phase(folder)
            if phase is Phase.PUBLISHED:
                self._published.add(folder.id)
            elif phase is Phase.RECORDING or (phase is Phase.PROCESSING and not finishing):
                finishing |= self._open(folder) and phase is Phase.PROCESSING

    def _phase(self, folder: LessonFolder) -> Phase | None:
        if time.monotonic() < self._retry_at.get(folder.id, 0.0):
            return None
        try:
            return load_state(folder).phase
        except ClassreelError as error:
            self._log.warning("lesson cannot be read", lesson=folder.id, error=str(error))
            self._retry_at[folder.id] = time.monotonic() + RETRY_STUCK_S
            return None

    def _open(self, folder: LessonFolder) -> bool:
        try:
            self._runs[folder.id] = LessonRun(folder, self._settings).__enter__()
        except LessonBusyError:
            return False
        except ClassreelError as error:
            self._log.warning("lesson cannot be worked on", lesson=folder.id, error=str(error))
            self._retry_at[folder.id] = time.monotonic() + RETRY_STUCK_S
            return False
        return True

    def _advance_safely(self, lesson_id: str) -> None:
        """One lesson's trouble (a full disk, say) must end neither the others nor its own recording."""
        try:
            self._advance(lesson_id)
        except ClassreelError as error:
            self._log.warning("lesson cannot be brought further", lesson=lesson_id, error=str(error))

    def _advance(self, lesson_id: str) -> None:
        run = self._runs[lesson_id]
        run.step()
        reason = stop_reason(run.view.state, Moment.now(), max_lesson_s=self._settings.max_lesson)
        if reason:
            stop_lesson(self._settings.root, run.folder, reason=reason)
        if run.done:
            self._published.add(lesson_id)
            self._log.info("lesson published", lesson=lesson_id)
        elif run.stuck:
            self._retry_at[lesson_id] = time.monotonic() + RETRY_STUCK_S
            self._log.warning("lesson is stuck", lesson=lesson_id, problems=run.problems)
        else:
            return
        run.__exit__(None, None, None)
        del self._runs[lesson_id]
