"""Which object goes next over the line to a store: a pure rule over all lessons that have something to send.

What is being made now goes first, as somebody watches it. All others take turns of `TURN_BYTES`, oldest lesson first:
each soon has what can be played, and none waits for another to be complete. Within a lesson `publish.plan` says what
is most useful.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from publish.plan import Put, PutPlaylist, Step

TURN_BYTES = 16_000_000
"""About voice and lowest rung of 45 minutes (7.7 and 8 MB)."""


class LineWindow(Enum):
    """What may go over the line at this time of day."""

    ALL = "all"
    FRESH = "fresh"  # only what is being made now


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLesson:
    """A lesson with something to send: `next`, the most useful object of it.

    `fresh`: it is still being made. `sent`: bytes it has had of the line, as `Turns` counts them.
    """

    lesson: str
    next: Step
    fresh: bool
    sent: int = 0


def bytes_of(step: Step) -> int:
    """What a step takes of the line. Comparing the whole lesson at its end is counted as nothing."""
    match step:
        case Put(object=item) | PutPlaylist(object=item):
            return item.bytes
    return 0


def schedule(lessons: Iterable[WaitingLesson], window: LineWindow, cap: int | None) -> tuple[str, Step] | None:
    """The lesson whose turn it is, and its object; None while nothing may be sent.

    `cap`: bytes that may still be sent now, None = any number. An object may overdraw it, so that a large one does not
    wait for ever; the caller lets what is overdrawn pass before it asks again.
    """
    if cap is not None and cap <= 0:
        return None
    allowed = [one for one in lessons if one.fresh or window is LineWindow.ALL]
    if not allowed:
        return None
    first = min(allowed, key=lambda one: (not one.fresh, one.sent // TURN_BYTES, one.lesson))
    return first.lesson, first.next


class Turns:
    """How much of the line each lesson has had, fresh ones and the others apart.

    Who comes, comes back, or is fresh no more, begins level with the one that has had least: nobody is owed the time
    in which there was nothing to send, and nobody pays for having been fresh.
    """

    def __init__(self) -> None:
        self._had: dict[str, tuple[bool, int]] = {}

    def waiting(self, steps: Mapping[str, tuple[Step, bool]]) -> list[WaitingLesson]:
        """The lessons that wait now, given the next step of each and whether it is fresh."""
        level: dict[bool, int] = {}
        for lesson, (_, fresh) in steps.items():
            was_fresh, sent = self._had.get(lesson, (not fresh, 0))
            if was_fresh == fresh:
                level[fresh] = min(sent, level.get(fresh, sent))
        had: dict[str, tuple[bool, int]] = {}
        for lesson, (_, fresh) in steps.items():
            was_fresh, sent = self._had.get(lesson, (not fresh, 0))
            had[lesson] = (fresh, sent if was_fresh == fresh else level.get(fresh, 0))
        self._had = had
        return [
            WaitingLesson(lesson=lesson, next=step, fresh=fresh, sent=had[lesson][1])
            for lesson, (step, fresh) in steps.items()
        ]

    def add(self, lesson: str, sent: int) -> None:
        """So many bytes of a lesson that was waiting have been sent."""
        fresh, before = self._had[lesson]
        self._had[lesson] = (fresh, before + sent)
