"""For how long the disk can record: its free bytes by what lessons of this room take."""

from __future__ import annotations

from lesson.clock import Moment
from lesson.elapsed import elapsed_s
from lesson.state import LessonState

SOURCE_BYTES_PER_S = 700_000.0
"""Of a source until a lesson has shown it: 4 Mbit/s, and about as much again for all that is made of three of them."""
LEARNT_AFTER_S = 60.0
"""The first seconds of a lesson say little: buffers fill, and encoding has not begun."""
_WHOLE_HOURS = 2


class RecordingRate:
    """What a second of a lesson takes, learnt from those that were looked at. Safe for threads: a single value."""

    def __init__(self, sources: int = 1) -> None:
        self.bytes_per_s = SOURCE_BYTES_PER_S * max(1, sources)

    def learn(self, state: LessonState, now: Moment) -> None:
        """Take it from a lesson that is being recorded."""
        if state.start is None or state.stop is not None:
            return
        ran_s = elapsed_s(state, state.start.at, now)
        recorded = sum(source.bytes for source in state.sources.values())
        if ran_s >= LEARNT_AFTER_S and recorded:
            made_bps = sum(one.rate.average_bps for one in state.renditions.values())
            self.bytes_per_s = recorded / ran_s + made_bps / 8

    def hours(self, free: int) -> float:
        """Hours that so many bytes last."""
        return free / self.bytes_per_s / 3600

    def said_s(self, free: int) -> float:
        """Seconds that so many bytes last, for people: whole hours from two on."""
        hours = self.hours(free)
        return 3600.0 * (int(hours) if hours >= _WHOLE_HOURS else hours)
