"""Placing what devices deliver without times of their own."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, ticks_from_ns
from media.feeds.stamping import ArrivalClock, SampleClock
from media.simulated.scene_feed import PATIENCE, due_next

BLOCK = 1_024
START_NS = 5_000 * NANOSECONDS_PER_SECOND


def arrivals(blocks: int, *, lost_after: int | None = None, lost_s: float = 0.0, jitter_ns: int = 0) -> list[int]:
    times = []
    for n in range(blocks):
        at = START_NS + (n + 1) * BLOCK * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND
        if lost_after is not None and n >= lost_after:
            at += round(lost_s * NANOSECONDS_PER_SECOND)
        times.append(at + (jitter_ns if n % 3 else 0))
    return times


def test_samples_are_counted_whatever_the_jitter() -> None:
    clock = SampleClock()
    placed = [clock.place(at, BLOCK) for at in arrivals(1_000, jitter_ns=15_000_000)]
    assert placed == [placed[0] + n * BLOCK for n in range(1_000)]
    assert placed[0] == ticks_from_ns(START_NS)


def test_lost_samples_leave_a_hole_of_their_length() -> None:
    clock = SampleClock()
    times = arrivals(1_500, lost_after=500, lost_s=0.7, jitter_ns=9_000_000)
    placed = [clock.place(at, BLOCK) for at in times]
    lag = [ticks_from_ns(at) - (pts + BLOCK) for at, pts in zip(times, placed, strict=True)]
    assert max(lag[-300:]) < TICKS_PER_SECOND // 50
    holes = [b - a - BLOCK for a, b in pairwise(placed) if b - a != BLOCK]
    assert len(holes) == 1
    assert abs(holes[0] - round(0.7 * TICKS_PER_SECOND)) < TICKS_PER_SECOND // 50


def test_a_slow_sound_card_is_not_taken_for_losses() -> None:
    clock = SampleClock()
    placed = [clock.place(round(at * (1 + 300e-6)), BLOCK) for at in arrivals(20_000)]
    assert placed == [placed[0] + n * BLOCK for n in range(20_000)]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_arrivals_never_share_a_place(times: list[int]) -> None:
    clock = ArrivalClock()
    placed = [clock.place(at) for at in times]
    assert placed == sorted(set(placed))


def test_frames_are_due_on_the_grid_late_ones_are_made_up_and_very_late_ones_skipped() -> None:
    period = 1_920
    assert due_next(10 * period, 10 * period + 5, period) == 11 * period
    assert due_next(10 * period, 20 * period, period) == 11 * period
    late = 11 * period + PATIENCE + 1
    assert due_next(10 * period, late, period) == late // period * period
