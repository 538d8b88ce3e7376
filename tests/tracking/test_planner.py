"""The plan over time: what is waited for, what is frozen, and that a kill changes nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated_feeds import FIRST_BOOT, SimulatedEpoch, exponential, in_order
from lesson.loss import Loss
from lesson.model import Kind, Layout, Role
from lesson.records import (
    CropPath,
    EpochStarted,
    FrozenUntil,
    Origin,
    Record,
    SegmentCommitted,
    SourceFinished,
    SourceLost,
    Start,
    Stop,
)
from lesson.state import LessonState
from tests.kit.lessons import MILLISECOND, header, moment, segment, source
from tests.tracking.simulation import (
    AUDIO,
    BOARD,
    MIC,
    TEACHER,
    Run,
    S,
    assert_tiles,
    feeds,
    joined,
    lesson,
    observed,
    stop,
)

ALL = [(TEACHER, tuple(Kind)), (BOARD, (Kind.VIDEO,)), (MIC, AUDIO)]


def test_a_lesson_is_planned_to_its_stop() -> None:
    entries = sorted([*observed(in_order(feeds(60))), stop(60.0)], key=lambda entry: entry[0])
    run = lesson(TEACHER, BOARD, MIC).go(entries, 70)
    assert run.state.final
    assert run.state.frozen_until == pytest.approx(59.9 * S, abs=3 * 1_920)
    assert run.state.frozen_until % 1_920 == 0
    assert_tiles(run.shots, run.state.frozen_until)
    assert all(shot.span.duration >= 3 * S for shot in joined(run.shots))


def test_the_plan_follows_within_twelve_seconds() -> None:
    run = lesson(TEACHER, BOARD, MIC).go(observed(in_order(feeds(90))), 90)
    lags = [now - at / S for now, at in run.frozen if now > 20]
    assert max(later - frozen / S for (_, frozen), (later, _) in pairwise(run.frozen) if later > 20) < 12.5
    assert min(lags) > 3


def test_a_source_that_never_delivers_is_not_waited_for() -> None:
    entries = in_order(feeds(40)[:1])
    run = lesson(TEACHER, BOARD, MIC).go(observed(entries), 40)
    assert run.state.frozen_until > 25 * S
    assert {shot.sources for shot in run.shots} == {("teacher",)}


@pytest.mark.parametrize("late_s", [0.5, 4.0, 4.9, 5.3, 12.0, 28.0])
@pytest.mark.parametrize("first", ["board", "mic"])
@pytest.mark.parametrize("afterwards", [False, True], ids=["live", "from the folder"])
def test_what_was_recorded_before_the_late_ones_came_is_in_the_lesson(
    late_s: float, first: str, afterwards: bool
) -> None:
    """Of a start that draws out over less than 5 s the whole room begins together; else nothing is cut off."""
    delivered = {
        "teacher": late_s,
        "board": 0.0 if first == "board" else late_s,
        "mic": 0.0 if first == "mic" else late_s,
    }
    epochs = [
        SimulatedEpoch(TEACHER, delivered["teacher"], 60.0, finished=True),
        SimulatedEpoch(BOARD, delivered["board"], 60.0, finished=True),
        SimulatedEpoch(MIC, delivered["mic"], 60.0, kinds=AUDIO, finished=True),
    ]
    entries = sorted([*observed(in_order(epochs)), stop(60.0)], key=lambda entry: entry[0])
    run = lesson(TEACHER, BOARD, MIC)
    run.go([(0.0, record) for _, record in entries], 1) if afterwards else run.go(entries, 70)
    origin = next(record for record in run.plan if isinstance(record, Origin))
    began = (origin.at.monotonic_ns - FIRST_BOOT.moment(0.0).monotonic_ns) / 1e9
    assert began == pytest.approx(late_s if late_s <= 5 else 0.0, abs=0.3)
    assert run.state.final
    assert run.state.frozen_until == pytest.approx((60 - began) * S, abs=3 * 1_920)


@pytest.mark.parametrize("held_s", [0.0, 0.9, 3.0, 7.0, 10.0])
@pytest.mark.parametrize("late", ["teacher", "mic", "both"])
@pytest.mark.parametrize("afterwards", [False, True], ids=["live", "from the folder"])
def test_what_arrives_in_a_burst_lies_where_it_was_taken(held_s: float, late: str, afterwards: bool) -> None:
    """A process that got no core at first, a line that held everything up, a camera that sends some of its past."""
    held = {name: held_s if late in {name, "both"} else 0.0 for name in ("teacher", "mic")}
    epochs = [
        SimulatedEpoch(TEACHER, 0.0, 30.0, held_s=held["teacher"], jitter=exponential(0.01), lost="gone"),
        SimulatedEpoch(TEACHER, 33.0, 90.0, epoch=1, first_seq=8, held_s=held["teacher"], jitter=exponential(0.01),
                       ppm=-80, finished=True),
        SimulatedEpoch(BOARD, 0.0, 90.0, jitter=exponential(0.01), ppm=90, finished=True),
        SimulatedEpoch(MIC, 0.0, 90.0, kinds=AUDIO, held_s=held["mic"], jitter=exponential(0.01), finished=True),
    ]  # fmt: skip
    entries = sorted([*observed(in_order(epochs)), stop(90.0)], key=lambda entry: entry[0])
    run = lesson(TEACHER, BOARD, MIC)
    run.go([(0.0, record) for _, record in entries], 1) if afterwards else run.go(entries, 100)
    assert run.state.final
    for epoch in epochs:
        source = run.state.sources[epoch.spec.id]
        for map_ in source.maps[epoch.epoch]:
            true = epoch.begin_s + (map_.span.start - map_.offset) / S
            assert map_.span.start / S == pytest.approx(true, abs=0.1)
    assert {gap.source for gap in run.state.gaps()} <= {"teacher"}
    for gap in run.state.gaps():
        assert (gap.span.start / S, gap.span.end / S) == pytest.approx((30.0, 33.0), abs=0.1)
    assert not any(shot.layout is Layout.SLATE for shot in run.shots)


@pytest.mark.parametrize("lasts_s", [3.0, 6.0, 9.0, 11.0])
@pytest.mark.parametrize("afterwards", [False, True], ids=["live", "from the folder"])
def test_an_epoch_that_ends_in_its_burst_is_placed_once_by_what_came_last(lasts_s: float, afterwards: bool) -> None:
    """All of it came at once, when it was over: its last packet is the promptest, and nothing contradicts it later."""
    burst = SimulatedEpoch(TEACHER, 20.0, 20.0 + lasts_s, epoch=1, first_seq=4, held_s=lasts_s, lost="gone")
    epochs = [
        SimulatedEpoch(TEACHER, 0.0, 16.0, lost="gone"),
        burst,
        SimulatedEpoch(BOARD, 0.0, 60.0, finished=True),
        SimulatedEpoch(MIC, 0.0, 60.0, kinds=AUDIO, finished=True),
    ]
    entries = sorted([*observed(in_order(epochs)), stop(60.0)], key=lambda entry: entry[0])
    run = lesson(TEACHER, BOARD, MIC)
    run.go([(0.0, record) for _, record in entries], 1) if afterwards else run.go(entries, 70)
    (placed,) = run.state.sources["teacher"].maps[1]
    assert placed.offset / S == pytest.approx(20.0, abs=0.1)


def test_an_opened_source_without_pictures_is_not_waited_for() -> None:
    mute = EpochStarted(source="board", epoch=0, at=FIRST_BOOT.moment(0.2), streams=())
    never = SimulatedEpoch(BOARD, 0.2, 0.2).records()
    for opened in ([(0.2, mute)], never):
        entries = sorted([*in_order(feeds(60)[:1]), *opened], key=lambda entry: entry[0])
        run = lesson(TEACHER, BOARD).go(observed(entries), 60)
        assert run.state.frozen_until > 35 * S


@pytest.mark.parametrize("lost", ["the feed ended", None])
def test_a_dead_source_does_not_hold_up_the_rest(lost: str | None) -> None:
    teacher, _, mic = feeds(120)
    board = SimulatedEpoch(BOARD, 0.4, 30.0, lost=lost)
    run = lesson(TEACHER, BOARD, MIC).go(observed(in_order([teacher, board, mic])), 120)
    lags = [now - at / S for now, at in run.frozen if now > 20]
    assert max(lags) < 25
    assert lags[-1] < 25 if lost is None else lags[-1] < 12.5
    assert not any("board" in shot.sources and shot.span.end > 31 * S for shot in run.shots)


def test_a_source_that_comes_back_is_used_again() -> None:
    teacher, _, mic = feeds(120)
    board = SimulatedEpoch(BOARD, 0.4, 30.0, lost="unplugged")
    again = SimulatedEpoch(BOARD, 50.0, 120.0, epoch=1, first_seq=8)
    run = lesson(TEACHER, BOARD, MIC).go(observed(in_order([teacher, board, again, mic])), 120)
    shown = [shot.span for shot in run.shots if "board" in shot.sources]
    assert any(span.start > 50 * S for span in shown)
    assert not any(span.end > 30.1 * S and span.start < 50 * S for span in shown)


def test_when_everything_is_lost_time_goes_on_with_a_slate() -> None:
    lost = SimulatedEpoch(TEACHER, 0.0, 20.0, lost="power of the camera")
    run = lesson(TEACHER).go(observed(in_order([lost])), 60)
    assert run.state.frozen_until > 45 * S
    assert run.shots[-1].layout is Layout.SLATE
    assert_tiles(run.shots, run.state.frozen_until)


def test_a_stalled_disk_gives_up_nothing_that_still_comes() -> None:
    """All commits between 20 s and 40 s arrive at 40 s: no gap may be planned for it."""
    entries = [(40.0 if 20 < at < 40 else at, record) for at, record in in_order(feeds(80))]
    run = lesson(TEACHER, BOARD, MIC).go(observed(entries), 80)
    assert not any(shot.layout is Layout.SLATE for shot in run.shots)
    assert run.state.frozen_until > 65 * S


def test_what_a_disk_held_back_is_planned_when_the_next_start_finds_it() -> None:
    """The disk is gone from 20 s on; the last segments before that are committed when it is back, 10 s later."""
    parts = [SimulatedEpoch(spec, 0.0, 20.0, kinds=kinds, lost="no such file") for spec, kinds in ALL]
    again = [SimulatedEpoch(spec, 30.0, 80.0, kinds=kinds, epoch=1, first_seq=9) for spec, kinds in ALL]
    entries: list[tuple[float, Record]] = []
    for at, record in in_order(parts):
        if isinstance(record, SourceLost):
            record = replace(record, code=Loss.DISK)
        late = isinstance(record, SegmentCommitted) and at > 16
        entries.append((30.0 if late else at, record))
    run = lesson(TEACHER, BOARD, MIC).go(observed(sorted([*entries, *in_order(again)], key=itemgetter(0))), 80)
    slates = [shot.span for shot in run.shots if shot.layout is Layout.SLATE]
    assert all(span.start >= 20 * S - 1_920 and span.end <= 30.5 * S for span in slates), slates
    assert run.state.frozen_until > 60 * S


def test_late_analysis_is_replaced_by_the_safe_wide_shot() -> None:
    run = lesson(TEACHER, BOARD, MIC).go(observed(in_order(feeds(120)), after_s=1_000), 120)
    assert run.state.frozen_until > 90 * S
    assert {(shot.layout, shot.sources) for shot in run.shots} == {(Layout.FULL, ("teacher",))}


def test_blind_planning_needs_no_analysis() -> None:
    entries = sorted([*in_order(feeds(30)), stop(30.0)], key=lambda entry: entry[0])
    run = lesson(TEACHER, BOARD, MIC).go(entries, 40, blind=True)
    assert run.state.final
    assert {shot.sources for shot in run.shots} == {("teacher",)}
    assert not any(isinstance(record, CropPath) for record in run.plan)


def test_nothing_recorded_is_a_lesson_of_no_length() -> None:
    run = lesson(TEACHER)
    run.go([(1.0, SourceFinished(source="teacher", at=moment())), stop(1.0)], 3)
    assert run.plan == [FrozenUntil(at=0, final=True)]


def test_sound_alone_is_a_slate() -> None:
    mic = SimulatedEpoch(MIC, 0.0, 20, kinds=AUDIO, finished=True)
    entries = sorted([*in_order([mic]), stop(20.0)], key=lambda entry: entry[0])
    run = lesson(MIC).go(entries, 30)
    assert run.state.final
    assert [shot.layout for shot in joined(run.shots)] == [Layout.SLATE]
    assert run.state.frozen_until == pytest.approx(20 * S, abs=1_920)


def _imported(*lengths: tuple[str, float]) -> tuple[Run, list[Record]]:
    specs = [source(role, imported=True, start=round(0.5 * S) if role == "board" else 0) for role, _ in lengths]
    run = Run(LessonState(header("import", sources=tuple(specs))))
    records: list[Record] = [Start(at=moment()), Stop(at=moment())]
    for spec, (_, seconds) in zip(specs, lengths, strict=True):
        origin = round(7.4 * S) if spec.role is Role.STUDENTS else 0
        records.append(
            EpochStarted(source=spec.id, epoch=0, at=moment(), streams=_streams(), start=spec.start, origin=origin)
        )
        done, seq = 0.0, 0
        while done < seconds:
            length = min(4.0, seconds - done)
            record = segment(spec, seq, start_s=origin / S + done, seconds=length)
            assert record.time_base == MILLISECOND
            records.append(SegmentCommitted(segment=record))
            done, seq = done + length, seq + 1
        records.append(SourceFinished(source=spec.id, at=moment()))
    return run, records


def _streams() -> tuple:  # type: ignore[type-arg]
    return next(r for _, r in SimulatedEpoch(TEACHER, 0, 1).records() if isinstance(r, EpochStarted)).streams


def test_imported_files_lie_exactly_where_the_header_says() -> None:
    run, records = _imported(("teacher", 60.0), ("students", 60.02), ("board", 30.0))
    run.go(observed([(0.0, record) for record in records]), 3)
    assert run.state.final
    assert run.state.sources["students"].to_lesson(0, round(7.4 * S)) == 0
    assert run.state.sources["board"].to_lesson(0, 0) == S // 2
    assert run.state.frozen_until == 60 * S
    assert_tiles(run.shots, 60 * S)
    assert isinstance(run.plan[0], Origin)


@pytest.mark.parametrize(("hole_s", "stands"), [(0.011, True), (0.3, True), (0.499, True), (0.5, False), (3.0, False)])
def test_the_last_picture_of_a_part_stands_until_the_next_part(hole_s: float, stands: bool) -> None:
    """The sound of a camera's files is some milliseconds longer than their pictures: no card for a frame or two."""
    run, records = _imported(("teacher", 12.0))
    (spec,) = run.state.header.sources
    over = records.pop()
    following = round((12.0 + hole_s) * S)
    records.append(EpochStarted(source=spec.id, epoch=1, at=moment(), streams=_streams(), start=following))
    records += [SegmentCommitted(segment=segment(spec, 3, epoch=1, start_s=0.0, seconds=4.0)), over]
    run.go(observed([(0.0, record) for record in records]), 3)
    assert run.state.final
    assert run.state.frozen_until == pytest.approx(following + 4 * S, abs=1_920)
    assert [shot.layout for shot in joined(run.shots)] == (
        [Layout.FULL] if stands else [Layout.FULL, Layout.SLATE, Layout.FULL]
    )


