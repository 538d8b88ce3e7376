"""A line that comes and goes: pauses between tries, and a word to the box when it is down and not just slow."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from lesson.errors import StoreError
from lesson.store_fault import StoreFault
from process.backoff import Backoff
from process.beat import complain, recovered, rest
from publish.blame import Blame, Whose

_log = structlog.get_logger()


class Uplink:
    """The line to one store, whatever goes over it. `sleep` is given by tests.

    Who publishes one lesson alone need not tell its objects apart: `lesson` and `key` may be left out then.
    """

    def __init__(self, *, backoff: Backoff | None = None, sleep: Callable[[float], None] = rest) -> None:
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._blame = Blame()
        self._blames_clock = False

    def failed(self, error: StoreError, lesson: str = "", key: str = "") -> Whose:
        """An object did not go over it. If that is the store's failure, rest, the longer the oftener."""
        reached = error.fault is StoreFault.UNKNOWN  # the others are of connecting and of the clock: no object's own
        whose = self._blame.failed(lesson, key, reached=reached)
        if whose is Whose.STORE:
            seconds = self._backoff.pause_s()
            if self._blame.store_is_down:
                self._complain(error)
            _log.warning("store_failed", error=str(error), tries=self._backoff.failures, pause_s=round(seconds, 1))
            self._sleep(seconds)
        return whose

    def worked(self, lesson: str = "", key: str = "") -> None:
        """An object went over it."""
        self._blame.worked(lesson, key)
        self._backoff.reset()
        recovered()
        self._clock_is_right()

    def _complain(self, error: StoreError) -> None:
        """Say what is wrong with the store; with the clock apart, as that is mended elsewhere."""
        if error.fault is StoreFault.CLOCK:
            recovered()
            complain(str(error), about=StoreFault.CLOCK)
            self._blames_clock = True
        else:
            self._clock_is_right()
            complain(str(error))

    def _clock_is_right(self) -> None:
        if self._blames_clock:
            recovered(about=StoreFault.CLOCK)
            self._blames_clock = False

    def is_stuck(self, lesson: str) -> bool:
        """Whether it is the lesson, and not the line, of which an object does not get through."""
        return self._blame.is_stuck(lesson)

    def forget(self, lesson: str) -> None:
        """Nothing of the lesson waits any more."""
        self._blame.forget(lesson)
