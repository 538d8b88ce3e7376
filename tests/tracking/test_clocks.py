"""The lesson clock against made-up clocks, networks, crashes and reboots, whose truth is known."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulated_feeds import FIRST_BOOT, Boot, SimulatedEpoch, bursts, exponential, in_order, no_jitter
from lesson.model import Kind, SourceSpec
from lesson.records import Mapped, Record, Start, Stop
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND
from tests.kit.lessons import header, source
from tracking.clocks import LessonClock
from tracking.epoch_clock import Arrival, fit_clock
from tracking.evidence import Evidence
from tracking.planner import Planner

TEACHER, BOARD, MIC = source("teacher"), source("board"), source("mic")
AUDIO, VIDEO, BOTH = (Kind.AUDIO,), (Kind.VIDEO,), (Kind.VIDEO, Kind.AUDIO)


def _lesson(*sources: SourceSpec) -> LessonState:
    state = LessonState(header("clock", sources=sources))
    state.apply(Start(at=FIRST_BOOT.moment(0.0)))
    return state


def _follow(state: LessonState, entries: list[tuple[float, Record]], boots: tuple[Boot, ...] = (FIRST_BOOT,)) -> None:
    """Let a blind planner follow the commits, one after the other."""
    clock = LessonClock(state)
    planner = Planner(state=state, clock=clock, evidence=Evidence(), blind=True)
    for at, record in entries:
        state.apply(record)
        boot = [boot for boot in boots if boot.began_s <= at][-1]
        while due := planner.due(boot.moment(at)):
            for news in due:
                state.apply(news)


def _errors_ms(
    state: LessonState, epoch: SimulatedEpoch, master: SimulatedEpoch, *, since_s: float = 0.0
) -> list[float]:
    """Offset between what two feeds saw at the same instants, as the lesson places it."""
    errors = []
    at = max(epoch.begin_s, master.begin_s, since_s)
    while at < min(epoch.end_s, master.end_s):
        placed = state.sources[epoch.spec.id].to_lesson(epoch.epoch, round(epoch.source_seconds(at) * 48_000))
        truth = state.sources[master.spec.id].to_lesson(master.epoch, round(master.source_seconds(at) * 48_000))
        assert placed is not None
        assert truth is not None
        errors.append((placed - truth) / 48)
        at += 0.5
    return errors


def test_the_line_lies_under_the_arrivals() -> None:
    rng = random.Random(1)
    drift = 80e-6
    arrivals = [
        Arrival(pts, round(1_000_000 + drift * pts + 48 * rng.expovariate(1 / 10)))
        for pts in range(0, 100 * TICKS_PER_SECOND, TICKS_PER_SECOND)
    ]
    fit = fit_clock(arrivals)
    truth = 1_000_000 + drift * arrivals[-1].pts
    assert abs(fit.offset - truth) < 4 * 48
    assert all(arrival.delay >= 1_000_000 for arrival in arrivals)


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9)), min_size=1, max_size=40))
def test_no_arrivals_break_the_fit(points: list[tuple[int, int]]) -> None:
    arrivals = [Arrival(pts, delay) for pts, delay in points]
    fit = fit_clock(arrivals)
    newest = max(arrivals, key=lambda arrival: arrival.pts)
    assert fit.offset <= max(a.delay for a in arrivals if a.pts == newest.pts)
    assert fit.residual >= 0


@pytest.mark.parametrize(
    ("jitter", "bound_ms"),
    [(no_jitter, 6.0), (exponential(0.02), 12.0), (bursts(0.01), 12.0), (exponential(0.1), 30.0)],
)
def test_feeds_stay_together_while_their_clocks_drift(jitter: object, bound_ms: float) -> None:
    mic = SimulatedEpoch(MIC, 0.2, 600, ppm=40, kinds=AUDIO, origin_s=3.0)
    teacher = SimulatedEpoch(TEACHER, 0.0, 600, ppm=-100, jitter=jitter, origin_s=7.4)  # type: ignore[arg-type]
    board = SimulatedEpoch(BOARD, 1.1, 600, ppm=100, jitter=jitter, origin_s=90_000.0)  # type: ignore[arg-type]
    state = _lesson(MIC, TEACHER, BOARD)
    _follow(state, in_order([mic, teacher, board]))
    for feed in (teacher, board):
        errors = _errors_ms(state, feed, mic, since_s=5.0)
        assert max(map(abs, errors)) < bound_ms
    assert state.origin is not None
    assert state.origin.master == "mic"


def test_lesson_begins_where_picture_and_voice_are_both_there() -> None:
    mic = SimulatedEpoch(MIC, 1.5, 30, kinds=AUDIO)
    teacher = SimulatedEpoch(TEACHER, 0.5, 30)
    state = _lesson(MIC, TEACHER)
    _follow(state, in_order([mic, teacher]))
    assert state.origin is not None
    assert state.origin.at.monotonic_ns == pytest.approx(FIRST_BOOT.moment(1.5).monotonic_ns, abs=1e5)
    assert state.origin.at.wall == FIRST_BOOT.moment(1.5).wall
    assert state.sources["mic"].to_lesson(0, 0) == 0


def test_a_slow_source_is_waited_for_five_seconds() -> None:
    teacher = SimulatedEpoch(TEACHER, 0.5, 40, kinds=BOTH)
    mic = SimulatedEpoch(MIC, 3.0, 40, kinds=AUDIO)
    late = SimulatedEpoch(MIC, 20.0, 40, kinds=AUDIO)
    for feed, begins, master in ((mic, 3.0, "mic"), (late, 0.5, "teacher")):
        state = _lesson(MIC, TEACHER)
        _follow(state, in_order([teacher, feed]))
        assert state.origin is not None
        assert state.origin.master == master
        assert state.origin.at.monotonic_ns == pytest.approx(FIRST_BOOT.moment(begins).monotonic_ns, abs=1e5)


def test_without_any_voice_the_monotonic_clock_leads() -> None:
    teacher = SimulatedEpoch(TEACHER, 0.0, 300, ppm=100, jitter=exponential(0.01))
    board = SimulatedEpoch(BOARD, 0.3, 300, ppm=-60, jitter=exponential(0.01))
    state = _lesson(TEACHER, BOARD)
    _follow(state, in_order([teacher, board]))
    assert state.origin is not None
    assert state.origin.master is None
    assert max(map(abs, _errors_ms(state, board, teacher, since_s=4.0))) < 20.0


def test_a_restarted_source_takes_its_place_again() -> None:
    mic = SimulatedEpoch(MIC, 0.0, 200, kinds=AUDIO, ppm=20)
    first = SimulatedEpoch(TEACHER, 0.0, 61.5, origin_s=12.0, jitter=exponential(0.02), lost="feed ended")
    again = SimulatedEpoch(
        TEACHER, 75.2, 200, epoch=1, first_seq=len(range(16)), origin_s=0.0, jitter=exponential(0.02)
    )
    state = _lesson(MIC, TEACHER)
    _follow(state, in_order([mic, first, again]))
    assert max(map(abs, _errors_ms(state, again, mic, since_s=80.0))) < 15.0
    (before, after) = state.sources["teacher"].lesson_coverage(Kind.VIDEO)
    assert after.start - before.end == pytest.approx((75.2 - 61.5) * 48_000, abs=1_500)


def test_the_lesson_goes_on_without_its_master_and_takes_it_back() -> None:
    mic = SimulatedEpoch(MIC, 0.0, 100, kinds=AUDIO, ppm=90, lost="unplugged")
    teacher = SimulatedEpoch(TEACHER, 0.0, 400, ppm=-50, jitter=exponential(0.01))
    board = SimulatedEpoch(BOARD, 0.0, 400, ppm=30, jitter=exponential(0.01))
    back = SimulatedEpoch(MIC, 250, 400, epoch=1, first_seq=25, kinds=AUDIO, ppm=90, origin_s=5.0)
    state = _lesson(MIC, TEACHER, BOARD)
    _follow(state, in_order([mic, teacher, board, back]))
    assert max(map(abs, _errors_ms(state, board, teacher, since_s=5.0))) < 20.0
    assert max(map(abs, _errors_ms(state, teacher, back, since_s=255.0))) < 20.0
    length = state.sources["teacher"].lesson_coverage(Kind.VIDEO)[-1].end / 48_000
    assert length == pytest.approx(400, abs=0.1)


@pytest.mark.parametrize(
    ("wall_off_s", "expected_s"), [(0.0, 130.0), (-86_400.0, 60.0), (86_400.0, 60.0 + 3_600.0), (-40.0, 90.0)]
)
def test_after_a_reboot_the_wall_clock_places_within_bounds(wall_off_s: float, expected_s: float) -> None:
    rebooted = Boot("boot-2", began_s=100.0, wall_off_s=wall_off_s)
    feeds = [
        SimulatedEpoch(MIC, 0.0, 60, kinds=AUDIO),
        SimulatedEpoch(TEACHER, 0.0, 60),
        SimulatedEpoch(TEACHER, 130.0, 200, epoch=1, first_seq=15, origin_s=3.0, boot=rebooted),
        SimulatedEpoch(MIC, 131.0, 200, epoch=1, first_seq=15, origin_s=9.0, kinds=AUDIO, boot=rebooted),
    ]
    state = _lesson(MIC, TEACHER)
    _follow(state, in_order(feeds), (FIRST_BOOT, rebooted))
    second = state.sources["teacher"].lesson_coverage(Kind.VIDEO)[1]
    assert second.start / 48_000 == pytest.approx(expected_s, abs=0.2)
    assert max(map(abs, _errors_ms(state, feeds[2], feeds[3]))) < 6.0


@pytest.mark.parametrize("dead_before", [True, False])
def test_a_dead_wall_clock_says_nothing_about_how_long_the_box_was_off(dead_before: bool) -> None:
    years = -56 * 365 * 86_400.0
    boots = (
        Boot("boot-1", began_s=FIRST_BOOT.began_s, wall_off_s=years if dead_before else 0.0),
        Boot("boot-2", began_s=100.0, wall_off_s=0.0 if dead_before else years),
    )
    feeds = [
        SimulatedEpoch(TEACHER, 0.0, 60, boot=boots[0]),
        SimulatedEpoch(TEACHER, 130.0, 200, epoch=1, first_seq=15, origin_s=3.0, boot=boots[1]),
    ]
    state = LessonState(header("clock", sources=(TEACHER,)))
    state.apply(Start(at=boots[0].moment(0.0)))
    _follow(state, in_order(feeds), boots)
    first, second = state.sources["teacher"].lesson_coverage(Kind.VIDEO)
    assert second.start - first.end <= 48_000 // 5


def test_a_planned_length_bounds_what_a_wrong_wall_clock_can_do() -> None:
    rebooted = Boot("boot-2", began_s=100.0, wall_off_s=1e7)
    state = LessonState(header("clock", sources=(TEACHER,)))
    state.apply(Start(at=FIRST_BOOT.moment(0.0), for_s=300.0))
    feeds = [
        SimulatedEpoch(TEACHER, 0.0, 60),
        SimulatedEpoch(TEACHER, 130.0, 200, epoch=1, first_seq=15, boot=rebooted),
    ]
    _follow(state, in_order(feeds), (FIRST_BOOT, rebooted))
    assert state.sources["teacher"].lesson_coverage(Kind.VIDEO)[1].start == pytest.approx(300 * 48_000, abs=5_000)


def test_salvaged_segments_without_arrivals_lie_where_their_epoch_began() -> None:
    mic = SimulatedEpoch(MIC, 0.0, 60, kinds=AUDIO)
    teacher = SimulatedEpoch(TEACHER, 0.0, 20)
    salvaged = SimulatedEpoch(TEACHER, 30.0, 33.0, epoch=1, first_seq=5, origin_s=50.0, with_anchors=False)
    state = _lesson(MIC, TEACHER)
    _follow(state, in_order([mic, teacher, salvaged]))
    assert max(map(abs, _errors_ms(state, salvaged, mic))) < 100.0


def test_maps_are_the_same_whether_followed_live_or_made_afterwards() -> None:
    feeds = [
        SimulatedEpoch(MIC, 0.0, 300, kinds=AUDIO, ppm=30, finished=True),
        SimulatedEpoch(TEACHER, 0.4, 300, ppm=-90, jitter=exponential(0.02), finished=True),
    ]
    live, later = _lesson(MIC, TEACHER), _lesson(MIC, TEACHER)
    _follow(live, in_order(feeds))
    for _, record in in_order(feeds):
        later.apply(record)
    later.apply(Stop(at=FIRST_BOOT.moment(300)))
    _follow(later, [(301.0, Stop(at=FIRST_BOOT.moment(300)))])
    for at in range(10, 300, 5):
        tick = round(feeds[1].source_seconds(at) * 48_000)
        (a, b) = (state.sources["teacher"].to_lesson(0, tick) for state in (live, later))
        assert a is not None
        assert b is not None
        assert abs(a - b) < 6 * 48
    assert later.final


def test_planning_again_from_the_journal_adds_nothing() -> None:
    feeds = [
        SimulatedEpoch(MIC, 0.0, 120, kinds=AUDIO, ppm=30),
        SimulatedEpoch(TEACHER, 0.4, 120, ppm=-90, jitter=exponential(0.02)),
    ]
    state = _lesson(MIC, TEACHER)
    _follow(state, in_order(feeds))
    fresh = Planner(state=state, clock=LessonClock(state), evidence=Evidence(), blind=True)
    assert not [record for record in fresh.due(FIRST_BOOT.moment(120.2)) if isinstance(record, Mapped)]