def test_imported_files_are_waited_for_however_long_it_takes() -> None:
    run, records = _imported(("teacher", 60.0), ("board", 60.0))
    slow = [record for record in records if not (isinstance(record, SegmentCommitted | SourceFinished))]
    fast = [r for r in records if isinstance(r, SegmentCommitted) and r.segment.source == "teacher"]
    run.go(observed([(0.0, record) for record in [*slow, *fast]]), 200)
    assert run.state.frozen_until == 0


@settings(max_examples=15)
@given(st.integers(0, 1_000_000), st.lists(st.booleans(), min_size=8, max_size=8))
def test_kills_change_nothing(seed: int, kills: list[bool]) -> None:
    rng = random.Random(seed)
    ends = [rng.choice([12.0, 45.0, 60.3]), rng.choice([33.3, 60.2]), 60.25]
    epochs = [
        SimulatedEpoch(TEACHER, 0.0, ends[0], jitter=exponential(0.02), lost="lost", ppm=90, finished=True),
        SimulatedEpoch(BOARD, rng.uniform(0, 6), ends[1], jitter=exponential(0.02), lost="lost", finished=True),
        SimulatedEpoch(MIC, 0.1, ends[2], kinds=AUDIO, finished=True),
    ]
    entries = sorted([*observed(in_order(epochs), seed=seed), stop(60.0)], key=lambda entry: entry[0])
    calm = lesson(TEACHER, BOARD, MIC).go(entries, 70)
    turn = iter(kills * 40)
    shaken = lesson(TEACHER, BOARD, MIC).go(entries, 70, killed=lambda: next(turn))
    assert shaken.plan == calm.plan
    assert calm.state.final
    assert_tiles(calm.shots, calm.state.frozen_until)
    frozen = [record.at for record in calm.plan if isinstance(record, FrozenUntil)]
    assert frozen == sorted(frozen)


def test_what_is_frozen_live_is_what_is_planned_afterwards() -> None:
    """The same room planned while recording and in one go from the folder: the same shots, to a decision step."""
    entries = sorted([*observed(in_order(feeds(60, jitter=lambda *_: 0.0))), stop(60.0)], key=lambda entry: entry[0])
    live = lesson(TEACHER, BOARD, MIC).go(entries, 70)
    later = lesson(TEACHER, BOARD, MIC).go([(0.0, record) for _, record in entries], 1)
    assert [(s.layout, s.sources, s.span) for s in joined(later.shots)] == [
        (s.layout, s.sources, s.span) for s in joined(live.shots)
    ]
