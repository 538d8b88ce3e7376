"""Keeps the observing process alive: a decoder may crash or hang on a damaged picture, planning must not.

A segment that costs the observer its life twice is given up: it is journaled as not observable, and the plan shows
the safe wide shot there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import structlog

from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import SegmentObserved
from lesson.state import LessonState
from lesson.time import seconds_from_ticks
from process.beat import complain, recovered
from process.job import Job
from process.supervisor import Supervisor
from tracking.evidence import GIVEN_UP, Evidence
from tracking.observe_order import Pending, first_pending

HANGS_AFTER_S = 60.0
"""No segment of 4 s takes this long even on a starved machine; longer ones get twice their length on top."""
STILL_S = 7.0
"""Without a sign of life and without work (`process.activity`) for so long the planner says that its observer hangs."""
LIVES = 2
"""The second crash at the same segment is no accident."""
HOPELESS = 6
"""So many deaths with nothing observed between: it is not the segments, the observer cannot work at all."""


def observer_job(folder: LessonFolder) -> Job:
    """The observing process of a lesson."""
    return Job(
        stage="observe", module="tracking", arguments=(str(folder.path), "--observe"), vital=True, still_s=STILL_S
    )


class Watchman:
    """Starts the observer, ends it when it hangs, starts it again, and gives up the segment that kills it."""

    def __init__(self, folder: LessonFolder, job: Job | None = None) -> None:
        self._folder = folder
        self._job = job or observer_job(folder)
        self._supervisor = Supervisor(_logs(folder), told=self._told)
        self._log = structlog.get_logger()
        self._working_on: Pending | None = None
        self._deaths = 0
        self._in_vain = 0
        self._said: str | None = None

    @property
    def hopeless(self) -> bool:
        """Whether the observer cannot work on this machine; the plan should go on without it."""
        return self._in_vain >= HOPELESS

    def watch(self, state: LessonState, evidence: Evidence) -> None:
        """Look after the observer once; call it several times a second."""
        first = first_pending(state, evidence)
        if first != self._working_on:
            self._working_on, self._deaths = first, 0
            if self._supervisor.pid(self._job.name):
                self._in_vain = 0
                self._supervisor.forgive(self._job.name)
        if self.hopeless:
            self._supervisor.reconcile([])
        elif first is not None:
            self._supervisor.reconcile([replace(self._job, silence_s=_limit_s(first))])
        elif self._supervisor.pid(self._job.name):  # nothing to observe now: it waits for more, or is done
            self._supervisor.reconcile([replace(self._job, silence_s=None)])
        self._pass_on()

    def _pass_on(self) -> None:
        """What is wrong with an observer that lives is told to whoever watches this process."""
        trouble = self._supervisor.troubles.get(self._job.name)
        reason = f"the observer {trouble.reason}" if trouble and trouble.passing else None
        if reason == self._said:
            return
        self._said = reason
        if reason:
            complain(reason)
        else:
            recovered()

    def _told(self, _job: Job, code: int | None, reason: str) -> None:
        first = self._working_on
        if code is None or first is None:
            return
        self._deaths += 1
        self._in_vain += 1
        self._log.warning("observer_ended", code=code, path=first.segment.path, times=self._deaths, error=reason)
        if self._deaths >= LIVES:
            self._give_up(first, code)

    def _give_up(self, pending: Pending, code: int) -> None:
        segment = pending.segment
        record = SegmentObserved(
            source=pending.source,
            epoch=segment.epoch,
            seq=segment.seq,
            detector=GIVEN_UP,
            observations=(),
            problem=f"the analysis ended with status {code} on this segment",
        )
        append_records(self._folder.observe_journal(pending.source), [record])

    def stop(self) -> None:
        """End the observer and wait for it."""
        self._supervisor.stop()


def _limit_s(pending: Pending) -> float:
    return HANGS_AFTER_S + 2 * seconds_from_ticks(pending.duration)


def _logs(folder: LessonFolder) -> Path:
    return folder.log_path("observe").parent
