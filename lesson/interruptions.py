"""Sentences about a recording that began late, was interrupted for nobody knows how long, or broke off. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lesson.elapsed import boots_after_unknown_time, unrecorded_end_s
from lesson.model import Kind
from lesson.sentence import Sentence
from lesson.state import LessonState
from lesson.time import Ticks, said_s
from lesson.translatable import gettext_noop

LATE_START_S = 5.0
"""Between the press and the first sample that is in the lesson; waking cameras, and a busy box, take less."""
STOOD_BY_LATE_S = 0.5
"""As much where feeds stood by, which hold what is said at the press: as much as a hole inside a lesson that is named.
Lessons begin within 0.03 s of the press, at worst 0.2 s."""
BROKEN_OFF_S = 5.0
"""Between the last sample and Stop; cameras that send a picture in seconds, and a busy box, take less."""


def interruption_problems(state: LessonState) -> list[Sentence]:
    """What is missing of a lesson and is no gap in it, as far as that is known by now."""
    if state.header.imported:
        return []
    return [*_began_late(state), *_powerless(state), *_broken_off(state)]


def _began_late(state: LessonState) -> Iterator[Sentence]:
    """A recording that began long after it was asked for: the lesson begins with it, so that this is no gap."""
    if state.start is None or state.origin is None:
        return
    late_ns = state.origin.at.ns_since(state.start.at)
    if late_ns is None:
        yield Sentence(gettext_noop("the box had been off between the start of the lesson and that of its recording"))
    elif late_ns > (STOOD_BY_LATE_S if state.start.stood_by else LATE_START_S) * 1e9:
        late_s = late_ns / 1e9
        late = f"{late_s:.{int(late_s < 1.5)}f}"
        yield Sentence(gettext_noop("recording began %(late)s s after the lesson was started"), late=late)


def _powerless(state: LessonState) -> Iterator[Sentence]:
    """Power cuts that are no gap, as nobody knows their length."""
    window = state.window
    for boot in boots_after_unknown_time(state):
        places = [
            maps[0].span.start
            for source in state.sources.values()
            for epoch in source.epochs
            if epoch.start is None and epoch.at.boot == boot and (maps := source.maps.get(epoch.epoch))
        ]
        if places and window.start < min(places) < window.end:
            at = said_s(min(places), window.start)
            off = gettext_noop("at %(at)s s the box had been off, nobody knows for how long: its clock was wrong")
            yield Sentence(off, at=at)


def _broken_off(state: LessonState) -> Iterator[Sentence]:
    """A recording that ended before its lesson did: nothing came back to be a gap."""
    if not state.captured or state.empty:
        return
    lacking_s, reach = unrecorded_end_s(state), said_s(_reach(state), state.window.start)
    if lacking_s is None:
        broke_off = gettext_noop(
            "recording broke off at %(reach)s s, nobody knows how long before the end: the box's clock was wrong"
        )
        yield Sentence(broke_off, reach=reach)
    elif lacking_s > BROKEN_OFF_S:
        broke_off = gettext_noop(
            "recording broke off at %(reach)s s: the %(lacking)s s until the lesson was over are missing"
        )
        yield Sentence(broke_off, reach=reach, lacking=f"{lacking_s:.0f}")


def _reach(state: LessonState) -> Ticks:
    ends = (source.reach(kind) for source in state.sources.values() for kind in Kind)
    return max((end for end in ends if end is not None), default=0)
