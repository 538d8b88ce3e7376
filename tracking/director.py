"""The director: from what the cameras show to a list of shots. Pure, sequential, and resumable at every shot.

It walks over decision instants (every half second, and where a feed comes or goes). At each it weighs the situation
in a window reaching a little into the future, and cuts only when the running shot has lasted long enough, or can no
longer be shown. Everything it remembers is the running shot. Rules and numbers: docs/adr/0004-director.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile
from operator import attrgetter

from lesson.model import Layout, Observation, Role
from lesson.records import Shot
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged
from tracking.evidence import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The director's manners. Times in ticks; `frame` is the programme's."""

    frame: Ticks = 1_920
    min_shot: Ticks = 4 * TICKS_PER_SECOND
    look_ahead: Ticks = 3 * TICKS_PER_SECOND
    ink_holds: Ticks = 7 * TICKS_PER_SECOND
    slide_holds: Ticks = 20 * TICKS_PER_SECOND
    away_after: Ticks = TICKS_PER_SECOND * 3 // 2
    ink_starts: float = 30e-6
    ink_goes_on: float = 10e-6
    present: float = 0.0015

    @property
    def step(self) -> Ticks:
        """Whole frames, about half a second."""
        return max(1, TICKS_PER_SECOND // 2 // self.frame) * self.frame

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

    def observes(self, span: Span) -> bool:
        return any(o.start <= span.start and span.end <= o.end for o in self.observed)

    def within(self, span: Span) -> Iterator[Observation]:
        first = bisect_left(self.seen, span.start, key=attrgetter("at"))
        last = bisect_left(self.seen, span.end, key=attrgetter("at"))
        return (seen.what for seen in self.seen[first:last])


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


_TEACHERS = frozenset({Role.TEACHER, Role.TEACHER_CLOSEUP})


@dataclass(frozen=True, slots=True)
class _Choice:
    layout: Layout
    sources: tuple[str, ...]
    reason: str

    def shows_as(self, shot: Shot | None) -> bool:
        return shot is not None and (shot.layout, shot.sources) == (self.layout, self.sources)


def direct(feeds: Sequence[Feed], rules: Rules, span: Span, running: Shot | None, *, end: Ticks | None) -> list[Shot]:
    """Shots that tile `span` exactly; the first may go on with `running`, the shot before `span`.

    `feeds` come in the order in which to show them when nothing else is known, safest first. They must hold all that
    is known from `span.start - rules.memory` to `span.end + rules.look_ahead`; `end`: the end of the lesson once known.
    """
    shots: list[Shot] = []
    covered = {feed.id: _whole_frames(feed.covered, rules.frame) for feed in feeds}
    feeds = [_with_coverage(feed, covered[feed.id]) for feed in feeds]
    for piece in _pieces(feeds, rules, span):
        if running is not None and _goes_on(feeds, rules, piece, running):
            shown = _Choice(running.layout, running.sources, running.reason)
        else:
            shown = _choose(feeds, rules, piece, running, end)
        if shown.shows_as(running) and running is not None:
            running = Shot(
                span=Span(running.span.start, piece.end),
                layout=running.layout,
                sources=running.sources,
                reason=running.reason,
            )
        else:
            if running is not None:
                shots.append(running)
            running = Shot(span=piece, layout=shown.layout, sources=shown.sources, reason=shown.reason)
    if running is not None:
        shots.append(running)
    return [_clipped(shot, span) for shot in shots if shot.span.overlaps(span)]


def _clipped(shot: Shot, span: Span) -> Shot:
    start = max(shot.span.start, span.start)
    return Shot(span=Span(start, shot.span.end), layout=shot.layout, sources=shot.sources, reason=shot.reason)


def _whole_frames(spans: Sequence[Span], frame: Ticks) -> tuple[Span, ...]:
    """The whole programme frames within each span."""
    cut = ((-(-span.start // frame) * frame, span.end // frame * frame) for span in merged(spans))
    return tuple(Span(start, end) for start, end in cut if start < end)


def _with_coverage(feed: Feed, covered: tuple[Span, ...]) -> Feed:
    return Feed(id=feed.id, role=feed.role, covered=covered, observed=feed.observed, seen=feed.seen)


def _pieces(feeds: Sequence[Feed], rules: Rules, span: Span) -> Iterator[Span]:
    """Stretches over which no decision is due: cut on the step grid and where coverage starts or ends."""
    cuts = {span.start, span.end}
    cuts |= set(range(-(-span.start // rules.step) * rules.step, span.end, rules.step))
    cuts |= {edge for feed in feeds for c in feed.covered for edge in (c.start, c.end) if span.start < edge < span.end}
    ordered = sorted(cuts)
    return (Span(a, b) for a, b in pairwise(ordered))


def _goes_on(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot) -> bool:
    """Whether the running shot is too young to cut away from and can still be shown."""
    if running.layout is Layout.SLATE:
        return not any(feed.covers(piece) for feed in feeds)
    shown = [feed for feed in feeds if feed.id in running.sources]
    young = piece.start - running.span.start < rules.min_shot
    return young and all(feed.covers(piece) for feed in shown)


def _choose(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot | None, end: Ticks | None) -> _Choice:
    """The best shot that can be shown over `piece`; better still if its feeds last for a whole shot."""
    choices = list(_wishes(feeds, rules, piece, running))
    ahead = piece.start + min(rules.look_ahead, rules.min_shot)
    ahead = max(piece.end, ahead if end is None else min(ahead, end))
    by_id = {feed.id: feed for feed in feeds}
    for needed in (Span(piece.start, ahead), piece):
        for rank, choice in enumerate(choices):
            if all(by_id[source].covers(needed) for source in choice.sources):
                lost = rank > 0 and not choice.shows_as(running)
                return _Choice(choice.layout, choice.sources, Situation.GAP) if lost else choice
    return _Choice(Layout.SLATE, (), Situation.NOTHING)


def _wishes(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot | None) -> Iterator[_Choice]:
    """Shots for the situation at `piece`, the best first, then every feed alone."""
    situation, board = _situation(feeds, rules, piece, running)
    teacher = _teacher_now(feeds, rules, piece)
    reason = situation.value
    if board is not None and situation in {Situation.WRITING, Situation.SLIDE} and teacher is not None:
        yield _Choice(Layout.PIP, (board.id, teacher.id), reason)
    if board is not None and situation is not Situation.EXPLAINING and situation is not Situation.UNKNOWN:
        yield _Choice(Layout.FULL, (board.id,), reason)
    if teacher is not None and situation is not Situation.UNKNOWN:
        yield _Choice(Layout.FULL, (teacher.id,), reason)
    for feed in feeds:
        yield _Choice(Layout.FULL, (feed.id,), reason)


def _teacher_now(feeds: Sequence[Feed], rules: Rules, piece: Span) -> Feed | None:
    """The teacher's camera: the close one while it sees somebody, else the wide one."""
    window = Span(max(0, piece.start - rules.away_after), piece.start + rules.look_ahead)
    teachers = [feed for feed in feeds if feed.role in _TEACHERS and feed.covers(piece)]
    close = [feed for feed in teachers if feed.role is Role.TEACHER_CLOSEUP and _anybody(feed, rules, window)]
    wide = [feed for feed in teachers if feed.role is Role.TEACHER]
    return next(iter([*close, *wide, *teachers]), None)


def _anybody(feed: Feed, rules: Rules, window: Span) -> bool:
    return any(seen.faces or seen.motion or seen.motion_level > rules.present for seen in feed.within(window))


def _situation(feeds: Sequence[Feed], rules: Rules, piece: Span, running: Shot | None) -> tuple[Situation, Feed | None]:
    """What goes on at `piece`, and the board or screen it is about."""
    boards = [f for f in feeds if f.role in {Role.BOARD, Role.SCREEN} and f.covers(piece)]
    for board in sorted(boards, key=lambda feed: -_latest_ink(feed, rules, piece)):
        if _is_written_on(board, rules, piece, running):
            return Situation.WRITING if board.role is Role.BOARD else Situation.SLIDE, board
    return _about_the_teacher(feeds, rules, piece), next(iter(boards), None)


def _about_the_teacher(feeds: Sequence[Feed], rules: Rules, piece: Span) -> Situation:
    now = Span(piece.start, piece.start + 1)
    teachers = [feed for feed in feeds if feed.role in _TEACHERS and feed.covers(piece)]
    watched = [feed for feed in teachers or feeds if feed.observes(now)]
    if not watched:
        return Situation.UNKNOWN
    if not teachers:
        return Situation.GAP if any(feed.role in _TEACHERS for feed in feeds) else Situation.UNAIMED
    window = Span(max(0, piece.start - rules.away_after), piece.start + rules.look_ahead)
    return Situation.EXPLAINING if any(_anybody(feed, rules, window) for feed in watched) else Situation.AWAY


def _latest_ink(feed: Feed, rules: Rules, piece: Span) -> Ticks:
    until = bisect_left(feed.seen, piece.start + rules.look_ahead, key=attrgetter("at"))
    since = piece.start - rules.memory
    recent = takewhile(lambda seen: seen.at >= since, reversed(feed.seen[:until]))
    return next((seen.at for seen in recent if seen.what.board_activity > 0), -1)


def _is_written_on(board: Feed, rules: Rules, piece: Span, running: Shot | None) -> bool:
    """Ink (or a slide) appears within the look-ahead, or appeared so lately that it is still the matter."""
    ahead = Span(piece.start, piece.start + rules.look_ahead)
    if sum(seen.board_activity for seen in board.within(ahead)) >= rules.ink_starts:
        return True
    if running is None or running.sources[:1] != (board.id,):
        return False
    holds = rules.slide_holds if board.role is Role.SCREEN else rules.ink_holds
    window = Span(max(0, piece.start - holds), piece.start + rules.look_ahead)
    return sum(seen.board_activity for seen in board.within(window)) >= rules.ink_goes_on
