"""When a recording ends, and what to do with one that a crash interrupted: pure rules.

A lesson ends by Stop, at the end of its window (`for_s`) or at `max_lesson`, never while it records and for no other
reason. What counts is the time the lesson has run (`lesson/elapsed.py`). Across a power cut the wall clock may be
wrong on either side:

| wall clock before the cut, after it | a lesson without end | a lesson with a window |
|---|---|---|
| right, right; off for 30 min at most | goes on | goes on while its window, time off included, is open |
| right, right; off for longer | ends: the class is over | the same |
| one of them before 2025, or the second one earlier: dead battery, set back | goes on: nobody knows how long the \
box was off, and recording too much costs less than recording nothing | goes on for what its window lacks of recorded \
time |
| steps while it records, by whatever it may be | goes on | the same: the monotonic clock decides |
"""

from __future__ import annotations

from lesson.clock import Moment
from lesson.elapsed import elapsed_s, off_s
from lesson.records import EpochStarted
from lesson.state import LessonState

START_GRACE_S = 10.0
"""Sources that have not delivered by then are not waited for: the lesson's time runs."""
LONGEST_OFF_S = 30 * 60.0
"""A lesson without an end does not go on when the box was off for longer: a class does not wait so long."""


def live_since(state: LessonState) -> Moment | None:
    """When the required sources (or, if none is, all) had started delivering; None while one is missing."""
    specs = [source.spec for source in state.sources.values() if source.spec.required]
    wanted = [spec.id for spec in specs] or list(state.sources)
    firsts: list[EpochStarted] = [e for s in wanted for e in state.sources[s].epochs[:1]]
    if state.start is None or not firsts or len(firsts) < len(wanted):
        return None
    start = state.start.at
    return max((epoch.at for epoch in firsts), key=lambda at: elapsed_s(state, start, at))


def recorded_s(state: LessonState, now: Moment) -> float:
    """Seconds of lesson time that have run since the sources deliver (or were given up waiting for)."""
    if state.start is None:
        return 0.0
    since = live_since(state)
    if since:
        return elapsed_s(state, since, now)
    return max(0.0, elapsed_s(state, state.start.at, now) - START_GRACE_S)


def stop_reason(state: LessonState, now: Moment, *, max_lesson_s: float) -> str | None:
    """Why the running lesson must stop now, or None."""
    if state.start is None or state.stop is not None:
        return None
    if state.start.for_s is None and (off_s(state, now) or 0.0) > LONGEST_OFF_S:
        return "the box was off too long"
    recorded = recorded_s(state, now)
    if state.start.for_s is not None and recorded >= state.start.for_s:
        return "its time is over"
    return "longest lesson reached" if recorded >= max_lesson_s else None
