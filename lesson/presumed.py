"""Start and Stop of a lesson whose control journal lost them: what the raw journals prove.

Only Start begins to record, so a lesson that has a raw journal was started. A live source that is whole ends for good
only once it has read Stop, so a lesson all of whose sources finished was stopped if its control journal is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lesson.clock import Moment
from lesson.model import LessonHeader
from lesson.records import Start, Stop

START_LOST = "its Start is lost, and taken from what was recorded"
STOP_LOST = "its Stop is lost, and taken from the end of what was recorded"


@dataclass(frozen=True, slots=True)
class Signs:
    """What the raw journals say of when a lesson began and ended.

    `begun`: there is one. `firsts`: the first epoch of each source that has any. `ends`: when each source finished,
    None for one that did not.
    """

    begun: bool
    firsts: Sequence[Moment]
    ends: Sequence[Moment | None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Start and Stop of a lesson. `lost`: what its control journal lost, one line each; the raw journals gave it."""

    start: Start | None
    stop: Stop | None
    lost: tuple[str, ...] = ()


def presumed(header: LessonHeader, start: Start | None, stop: Stop | None, signs: Signs, *, hurt: bool) -> Bounds:
    """`start` and `stop`, as the control journal gives them, and what it lost. `hurt`: it is not whole.

    A Start of which nothing else tells is when the lesson was created, in a boot without a name.
    """
    lost: tuple[str, ...] = ()
    if start is None and signs.begun:
        start = Start(at=min(signs.firsts, key=_wall, default=Moment("", 0, header.created_wall)))
        lost, hurt = (START_LOST,), True
    ends = [end for end in signs.ends if end is not None]
    if start and stop is None and hurt and ends and len(ends) == len(signs.ends):
        stop = Stop(at=max(ends, key=_wall), reason="lost")
        lost = (*lost, STOP_LOST)
    return Bounds(start, stop, lost)


def _wall(moment: Moment) -> str:
    return moment.wall
