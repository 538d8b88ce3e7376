from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from encode.programme import HOLD, SLATE, Composition, EpochRef, programme
from lesson.model import Kind, Layout, PtsRange, SegmentRecord
from lesson.records import Mapped, SegmentCommitted, Shot
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from tests.kit.lessons import MILLISECOND, epoch_started, header, source

SECOND = TICKS_PER_SECOND
FRAME = 1_920
HELD = -(-HOLD // FRAME) * FRAME  # the programme changes at whole frames
TEACHER, BOARD, STUDENTS = source("teacher"), source("board"), source("students")


@dataclass
class Plan:
    """A lesson of three sources; `covered`: (source, epoch, from s, to s), all clocks being the lesson clock."""

    covered: list[tuple[str, int, float, float]] = field(default_factory=list)
    shots: list[tuple[float, float, Layout, tuple[str, ...]]] = field(default_factory=list)

    def state(self) -> LessonState:
        state = LessonState(header(sources=(TEACHER, BOARD, STUDENTS)))
        for number, (name, epoch, start, end) in enumerate(self.covered):
            spec = state.header.source(name)
            state.apply(epoch_started(spec, epoch))
            state.apply(SegmentCommitted(segment=segment(name, epoch, number, start, end)))
            state.apply(Mapped(map=ClockMap(name, epoch, Span(0, 100 * SECOND), 0)))
        for start, end, layout, sources in self.shots:
            span = Span(round(start * SECOND), round(end * SECOND))
            state.apply(Shot(span=span, layout=layout, sources=sources, reason="test"))
        return state


def segment(name: str, epoch: int, seq: int, start: float, end: float) -> SegmentRecord:
    first, last = round(1000 * start), round(1000 * end)
    video = PtsRange(first=first, last=last - 40, end=last, key=first, packets=1)
    return SegmentRecord(
        source=name, epoch=epoch, seq=seq, path="x", bytes=1, sha256="", time_base=MILLISECOND, video=video
    )


def look_at(plan: Plan, seconds: float) -> Composition:
    at = round(seconds * SECOND) // FRAME * FRAME
    (piece,) = programme(plan.state(), Span(at, at + FRAME))
    return piece.composition


def shown(composition: Composition) -> tuple[str, str | None]:
    main, inset = composition.main, composition.inset
    return (main[0].source if main else "slate", inset.source if inset else None)


ALL = [("teacher", 0, 0, 20), ("board", 0, 0, 20), ("students", 0, 0, 20)]


@pytest.mark.parametrize(
    ("layout", "sources", "wanted"),
    [
        (Layout.FULL, ("board",), ("board", None)),
        (Layout.PIP, ("board", "teacher"), ("board", "teacher")),
        (Layout.SLATE, (), ("slate", None)),
    ],
)
def test_what_is_planned_and_covered_is_shown(
    layout: Layout, sources: tuple[str, ...], wanted: tuple[str, str | None]
) -> None:
    assert shown(look_at(Plan(ALL, [(0, 20, layout, sources)]), 5)) == wanted


def test_without_a_shot_the_safe_view_is_shown() -> None:
    assert shown(look_at(Plan(ALL), 5)) == ("teacher", None)


def test_pieces_are_without_a_hole_and_cut_where_the_plan_cuts() -> None:
    plan = Plan(ALL, [(0, 3, Layout.FULL, ("teacher",)), (3, 8, Layout.FULL, ("board",))])
    pieces = programme(plan.state(), Span(0, 8 * SECOND))
    assert [(piece.span, shown(piece.composition)[0]) for piece in pieces] == [
        (Span(0, 3 * SECOND), "teacher"),
        (Span(3 * SECOND, 8 * SECOND), "board"),
    ]


def test_a_source_that_is_gone_is_replaced_after_a_short_hold() -> None:
    covered = [("teacher", 0, 0, 4), ("teacher", 1, 9, 20), ("board", 0, 0, 20)]
    plan = Plan(covered, [(0, 20, Layout.FULL, ("teacher",))])
    pieces = programme(plan.state(), Span(0, 20 * SECOND))
    assert [(piece.span, piece.composition.main[0]) for piece in pieces] == [
        (Span(0, 4 * SECOND + HELD), EpochRef("teacher", 0)),
        (Span(4 * SECOND + HELD, 9 * SECOND), EpochRef("board", 0)),
        (Span(9 * SECOND, 20 * SECOND), EpochRef("teacher", 1)),
    ]


def test_a_hole_of_a_few_frames_is_no_reason_to_cut() -> None:
    plan = Plan([("teacher", 0, 0, 4), ("teacher", 1, 4.3, 20), ("board", 0, 0, 20)])
    assert {shown(piece.composition)[0] for piece in programme(plan.state(), Span(0, 8 * SECOND))} == {"teacher"}


def test_nothing_at_all_is_the_slate() -> None:
    plan = Plan([("teacher", 0, 0, 4)], [(0, 20, Layout.FULL, ("teacher",))])
    assert look_at(plan, 3.9) == Composition(Layout.FULL, (EpochRef("teacher", 0),))
    assert look_at(plan, 5) == SLATE
    assert look_at(Plan(), 1) == SLATE


def test_a_first_picture_that_is_a_little_late_is_shown_early() -> None:
    plan = Plan([("teacher", 0, 0.2, 4)])
    assert look_at(plan, 0).main == (EpochRef("teacher", 0),)
    assert look_at(Plan([("teacher", 0, 0.6, 4)]), 0) == SLATE


@pytest.mark.parametrize(
    ("covered", "wanted"),
    [
        ([("board", 0, 0, 20)], ("board", None)),
        ([("teacher", 0, 0, 20)], ("teacher", None)),
        ([("students", 0, 0, 20)], ("students", None)),
    ],
)
def test_half_a_picture_in_picture_is_a_whole_picture(
    covered: list[tuple[str, int, float, float]], wanted: tuple[str, str | None]
) -> None:
    assert shown(look_at(Plan(covered, [(0, 20, Layout.PIP, ("board", "teacher"))]), 5)) == wanted


def test_what_cannot_be_decoded_has_others_to_take_its_place() -> None:
    composition = look_at(Plan(ALL, [(0, 20, Layout.FULL, ("board",))]), 5)
    assert [epoch.source for epoch in composition.main] == ["board", "teacher", "students"]


def test_an_epoch_without_a_clock_is_not_shown() -> None:
    state = LessonState(header(sources=(TEACHER,)))
    state.apply(epoch_started(TEACHER))
    state.apply(SegmentCommitted(segment=segment("teacher", 0, 0, 0, 9)))
    (piece,) = programme(state, Span(0, SECOND))
    assert piece.composition == SLATE


def test_a_feed_on_a_clock_of_its_own_is_found() -> None:
    state = LessonState(header(sources=(TEACHER,)))
    state.apply(epoch_started(TEACHER))
    state.apply(SegmentCommitted(segment=segment("teacher", 0, 0, 100, 104)))
    offset: Ticks = -100 * SECOND
    state.apply(Mapped(map=ClockMap("teacher", 0, Span(0, SECOND), offset)))
    pieces = programme(state, Span(0, 6 * SECOND))
    assert [(piece.span.end, bool(piece.composition.main)) for piece in pieces] == [
        (4 * SECOND + HELD, True),
        (6 * SECOND, False),
    ]
    assert state.sources["teacher"].has(Kind.VIDEO)
