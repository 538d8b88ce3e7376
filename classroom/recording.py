"""When a recording ends, and what to do with one that a crash interrupted: pure rules."""

from __future__ import annotations

from lesson.clock import Moment
from lesson.records import EpochStarted
from lesson.state import LessonState

START_GRACE_S = 10.0
"""Sources that have not delivered by then are not waited for: the lesson's time runs."""
IDLE_END_S = 30 * 60.0
"""A lesson without an end that has recorded nothing for so long (the box was off) is over."""


def live_since(state: LessonState) -> Moment | None:
    """When the required sources (or, if none is, all) had started delivering; None while one is missing."""
    specs = [source.spec for source in state.sources.values() if source.spec.required]
    wanted = [spec.id for spec in specs] or list(state.sources)
    firsts: list[EpochStarted] = [e for s in wanted for e in state.sources[s].epochs[:1]]
    if not firsts or len(firsts) < len(wanted):
        return None
    return max((epoch.at for epoch in firsts), key=lambda at: at.monotonic_ns)


def recorded_s(state: LessonState, now: Moment) -> float:
    """Seconds of lesson time that have run since the sources deliver (or were given up waiting for)."""
    if state.start is None:
        return 0.0
    since = live_since(state)
    if since:
        return now.seconds_since(since)
    return max(0.0, now.seconds_since(state.start.at) - START_GRACE_S)


def stop_reason(state: LessonState, now: Moment, *, max_lesson_s: float) -> str | None:
    """Why the running lesson must stop now, or None."""
    if state.start is None or state.stop is not None:
        return None
    recorded = recorded_s(state, now)
    if state.start.for_s is not None and recorded >= state.start.for_s:
        return "its time is over"
    if recorded >= max_lesson_s:
        return "longest lesson reached"
    if state.start.for_s is None and now.seconds_since(_last_sign(state)) > IDLE_END_S:
        return "the box was off too long"
    return None


def _last_sign(state: LessonState) -> Moment:
    """The latest moment known from the lesson's own journals."""
    assert state.start is not None  # noqa: S101 asked only of started lessons
    moments = [state.start.at]
    moments += [epoch.at for source in state.sources.values() for epoch in source.epochs]
    moments += [loss.at for source in state.sources.values() for loss in source.losses]
    return max(moments, key=lambda moment: moment.wall)
