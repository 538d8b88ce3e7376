"""The director: what it shows when, and what must hold for any room whatever."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.model import Layout, Observation, Rectangle, Role
from lesson.records import Shot
from lesson.time import TICKS_PER_SECOND, Grid, Span, Ticks
from tracking.director import direct
from tracking.evidence import Seen
from tracking.rules import Rules
from tracking.situation import Candidate, Situation

S = TICKS_PER_SECOND
RULES = Rules()
BODY = Rectangle(0.3, 0.3, 0.2, 0.6)


def span(start_s: float, end_s: float) -> Span:
    return Span(round(start_s * S), round(end_s * S))


def seen(at_s: float, *, moves: bool = False, ink: float = 0.0) -> Seen:
    what = Observation(
        at=round(at_s * S), motion=(BODY,) if moves else (), motion_level=0.02 if moves else 0.0, board_activity=ink
    )
    return Seen(round(at_s * S), what)


def quarters(start_s: float, end_s: float) -> list[float]:
    return [start_s + index / 4 for index in range(round((end_s - start_s) * 4))]


def feed(role: Role, *covered: Span, looks: list[Seen] | None = None, analysed: bool = True) -> Candidate:
    return Candidate(
        id=role.value,
        role=role,
        covered=covered,
        observed=covered if analysed else (),
        seen=tuple(looks or ()),
    )


def teacher(*covered: Span, present: tuple[Span, ...] | None = None, until_s: float = 60) -> Candidate:
    inside = covered if present is None else present
    looks = [seen(at, moves=any(round(at * S) in s for s in inside)) for at in quarters(0, until_s)]
    return feed(Role.TEACHER, *covered, looks=[look for look in looks if any(look.at in c for c in covered)])


def board(*covered: Span, written: tuple[Span, ...] = (), until_s: float = 60) -> Candidate:
    looks = [seen(at, ink=20e-6 if any(round(at * S) in s for s in written) else 0.0) for at in quarters(0, until_s)]
    return feed(Role.BOARD, *covered, looks=looks)


def shown(feeds: list[Candidate], until_s: float = 60) -> list[Shot]:
    return direct(feeds, RULES, span(0, until_s), None, end=span(0, until_s).end)


def at(shots: list[Shot], second: float) -> tuple[Layout, tuple[str, ...]]:
    (shot,) = [shot for shot in shots if round(second * S) in shot.span]
    return shot.layout, shot.sources


WHOLE = span(0, 60)
TEACHER_ALONE = (Layout.FULL, ("teacher",))
BOARD_ALONE = (Layout.FULL, ("board",))
BOARD_AND_TEACHER = (Layout.PIP, ("board", "teacher"))


def test_the_teacher_is_shown_while_explaining_and_the_board_while_it_is_written_on() -> None:
    shots = shown([teacher(WHOLE), board(WHOLE, written=(span(20, 35),))])
    assert at(shots, 10) == TEACHER_ALONE
    assert at(shots, 21) == BOARD_AND_TEACHER
    assert at(shots, 38) == BOARD_AND_TEACHER
    assert at(shots, 50) == TEACHER_ALONE
    assert [shot.reason for shot in shots] == [
        Situation.EXPLAINING.value,
        Situation.WRITING.value,
        Situation.EXPLAINING.value,
    ]


def test_pauses_in_writing_do_not_cut() -> None:
    strokes = tuple(span(at, at + 1) for at in range(10, 40, 5))
    shots = shown([teacher(WHOLE), board(WHOLE, written=strokes)])
    assert len(shots) == 3


def test_the_board_is_shown_while_the_teacher_is_away() -> None:
    shots = shown([teacher(WHOLE, present=(span(0, 20), span(40, 60))), board(WHOLE)])
    assert at(shots, 10) == TEACHER_ALONE
    assert at(shots, 30) == BOARD_ALONE
    assert at(shots, 45) == TEACHER_ALONE


def test_no_empty_inset_is_shown() -> None:
    shots = shown([teacher(WHOLE, present=(span(0, 20), span(40, 60))), board(WHOLE, written=(span(10, 38),))])
    assert at(shots, 15) == BOARD_AND_TEACHER
    assert at(shots, 30) == BOARD_ALONE


def test_somebody_passing_by_does_not_bring_the_teacher_back() -> None:
    shots = shown([teacher(WHOLE, present=(span(0, 10), span(30, 31))), board(WHOLE)])
    assert at(shots, 30.5) == BOARD_ALONE


def test_without_analysis_the_safe_wide_shot_is_shown() -> None:
    blind = [feed(Role.TEACHER, WHOLE, analysed=False), feed(Role.BOARD, WHOLE, analysed=False)]
    (shot,) = shown(blind)
    assert (shot.layout, shot.sources, shot.reason) == (*TEACHER_ALONE, Situation.UNKNOWN.value)


def test_a_lost_feed_is_left_at_once_and_no_feed_at_all_is_a_slate() -> None:
    shots = shown([teacher(span(0, 20.01), span(40, 60)), feed(Role.STUDENTS, span(0, 30)), board(span(0, 30))])
    assert at(shots, 19) == TEACHER_ALONE
    assert at(shots, 25) == BOARD_ALONE
    assert at(shots, 35) == (Layout.SLATE, ())
    assert at(shots, 45) == TEACHER_ALONE
    assert shots[0].span.end == 20 * S


def test_students_fill_in_where_there_is_nothing_else() -> None:
    shots = shown([teacher(span(0, 20)), feed(Role.STUDENTS, WHOLE)])
    assert at(shots, 40) == (Layout.FULL, ("students",))


def test_a_feed_about_to_end_is_not_cut_to() -> None:
    shots = shown([teacher(span(0, 20)), board(span(0, 21)), feed(Role.STUDENTS, WHOLE)])
    assert at(shots, 20.5) == (Layout.FULL, ("students",))


def test_a_new_slide_is_shown_for_a_while() -> None:
    screen = feed(Role.SCREEN, WHOLE, looks=[seen(at, ink=0.3 if at == 10 else 0.0) for at in quarters(0, 60)])
    shots = shown([teacher(WHOLE), screen])
    assert at(shots, 11) == (Layout.PIP, ("screen", "teacher"))
    assert at(shots, 28) == (Layout.PIP, ("screen", "teacher"))
    assert at(shots, 40) == TEACHER_ALONE


def test_the_close_camera_is_taken_while_it_sees_the_teacher() -> None:
    close = feed(Role.TEACHER_CLOSEUP, WHOLE, looks=[seen(at, moves=at < 30) for at in quarters(0, 60)])
    shots = shown([teacher(WHOLE), close])
    assert at(shots, 10) == (Layout.FULL, ("teacher_closeup",))
    assert at(shots, 45) == TEACHER_ALONE


# --- any room whatever -----------------------------------------------------------------------------------------------

LENGTH_S = 40


@st.composite
def stretches(draw: st.DrawFn) -> tuple[Span, ...]:
    """Stretches of coverage that do not touch, in any position to the frame grid."""
    cuts = sorted(draw(st.lists(st.integers(0, LENGTH_S * S), max_size=6, unique=True)))
    return tuple(Span(a, b) for a, b in list(pairwise(cuts))[::2])


@st.composite
def rooms(draw: st.DrawFn) -> list[Candidate]:
    roles = draw(st.lists(st.sampled_from([r for r in Role if r is not Role.MIC]), max_size=4, unique=True))
    feeds = []
    for role in roles:
        covered = draw(st.one_of(st.just((Span(0, LENGTH_S * S),)), stretches()))
        moments = draw(st.lists(st.integers(0, LENGTH_S * 4), max_size=60, unique=True).map(sorted))
        looks = [
            seen(at / 4, moves=draw(st.booleans()), ink=draw(st.sampled_from([0.0, 0.0, 1e-5, 1e-4]))) for at in moments
        ]
        feeds.append(feed(role, *covered, looks=looks, analysed=draw(st.booleans())))
    return feeds


def inwards(feed: Candidate, frame: Ticks) -> list[Span]:
    cut = [
        Span(-(-c.start // frame) * frame, max(-(-c.start // frame) * frame, c.end // frame * frame))
        for c in feed.covered
    ]
    return [c for c in cut if not c.empty]


def assert_sound(shots: list[Shot], feeds: list[Candidate], whole: Span) -> None:
    assert shots[0].span.start == whole.start
    assert shots[-1].span.end == whole.end
    by_id = {feed.id: inwards(feed, RULES.grid.frame) for feed in feeds}
    for before, after in pairwise(shots):
        assert before.span.end == after.span.start
        assert (before.layout, before.sources) != (after.layout, after.sources)
    for shot in shots:
        assert shot.span.start % RULES.grid.frame == 0
        assert not shot.span.empty
        assert len(shot.sources) == {Layout.FULL: 1, Layout.PIP: 2, Layout.SLATE: 0}[shot.layout]
        for source in shot.sources:
            assert any(c.start <= shot.span.start and shot.span.end <= c.end for c in by_id[source]), shot
        if shot.layout is Layout.SLATE:
            assert not any(c.overlaps(shot.span) for spans in by_id.values() for c in spans)
        elif shot.span.duration < RULES.min_shot and shot.span.end < whole.end:
            ends = {c.end for source in shot.sources for c in by_id[source]}
            assert shot.span.end in ends, f"{shot} was cut short although its feeds go on"


@settings(max_examples=150)
@given(rooms())
def test_shots_tile_the_lesson_and_show_what_is_there(feeds: list[Candidate]) -> None:
    whole = Span(0, LENGTH_S * S)
    shots = direct(feeds, RULES, whole, None, end=whole.end)
    assert_sound(shots, feeds, whole)
    assert direct(feeds, RULES, whole, None, end=whole.end) == shots


@settings(max_examples=100)
@given(rooms(), st.lists(st.integers(1, LENGTH_S * S // RULES.step - 1), max_size=5, unique=True).map(sorted))
def test_directing_in_pieces_gives_the_same_shots(feeds: list[Candidate], stops: list[int]) -> None:
    """As while recording: each piece knows only its look-ahead, and the end only with the last piece."""
    whole = Span(0, LENGTH_S * S)
    edges = [0, *(stop * RULES.step for stop in stops), whole.end]
    edges = [edge for edge in edges if edge <= whole.end - RULES.look_ahead or edge == whole.end]
    pieces: list[Shot] = []
    running: Shot | None = None
    for start, end in pairwise(edges):
        known = Span(max(0, start - RULES.memory), end + RULES.look_ahead)
        visible = [_only(feed, known) for feed in feeds]
        for shot in direct(visible, RULES, Span(start, end), running, end=whole.end if end == whole.end else None):
            joined = running is not None and (running.layout, running.sources) == (shot.layout, shot.sources)
            if joined and running is not None:
                shot = Shot(
                    span=Span(running.span.start, shot.span.end),
                    layout=shot.layout,
                    sources=shot.sources,
                    reason=running.reason,
                )
                pieces.pop()
            pieces.append(shot)
            running = shot
    assert pieces == direct(feeds, RULES, whole, None, end=whole.end)


def _only(feed: Candidate, known: Span) -> Candidate:
    return Candidate(
        id=feed.id,
        role=feed.role,
        covered=tuple(part for c in feed.covered if (part := c.intersection(known))),
        observed=tuple(part for o in feed.observed if (part := o.intersection(known))),
        seen=tuple(look for look in feed.seen if look.at in known),
    )


@pytest.mark.parametrize("frame", [1_600, 1_920, 2_000])
def test_shots_begin_on_frames_of_any_rate(frame: Ticks) -> None:
    rules = Rules(grid=Grid(chunk=97 * frame, frame=frame))
    assert rules.step == frame  # 97 is prime
    feeds = [teacher(span(0.013, 31.7)), board(span(0.5, 60), written=(span(5, 9),))]
    for shot in direct(feeds, rules, Span(0, 60 * S // frame * frame), None, end=None):
        assert shot.span.start % frame == 0
