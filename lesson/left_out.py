"""Which renditions of its ladder an edition does without, and why: the one rule for what is wanted of a lesson."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lesson.model import LessonHeader
from lesson.records import EditionStarted, RungSkipped


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A rendition that an edition does without; `reason` is for people who know the box."""

    name: str
    reason: str

    @property
    def sentence(self) -> str:
        return f"{self.name} is left out: {self.reason}"


def left_out(
    header: LessonHeader, started: EditionStarted | None, skipped: Iterable[RungSkipped]
) -> tuple[LeftOut, ...]:
    """What the edition of these records (`started`: None for edition 0) does without, in the order of the ladder."""
    reasons: dict[str, str] = {}
    if started is not None and started.rungs is not None:
        reasons = {
            rung.name: f"edition {started.number} does without it"
            for rung in header.ladder
            if rung.name not in started.rungs
        }
    reasons |= {one.rendition: one.reason for one in reversed(list(skipped))}  # the first reason counts
    return tuple(LeftOut(name=rung.name, reason=reasons[rung.name]) for rung in header.ladder if rung.name in reasons)
