"""What goes on in the room at one instant, told from observations around it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from operator import attrgetter

from lesson.model import Layout, Observation, Role
from lesson.records import Shot
from lesson.time import Span, Ticks
from tracking.evidence import Seen
from tracking.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A source that may be shown: what is known of it around the stretch to direct; lesson ticks.

    `covered`: where it has pictures. `observed`: where they were analysed. `seen`: the observations, in order.
    """

    id: str
    role: Role
    covered: tuple[Span, ...]
    observed: tuple[Span, ...] = ()
    seen: tuple[Seen, ...] = ()

    def covers(self, span: Span) -> bool:
        return any(c.start <= span.start and span.end <= c.end for c in self.covered)

    def observes(self, at: Ticks) -> bool:
        return any(at in o for o in self.observed)

    def within(self, span: Span) -> list[Observation]:
        first = bisect_left(self.seen, span.start, key=attrgetter("at"))
        last = bisect_left(self.seen, span.end, key=attrgetter("at"))
        return [seen.what for seen in self.seen[first:last]]


class Situation(StrEnum):
    """What goes on in the room, as far as the director can tell; the value is the reason journaled with a shot."""

    WRITING = "writing on the board"
    SLIDE = "new picture on the screen"
    EXPLAINING = "the teacher explains"
    AWAY = "the teacher is out of the picture"
    UNAIMED = "no camera for the teacher"
    UNKNOWN = "safe wide shot: not analysed"
    GAP = "a feed is missing"
    NOTHING = "no feed has a picture"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The situation, the board or screen it is about, and the teacher's camera; `in_view`: with somebody in it."""

    situation: Situation
    board: Candidate | None
    teacher: Candidate | None
    in_view: bool


_TEACHERS = frozenset({Role.TEACHER, Role.TEACHER_CLOSEUP})
_BOARDS = frozenset({Role.BOARD, Role.SCREEN})


def assess(candidates: Sequence[Candidate], rules: Rules, piece: Span, running: Shot | None) -> Assessment:
    """The situation at the start of `piece`. What is shown already needs less evidence to stay than to come."""
    teacher = _teacher_camera(candidates, rules, piece, running)
    watched = teacher is not None and teacher.observes(piece.start)
    in_view = teacher is not None and (not watched or _in_view(teacher, rules, piece.start, running))
    boards = [one for one in candidates if one.role in _BOARDS and one.covers(piece)]
    for board in sorted(boards, key=lambda one: -_latest_ink(one, rules, piece.start)):
        if _is_written_on(board, rules, piece.start, running):
            situation = Situation.WRITING if board.role is Role.BOARD else Situation.SLIDE
            return Assessment(situation, board, teacher, in_view)
    alone = running is None or running.layout is not Layout.PIP
    stays = in_view and (alone or teacher is None or not watched or _stays_in_view(teacher, rules, piece.start))
    situation = Situation.EXPLAINING if stays else Situation.AWAY
    if teacher is None:
        missing = any(one.role in _TEACHERS for one in candidates)
        situation = Situation.GAP if missing else Situation.UNAIMED
    if not watched and not (teacher is None and any(one.observes(piece.start) for one in candidates)):
        situation = Situation.UNKNOWN
    return Assessment(situation, next(iter(boards), None), teacher, in_view)


def _teacher_camera(
    candidates: Sequence[Candidate], rules: Rules, piece: Span, running: Shot | None
) -> Candidate | None:
    """The teacher's camera: the close one while it sees somebody, else the wide one."""
    cameras = [one for one in candidates if one.role in _TEACHERS and one.covers(piece)]
    close = [one for one in cameras if one.role is Role.TEACHER_CLOSEUP and _in_view(one, rules, piece.start, running)]
    wide = [one for one in cameras if one.role is Role.TEACHER]
    return next(iter([*close, *wide, *cameras]), None)


def _in_view(camera: Candidate, rules: Rules, at: Ticks, running: Shot | None) -> bool:
    """Whether somebody is to be seen: any sign around `at` lets a shown teacher stay, a hidden one has to last."""
    if running is None or camera.id in running.sources:
        window = Span(max(0, at - rules.away_after), at + rules.look_ahead)
        return any(_anybody(seen, rules) for seen in camera.within(window))
    return _stays_in_view(camera, rules, at)


def _stays_in_view(camera: Candidate, rules: Rules, at: Ticks) -> bool:
    ahead = [_anybody(seen, rules) for seen in camera.within(Span(at, at + rules.look_ahead))]
    return bool(ahead) and ahead[-1] and sum(ahead) >= rules.arrives * len(ahead)


def _anybody(seen: Observation, rules: Rules) -> bool:
    return bool(seen.faces or seen.motion) or seen.motion_level > rules.present


def _latest_ink(candidate: Candidate, rules: Rules, at: Ticks) -> Ticks:
    until = bisect_left(candidate.seen, at + rules.look_ahead, key=attrgetter("at"))
    recent = takewhile(lambda seen: seen.at >= at - rules.memory, reversed(candidate.seen[:until]))
    return next((seen.at for seen in recent if seen.what.board_activity > 0), -1)


def _is_written_on(board: Candidate, rules: Rules, at: Ticks, running: Shot | None) -> bool:
    """Ink (or a slide) appears within the look-ahead, or appeared so lately that it is still the matter."""
    ahead = Span(at, at + rules.look_ahead)
    if sum(seen.board_activity for seen in board.within(ahead)) >= rules.ink_starts:
        return True
    if running is None or running.layout is not Layout.PIP or running.sources[0] != board.id:
        return False  # a board shown for want of a teacher gives way when the teacher is back
    holds = rules.slide_holds if board.role is Role.SCREEN else rules.ink_holds
    window = Span(max(0, at - holds), at + rules.look_ahead)
    return sum(seen.board_activity for seen in board.within(window)) >= rules.ink_goes_on
