"""What goes on in the room at one instant, told from observations around it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from operator import attrgetter

from lesson.model import Layout, Observation, Role
from lesson.records import Shot
from lesson.time import TICKS_PER_SECOND, Grid, Span, Ticks
from tracking.evidence import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The director's manners. Times in ticks; `grid` is the programme's. Where they come from: ADR 0004.

    `ink_starts`, `ink_goes_on`: part of the board's picture that has to change for good within the window;
    `present`: moving part of the teacher's picture from which somebody is in it; `arrives`: part of the look-ahead
    in which somebody must be seen before the programme goes back to the teacher.
    """

    grid: Grid = field(default_factory=Grid)
    min_shot: Ticks = 3 * TICKS_PER_SECOND
    look_ahead: Ticks = 3 * TICKS_PER_SECOND
    ink_holds: Ticks = 6 * TICKS_PER_SECOND
    slide_holds: Ticks = 20 * TICKS_PER_SECOND
    away_after: Ticks = TICKS_PER_SECOND * 3 // 2
    ink_starts: float = 80e-6
    ink_goes_on: float = 60e-6
    present: float = 0.0015
    arrives: float = 0.7

    @property
    def step(self) -> Ticks:
        """Time between decisions: at most half a second, and a whole part of a chunk, so that it does not matter
        after which chunk the plan was frozen.
        """
        frames = self.grid.frames_per_chunk
        longest = max(1, TICKS_PER_SECOND // 2 // self.grid.frame)
        return self.grid.frame * next(n for n in range(longest, 0, -1) if frames % n == 0)

    @property
    def memory(self) -> Ticks:
        """How far back the director looks."""
        return max(self.ink_holds, self.slide_holds, self.away_after) + self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What is known of one source around the stretch to direct; lesson ticks.

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
class Scene:
    """The situation, the board or screen it is about, and the teacher's camera; `in_view`: with somebody in it."""

    situation: Situation
    board: Feed | None
    teacher: Feed | None
    in_view: bool


_TEACHERS = frozenset({Role.TEACHER, Role.TEACHER_CLOSEUP})
_BOARDS = frozenset({Role.BOARD, Role.SCREEN})


def assess(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot | None) -> Scene:
    """The scene at the start of `piece`. What is shown already needs less evidence to stay than to come."""
    teacher = _teacher_camera(feeds, rules, piece, running)
    watched = teacher is not None and teacher.observes(piece.start)
    in_view = teacher is not None and (not watched or _in_view(teacher, rules, piece.start, running))
    boards = [feed for feed in feeds if feed.role in _BOARDS and feed.covers(piece)]
    for board in sorted(boards, key=lambda feed: -_latest_ink(feed, rules, piece.start)):
        if _is_written_on(board, rules, piece.start, running):
            situation = Situation.WRITING if board.role is Role.BOARD else Situation.SLIDE
            return Scene(situation, board, teacher, in_view)
    alone = running is None or running.layout is not Layout.PIP
    stays = in_view and (alone or teacher is None or not watched or _stays_in_view(teacher, rules, piece.start))
    situation = Situation.EXPLAINING if stays else Situation.AWAY
    if teacher is None:
        missing = any(feed.role in _TEACHERS for feed in feeds)
        situation = Situation.GAP if missing else Situation.UNAIMED
    if not watched and not (teacher is None and any(feed.observes(piece.start) for feed in feeds)):
        situation = Situation.UNKNOWN
    return Scene(situation, next(iter(boards), None), teacher, in_view)


def _teacher_camera(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot | None) -> Feed | None:
    """The teacher's camera: the close one while it sees somebody, else the wide one."""
    cameras = [feed for feed in feeds if feed.role in _TEACHERS and feed.covers(piece)]
    close = [
        feed for feed in cameras if feed.role is Role.TEACHER_CLOSEUP and _in_view(feed, rules, piece.start, running)
    ]
    wide = [feed for feed in cameras if feed.role is Role.TEACHER]
    return next(iter([*close, *wide, *cameras]), None)


def _in_view(camera: Feed, rules: Rules, at: Ticks, running: Shot | None) -> bool:
    """Whether somebody is to be seen: any sign around `at` lets a shown teacher stay, a hidden one has to last."""
    if running is None or camera.id in running.sources:
        window = Span(max(0, at - rules.away_after), at + rules.look_ahead)
        return any(_anybody(seen, rules) for seen in camera.within(window))
    return _stays_in_view(camera, rules, at)


def _stays_in_view(camera: Feed, rules: Rules, at: Ticks) -> bool:
    ahead = [_anybody(seen, rules) for seen in camera.within(Span(at, at + rules.look_ahead))]
    return bool(ahead) and ahead[-1] and sum(ahead) >= rules.arrives * len(ahead)


def _anybody(seen: Observation, rules: Rules) -> bool:
    return bool(seen.faces or seen.motion) or seen.motion_level > rules.present


def _latest_ink(feed: Feed, rules: Rules, at: Ticks) -> Ticks:
    until = bisect_left(feed.seen, at + rules.look_ahead, key=attrgetter("at"))
    recent = takewhile(lambda seen: seen.at >= at - rules.memory, reversed(feed.seen[:until]))
    return next((seen.at for seen in recent if seen.what.board_activity > 0), -1)


def _is_written_on(board: Feed, rules: Rules, at: Ticks, running: Shot | None) -> bool:
    """Ink (or a slide) appears within the look-ahead, or appeared so lately that it is still the matter."""
    ahead = Span(at, at + rules.look_ahead)
    if sum(seen.board_activity for seen in board.within(ahead)) >= rules.ink_starts:
        return True
    if running is None or running.layout is not Layout.PIP or running.sources[0] != board.id:
        return False  # a board shown for want of a teacher gives way when the teacher is back
    holds = rules.slide_holds if board.role is Role.SCREEN else rules.ink_holds
    window = Span(max(0, at - holds), at + rules.look_ahead)
    return sum(seen.board_activity for seen in board.within(window)) >= rules.ink_goes_on
