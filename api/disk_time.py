"""For how long the disk can record: its free bytes by what lessons of this room take."""

from __future__ import annotations

import threading
from collections import deque

from lesson.clock import Moment
from lesson.elapsed import elapsed_s
from lesson.state import LessonState

SOURCE_BYTES_PER_S = 700_000.0
"""Of a source until a lesson has shown it: 4 Mbit/s, and about as much again for all that is made of three of them."""
LEARNT_AFTER_S = 60.0
"""The first seconds of a lesson say little: buffers fill, and encoding has not begun."""
_WHOLE_HOURS = 2
_LOOK_S = 30.0
_LOOKS = 11
"""What is written now is what the last five minutes took: a source that rests or came back takes another rate."""


class RecordingRate:
    """What a second of a lesson takes, learnt from what those that were looked at wrote lately. Safe for threads."""

    def __init__(self, sources: int = 1) -> None:
        self.bytes_per_s = SOURCE_BYTES_PER_S * max(1, sources)
        self._lesson = ""
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
        self._lock = threading.Lock()

    def learn(self, state: LessonState, now: Moment) -> None:
        """Take it from a lesson that is being recorded."""
        if state.start is None or state.stop is not None:
            return
        ran_s = elapsed_s(state, state.start.at, now)
        recorded = sum(source.bytes for source in state.sources.values())
        if ran_s < LEARNT_AFTER_S or not recorded:
            return
        made_bps = sum(one.rate.average_bps for one in state.renditions.values())
        with self._lock:
            since_s, before = self._before(state.header.id, ran_s, recorded)
            if recorded > before and ran_s > since_s:  # else nothing arrives: what a lesson takes is no less for that
                self.bytes_per_s = (recorded - before) / (ran_s - since_s) + made_bps / 8

    def _before(self, lesson_id: str, ran_s: float, recorded: int) -> tuple[float, int]:
        """The oldest look that counts: how long the lesson had run, and what was recorded by then."""
        if self._lesson != lesson_id or ran_s < self._looks[-1][0]:
            self._lesson = lesson_id
            self._looks.clear()
            self._looks.append((0.0, 0))
        before = self._looks[0]
        if ran_s >= self._looks[-1][0] + _LOOK_S:
            self._looks.append((ran_s, recorded))
        return before

    def hours(self, free: int) -> float:
        """Hours that so many bytes last."""
        return free / self.bytes_per_s / 3600

    def said_s(self, free: int) -> float:
        """Seconds that so many bytes last, for people: whole hours from two on."""
        hours = self.hours(free)
        return 3600.0 * (int(hours) if hours >= _WHOLE_HOURS else hours)
