"""When the lesson begins: the rule for lesson tick 0."""

from __future__ import annotations

from datetime import timedelta

from lesson.clock import Moment
from lesson.model import Kind
from lesson.records import Origin
from lesson.roles import picture_order, voice_order
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks, ticks_from_ns
from tracking.clocks import LessonClock

SLOWEST_S = 5.0
"""How long the lesson waits for a source that does not deliver, in real time and on the lesson clock."""
SLOWEST_SEGMENT_S = 15.0
"""How long a source that delivers may take to close its first segment: a screen may send a key frame in 10 s."""


def choose_origin(state: LessonState, clock: LessonClock, now: Moment) -> Origin | None:
    """The origin, once it is known; None while there is something to wait for (or nothing was recorded).

    Imported files say where they lie. Where any source stood by, tick 0 is the press. Else it is the instant from which
    the primary picture and the master voice both deliver, if that is within 5 s of the first sample of all; else it is
    that sample, and nothing is cut.
    """
    if not any(source.segments for source in state.sources.values()):
        return None
    if not state.captured and any(_may_still_matter(state, source, now) for source in state.sources.values()):
        return None
    if not state.captured and any(clock.settling(source) for source in state.sources.values()):
        return None
    delivering = [source for source in state.sources.values() if source.segments]
    if all(source.epochs[0].start is not None for source in delivering):
        moment = state.start.at if state.start else delivering[0].epochs[0].at
        heard = [i for i in voice_order(state) if state.sources[i].segments]
        return Origin(at=moment, master=heard[0] if heard else None)
    return _live_origin(state, clock)


def _may_still_matter(state: LessonState, source: SourceState, now: Moment) -> bool:
    if source.finished or source.segments:
        return False
    if source.spec.imported:
        return True
    if source.epochs:
        lost = source.loss_of(source.last_epoch) is not None
        return not lost and _within(now, source.epochs[0].at, SLOWEST_SEGMENT_S)
    first = min((e.at for s in state.sources.values() for e in s.epochs), key=lambda at: at.monotonic_ns)
    return _within(now, first, SLOWEST_S)


def _within(now: Moment, since: Moment, seconds: float) -> bool:
    passed = now.ns_since(since)
    return passed is not None and passed < seconds * NANOSECONDS_PER_SECOND


def _live_origin(state: LessonState, clock: LessonClock) -> Origin | None:
    first = clock.first_boot()
    if first is None:
        return None
    voices = _delivering(clock, voice_order(state), Kind.AUDIO, first.boot)
    pictures = _delivering(clock, picture_order(state), Kind.VIDEO, first.boot)
    earliest = min(at for _, at in (*pictures, *voices))
    together = max(at for _, at in (*pictures[:1], *voices[:1]))
    pressed = _pressed(state, first)
    if pressed is not None and earliest < pressed:
        return Origin(at=_moment(pressed, first), master=voices[0][0] if voices else None)
    begin = together if together - earliest <= SLOWEST_S * TICKS_PER_SECOND else earliest
    return Origin(at=_moment(begin, first), master=voices[0][0] if voices else None)


def _pressed(state: LessonState, first: Moment) -> Ticks | None:
    """Monotonic time of the lesson's Start, if that was in the boot in which the `first` sample came."""
    at = state.start.at if state.start else None
    return ticks_from_ns(at.monotonic_ns) if at is not None and at.boot == first.boot else None


def _delivering(clock: LessonClock, ids: list[str], kind: Kind, boot: str) -> list[tuple[str, Ticks]]:
    """Those of the sources that delivered in this boot, in the same order, with the monotonic time they began."""
    return [(i, at) for i in ids if (at := clock.first_delivery(i, kind, boot)) is not None]


def _moment(monotonic: Ticks, near: Moment) -> Moment:
    """The moment of a monotonic time (ticks), its wall clock read off a moment near by."""
    nanoseconds = monotonic * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND
    wall = near.wall_time + timedelta(seconds=(nanoseconds - near.monotonic_ns) / NANOSECONDS_PER_SECOND)
    return Moment(near.boot, nanoseconds, wall.isoformat(timespec="milliseconds"))
