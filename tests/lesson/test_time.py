"""Exact time: rounding happens once, spans are half-open, maps are turned round without drifting."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.time import (
    TICKS_PER_SECOND,
    ClockMap,
    Grid,
    Span,
    lesson_tick,
    merged,
    ruling_map,
    source_tick,
    ticks_from_ns,
    ticks_from_pts,
    ticks_from_seconds,
    uncovered,
)
from tests.kit.strategies import FAR, clock_maps, small_spans, ticks


def covered_by(spans: list[Span]) -> set[int]:
    return {at for span in spans for at in range(span.start, span.end)}


@pytest.mark.parametrize(
    ("period", "length"),
    [(Fraction(1, 25), 1_920), (Fraction(1, 30), 1_600), (Fraction(1, 15), 3_200), (Fraction(1024, 48_000), 1_024)],
)
def test_periods_the_product_meets_are_whole_ticks(period: Fraction, length: int) -> None:
    assert [ticks_from_pts(n, period) for n in (1, 7, 90_000)] == [length, 7 * length, 90_000 * length]


@given(st.integers(-(10**15), 10**15), st.fractions(Fraction(1, 10**6), 10))
def test_pts_become_the_nearest_tick(pts: int, time_base: Fraction) -> None:
    assert abs(ticks_from_pts(pts, time_base) - pts * time_base * TICKS_PER_SECOND) <= Fraction(1, 2)


@given(st.integers(-(10**18), 10**18))
def test_nanoseconds_become_the_nearest_tick_in_exact_arithmetic(ns: int) -> None:
    assert abs(Fraction(ticks_from_ns(ns)) - Fraction(ns * TICKS_PER_SECOND, 10**9)) <= Fraction(1, 2)


def test_seconds() -> None:
    assert ticks_from_seconds(3.84) == 184_320


def test_a_span_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        Span(3, 2)


@given(small_spans, small_spans)
def test_spans_are_half_open(a: Span, b: Span) -> None:
    both = set(range(a.start, a.end)) & set(range(b.start, b.end))
    common = a.intersection(b)
    assert covered_by([common] if common else []) == both
    if not a.empty and not b.empty:
        assert a.overlaps(b) == bool(both)
    assert all((at in a) == (at in range(a.start, a.end)) for at in range(90))
    assert a.shifted(5).duration == a.duration


@given(st.lists(small_spans, max_size=8))
def test_merging_is_the_union_in_order_without_touching_neighbours(spans: list[Span]) -> None:
    union = merged(spans)
    assert covered_by(union) == covered_by(spans)
    assert all(a.end < b.start for a, b in pairwise(union))
    assert merged(union) == union


@given(st.lists(small_spans, max_size=8), st.integers(0, 5))
def test_slack_closes_small_holes_and_adds_nothing_outside(spans: list[Span], slack: int) -> None:
    union = merged(spans, slack=slack)
    assert all(b.start - a.end > slack for a, b in pairwise(union))
    exact = merged(spans)
    assert [union[0].start, union[-1].end] == [exact[0].start, exact[-1].end] if exact else union == []


@given(small_spans, st.lists(small_spans, max_size=8))
def test_uncovered_is_what_is_left(window: Span, spans: list[Span]) -> None:
    holes = uncovered(window, spans)
    assert covered_by(holes) == covered_by([window]) - covered_by(spans)
    assert merged(holes) == holes


@given(st.integers(0, 10**7))
def test_chunks_tile_the_lesson(end: int) -> None:
    grid = Grid(chunk=48_000 * 4, frame=1_920)
    spans = list(grid.spans(end))
    assert len(spans) == grid.chunks(end)
    assert sum(span.duration for span in spans) == end
    assert all(grid.span(i).start == span.start for i, span in enumerate(spans))
    assert all(grid.index(at) == i for i, span in enumerate(spans) for at in (span.start, span.end - 1))
    assert not any(span.empty for span in spans)


def test_the_grid_is_whole_in_frames_and_in_aac_frames() -> None:
    grid = Grid()
    assert (grid.frames_per_chunk, grid.chunk / 1_024, grid.fps) == (96, 180.0, Fraction(25))
    for chunk, frame in ((100, 33), (0, 1), (100, 0), (100, -10)):
        with pytest.raises(ValueError, match="whole number of frames"):
            Grid(chunk=chunk, frame=frame)


@given(clock_maps, ticks)
def test_a_clock_map_turns_round_to_the_tick(clock: ClockMap, at: int) -> None:
    assert abs(clock.to_source(clock.to_lesson(at)) - at) <= 1


@given(clock_maps, ticks, ticks)
def test_a_clock_map_keeps_order(clock: ClockMap, a: int, b: int) -> None:
    assert (a <= b) == (clock.to_lesson(a) <= clock.to_lesson(b)) or abs(a - b) <= 1


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-3, 3)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.integers(-1_000, 4_000),
)
def test_the_map_that_rules_both_ways(steps: list[tuple[int, int]], at: int) -> None:
    """Maps as the planner makes them: each from some lesson tick on, offsets a few ticks apart."""
    maps = [
        ClockMap("teacher", 0, Span(start * 50, FAR), 700 + drift)
        for start, drift in sorted(steps, key=lambda pair: pair[0])
    ]
    back = lesson_tick(maps, source_tick(maps, at))
    assert abs(back - at) <= 6
    assert ruling_map(maps, back) in maps
