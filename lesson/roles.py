"""Which source serves for what, when several could: orders of preference over roles."""

from __future__ import annotations

from lesson.model import Kind, Role
from lesson.state import LessonState

VOICE_ROLES = (
    Role.MIC,
    Role.TEACHER,
    Role.TEACHER_CLOSEUP,
    Role.SCREEN,
    Role.BOARD,
    Role.STUDENTS,
    Role.STUDENTS_CLOSEUP,
)
PICTURE_ROLES = (
    Role.TEACHER,
    Role.STUDENTS,
    Role.SCREEN,
    Role.BOARD,
    Role.TEACHER_CLOSEUP,
    Role.STUDENTS_CLOSEUP,
    Role.MIC,
)


def _in_order(state: LessonState, kind: Kind, order: tuple[Role, ...]) -> list[str]:
    with_stream = [source.spec for source in state.sources.values() if source.has(kind)]
    return [spec.id for spec in sorted(with_stream, key=lambda spec: order.index(spec.role))]


def voice_order(state: LessonState) -> list[str]:
    """Ids of the sources with sound, best voice first: the first that covers an instant is heard.

    By role, but a backup follows the source that it stands in for.
    """
    order: list[str] = []
    for name in _in_order(state, Kind.AUDIO, VOICE_ROLES):
        chain: str | None = name
        while chain is not None and chain in state.sources and chain not in order:
            order.append(chain)
            chain = state.sources[chain].spec.backup
    return [name for name in order if state.sources[name].has(Kind.AUDIO)]


def picture_order(state: LessonState) -> list[str]:
    """Ids of the sources with pictures, safest wide view first: what to show when nothing is known."""
    return _in_order(state, Kind.VIDEO, PICTURE_ROLES)
