"""One line about a lesson, for the lists of the command line and the pages: from its fold, or without folding it."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.glance import NOTHING, LessonEntry
from lesson.hls import published_url
from lesson.left_out import LeftOut
from lesson.phase import Phase
from lesson.state import LessonState
from lesson.summary import rounded_s

DAMAGED = "damaged"
"""The `state` of a lesson that cannot be read: it is listed, never hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSummary:
    """One line about a lesson. Times are ISO 8601 UTC; `state` is a `lesson.state.Phase`, or `damaged`.

    `gap_count`: None where it is not known without folding the lesson. `left_out`: renditions that it does without.
    `problem`: why it is damaged or empty. `raw_reclaimed`: when (ISO 8601) its raw segments went to make room on the
    disk; those of a `pinned` lesson never do.
    """

    lesson_id: str
    title: str
    state: str
    room: str = ""
    timezone: str = "UTC"
    started: str | None = None
    stopped: str | None = None
    duration_s: float = 0.0
    gap_count: int | None = None
    playable: bool = False
    verified: bool = False
    published_url: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    problem: str | None = None
    pinned: bool = False
    raw_reclaimed: str | None = None


def lesson_summary(state: LessonState) -> LessonSummary:
    """The line of a lesson that is folded: of the edition that is played, while another one is being made."""
    shown = state.seen_as(state.shown)
    return LessonSummary(
        lesson_id=state.header.id,
        title=state.header.title,
        state=state.phase.value,
        room=state.header.room,
        timezone=state.header.timezone,
        started=state.start.at.wall if state.start else state.header.created_wall,
        stopped=state.stop.at.wall if state.stop else None,
        duration_s=rounded_s(shown.duration),
        gap_count=len(shown.gaps()),
        playable=any(rendition.leading for rendition in shown.renditions.values()),
        verified=state.verified is not None,
        published_url=published_url(state),
        left_out=state.edition.left_out,
        problem=NOTHING if state.empty else None,
        pinned=state.pinned,
        raw_reclaimed=state.raw_reclaimed.at.wall if state.raw_reclaimed else None,
    )


def listed_lesson(entry: LessonEntry) -> LessonSummary:
    """The line of a lesson in the catalogue; a damaged one is called by its id where its title cannot be read."""
    header, name = entry.header, entry.folder.id
    if header is None:
        return LessonSummary(lesson_id=name, title=name, state=DAMAGED, problem=entry.problem)
    return LessonSummary(
        lesson_id=name,
        title=header.title,
        state=entry.phase.value if entry.phase else DAMAGED,
        room=header.room,
        timezone=header.timezone,
        started=entry.start.at.wall if entry.start else header.created_wall,
        stopped=entry.stop.at.wall if entry.stop else None,
        duration_s=entry.duration_s,
        gap_count=entry.gap_count,
        playable=entry.playable,
        verified=entry.phase is Phase.PUBLISHED,
        published_url=entry.published_url,
        left_out=entry.left_out,
        problem=entry.problem,
        pinned=entry.pinned,
        raw_reclaimed=entry.raw_reclaimed,
    )
