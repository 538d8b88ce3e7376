"""What the teacher's page shows of each feed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api.health import Feed, RoomHealth, SourceHealth
from api.schema import thumbnail_path
from api.thumbnails import newest_picture, picture_tag
from lesson.model import Kind, Role, SourceSpec
from lesson.source_state import SourceState
from lesson.state import LessonState

_TONE = {
    Feed.STANDBY: "calm",
    Feed.WAITING: "calm",
    Feed.RECORDING: "good",
    Feed.FINISHED: "calm",
    Feed.LATE: "bad",
    Feed.LOST: "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCard:
    """One feed: `picture` is the address of its newest picture, None while there is none."""

    id: str
    role: str
    state: str
    tone: str
    required: bool
    has_picture: bool
    picture: str | None
    reason: str | None


def idle_cards(sources: Iterable[SourceSpec]) -> list[FeedCard]:
    """The feeds of a room in which nothing is recorded."""
    return [
        FeedCard(
            id=spec.id,
            role=spec.role.value,
            state=Feed.STANDBY.value,
            tone=_TONE[Feed.STANDBY],
            required=spec.required,
            has_picture=spec.role is not Role.MIC,
            picture=None,
            reason=None,
        )
        for spec in sources
    ]


def live_cards(state: LessonState, health: RoomHealth) -> list[FeedCard]:
    """The feeds of the running lesson, each with its newest picture."""
    return [_card(state.header.id, state.sources[one.id], one) for one in health.sources]


def _card(lesson_id: str, source: SourceState, health: SourceHealth) -> FeedCard:
    segment = newest_picture(source)
    address = f"{thumbnail_path(lesson_id, health.id)}?v={picture_tag(segment)}" if segment else None
    return FeedCard(
        id=health.id,
        role=health.role,
        state=health.state.value,
        tone=_TONE[health.state],
        required=health.required,
        has_picture=source.has(Kind.VIDEO) or (not source.epochs and source.spec.role is not Role.MIC),
        picture=address,
        reason=health.reason if health.state is Feed.LOST else None,
    )
