"""A line that comes and goes: pauses between tries, and a word to the box when it is down and not just slow."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from lesson.errors import StoreError
from process.backoff import Backoff
from process.beat import complain, recovered

_log = structlog.get_logger()
COMPLAIN_AFTER = 3
"""Failures in a row, some 3 s, after which a line is down and not just slow."""


class Line:
    """The line to one store, whatever goes over it. `sleep` is given by tests."""

    def __init__(self, *, backoff: Backoff | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    @property
    def is_down(self) -> bool:
        """Whether nothing has gone over it at several tries."""
        return self._backoff.failures >= COMPLAIN_AFTER

    def failed(self, error: StoreError) -> None:
        """Something did not go over it: rest, the longer the oftener."""
        seconds = self._backoff.pause_s()
        if self.is_down:
            complain(str(error))
        _log.warning("store_failed", error=str(error), tries=self._backoff.failures, pause_s=round(seconds, 1))
        self._sleep(seconds)

    def worked(self) -> None:
        """Something went over it."""
        self._backoff.reset()
        recovered()
