"""Keeps the observing process alive: a decoder may crash or hang on a damaged picture, planning must not.

A segment that costs the observer its life twice is given up: it is journaled as not observable, and the plan shows
the safe wide shot there.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import structlog

from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import SegmentObserved
from lesson.state import LessonState
from lesson.time import seconds_from_ticks
from process.stage import child_environment
from tracking.evidence import Evidence
from tracking.observe_order import Pending, pending_segments

HANGS_AFTER_S = 60.0
"""No segment of 4 s takes this long even on a starved machine; longer ones get twice their length on top."""
LIVES = 2
HOPELESS = 6
"""So many deaths with nothing observed between: it is not the segments, the observer cannot work at all."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Watchman:
    """Starts the observer, ends it when it hangs, starts it again, and gives up the segment that kills it."""

    def __init__(self, folder: LessonFolder, command: list[str] | None = None) -> None:
        self._folder = folder
        self._command = command or [sys.executable, "-P", "-m", "tracking", str(folder.path), "--observe"]
        self._child: subprocess.Popen[bytes] | None = None
        self._log = structlog.get_logger()
        self._pause = _FIRST_PAUSE_S
        self._not_before = 0.0
        self._working_on: Pending | None = None
        self._since = 0.0
        self._deaths = 0
        self._in_vain = 0

    @property
    def hopeless(self) -> bool:
        """Whether the observer cannot work on this machine; the plan should go on without it."""
        return self._in_vain >= HOPELESS

    def watch(self, state: LessonState, evidence: Evidence) -> None:
        """Look after the observer once; call it several times a second."""
        now = time.monotonic()
        waiting = pending_segments(state, evidence)
        first = waiting[0] if waiting else None
        if first != self._working_on:
            self._working_on, self._since, self._deaths, self._pause = first, now, 0, _FIRST_PAUSE_S
            self._in_vain = 0 if self._child is not None else self._in_vain
        if self._child is None:
            if first is not None and now >= self._not_before and not self.hopeless:
                self._start()
                self._since = now
            return
        code = self._child.poll()
        if code is None and first is not None and now - self._since > self._limit(first):
            self._log.warning("observer hangs", path=first.segment.path)
            self._child.kill()
            code = self._child.wait()
        if code is not None:
            self._ended(code, first, now)

    def _limit(self, pending: Pending) -> float:
        return HANGS_AFTER_S + 2 * seconds_from_ticks(pending.duration)

    def _start(self) -> None:
        self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=child_environment())

    def _ended(self, code: int, first: Pending | None, now: float) -> None:
        self._child = None
        if code == 0 or first is None:
            return
        self._deaths += 1
        self._in_vain += 1
        self._log.warning("observer ended", code=code, path=first.segment.path, times=self._deaths)
        self._not_before = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
        if self._deaths >= LIVES:
            self._give_up(first, code)

    def _give_up(self, pending: Pending, code: int) -> None:
        segment = pending.segment
        record = SegmentObserved(
            source=pending.source,
            epoch=segment.epoch,
            seq=segment.seq,
            detector="none",
            observations=(),
            problem=f"the analysis ended with status {code} on this segment",
        )
        append_records(self._folder.observe_journal(pending.source), [record])

    def stop(self) -> None:
        """End the observer and wait for it."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None
