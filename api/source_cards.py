"""What the teacher's page shows of each source."""

from __future__ import annotations

from dataclasses import dataclass

from api.health import RoomHealth, SourceHealth, SourceStatus
from api.schema import thumbnail_path
from api.thumbnails import newest_picture, picture_tag
from api.wording import SOURCE_STATUSES
from lesson.loss import Loss, loss_words
from lesson.model import Kind, Role
from lesson.source_state import SourceState
from lesson.state import LessonState

_TONE = {
    SourceStatus.STANDBY: "calm",
    SourceStatus.WAITING: "calm",
    SourceStatus.RECORDING: "good",
    SourceStatus.FINISHED: "calm",
    SourceStatus.LATE: "bad",
    SourceStatus.LOST: "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCard:
    """One source: `picture` is the address of its newest picture, None while there is none.

    `says`: its state, or why it is lost, as a sentence to be translated. `flaws`: codes.
    """

    id: str
    role: str
    state: str
    tone: str
    required: bool
    has_picture: bool
    picture: str | None
    says: str
    flaws: tuple[str, ...]
    unchecked: bool = False


def idle_cards(health: RoomHealth) -> list[SourceCard]:
    """The sources of a room in which nothing is recorded."""
    return [
        SourceCard(
            id=one.id,
            role=one.role,
            state=one.state.value,
            tone=_tone(one),
            required=one.required,
            has_picture=one.role != Role.MIC,
            picture=None,
            says=_says(one),
            flaws=one.flaws,
        )
        for one in health.sources
    ]


def live_cards(state: LessonState, health: RoomHealth) -> list[SourceCard]:
    """The sources of the running lesson, each with its newest picture."""
    return [_card(state.header.id, state.sources[one.id], one) for one in health.sources]


def _card(lesson_id: str, source: SourceState, health: SourceHealth) -> SourceCard:
    segment = newest_picture(source)
    address = f"{thumbnail_path(lesson_id, health.id)}?v={picture_tag(segment)}" if segment else None
    return SourceCard(
        id=health.id,
        role=health.role,
        state=health.state.value,
        tone=_tone(health),
        required=health.required,
        has_picture=source.has(Kind.VIDEO) or (not source.epochs and source.spec.role is not Role.MIC),
        picture=address,
        says=_says(health),
        flaws=health.flaws,
        unchecked=health.unchecked,
    )


def _tone(health: SourceHealth) -> str:
    if health.useless:
        return "bad"
    return "fair" if health.flaws or health.unchecked else _TONE[health.state]


def _says(health: SourceHealth) -> str:
    """Why it is lost where that is known: a refused password is not "no signal"."""
    if health.state is SourceStatus.LOST and health.code and health.code != Loss.UNKNOWN:
        return loss_words(health.code)
    return SOURCE_STATUSES[health.state]
