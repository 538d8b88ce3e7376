"""A second connection to a feed some of whose streams are away: perhaps it only has to be asked again.

The first one goes on meanwhile, so that looking costs the streams that do deliver nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from capture.reader import Reader
from lesson.model import Kind
from process.backoff import Backoff

FIRST_TRY_S, LONGEST_S = 15.0, 600.0
"""Pauses before a camera is asked again; it may have a reason, and each asking costs it something."""
PATIENCE_S = 10.0
"""How long a second connection may take to show what is missing."""


class Spare:
    """Opens second connections (`connect`) while streams are away, and says when one is to take over."""

    def __init__(self, connect: Callable[[], Reader]) -> None:
        self._connect = connect
        self._backoff = Backoff(first_s=FIRST_TRY_S, longest_s=LONGEST_S)
        self._reader: Reader | None = None
        self._due: float | None = None

    def look(self, away: Set[Kind], now: float, *, at_once: bool = False) -> Reader | None:
        """The reader that has what is away, if there is one; the caller owns it from then on. `now`: monotonic, s."""
        if not away:
            self.close()
            self._backoff.reset()
            self._due = None
        elif self._due is None:
            self._due = now + (0.0 if at_once else self._backoff.pause_s())
        elif self._reader is None:
            if now >= self._due:
                self._reader, self._due = self._connect(), now + PATIENCE_S
        elif away <= self._reader.heard.keys():
            found, self._reader, self._due = self._reader, None, None
            return found
        elif now >= self._due:
            self.close()
            self._due = now + self._backoff.pause_s()
        return None

    def close(self) -> None:
        """Look no more for now."""
        if self._reader is not None:
            self._reader.abandon()
            self._reader = None
