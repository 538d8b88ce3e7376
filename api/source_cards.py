"""What the teacher's page shows of each source."""

from __future__ import annotations

from dataclasses import dataclass

from api.health import RoomHealth, SourceHealth, SourceStatus
from api.schema import thumbnail_path
from api.thumbnails import newest_picture, picture_tag
from api.wording import RESTS, SOURCE_STATUSES
from lesson.loss import Loss, loss_words
from lesson.model import Kind, Role
from lesson.source_state import SourceState
from lesson.state import LessonState

QUIETEST_DB = 60.0
"""Below full scale: the left end of the meter."""
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

    `says`: its state, or why it is lost, as a sentence to be translated. `flaws`: codes. `rms_db`: of its newest sound,
    below full scale. `shape`: of its picture, while it is tested. `backup`: the source that is heard instead of it.
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
    rms_db: float | None = None
    shape: str = ""
    backup: str | None = None

    @property
    def level(self) -> int:
        """How loud it is, of 100: speech lies about the middle."""
        above = QUIETEST_DB + (-QUIETEST_DB if self.rms_db is None else self.rms_db)
        return round(100.0 * min(1.0, max(0.0, above / QUIETEST_DB)))


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
            picture=f"/feeds/{one.id}.jpg?v={one.look.at_ns}" if one.look and one.look.jpeg else None,
            says=_says(one),
            flaws=one.flaws,
            rms_db=one.rms_db,
            shape=f"{one.look.width}×{one.look.height} · {one.look.fps:.0f}/s" if one.look and one.look.width else "",
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
        rms_db=health.rms_db,
        backup=health.backup,
    )


def _tone(health: SourceHealth) -> str:
    if health.backup:
        return "fair"
    if health.useless:
        return "bad"
    if health.flaws or health.unchecked:
        return "fair"
    well = health.look is not None and not health.untested and not health.look.waits
    return "good" if well else _TONE[health.state]


def _says(health: SourceHealth) -> str:
    """Why it is lost where that is known: a refused password is not "no signal"."""
    if health.rests:
        return RESTS
    if health.look is not None and health.look.waits:
        return loss_words(Loss.NOT_SENT)
    if health.state is SourceStatus.LOST and health.code and health.code != Loss.UNKNOWN:
        return loss_words(health.code)
    return SOURCE_STATUSES[health.state]
