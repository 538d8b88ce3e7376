from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom.recording import live_since, recorded_s, stop_reason
from lesson.clock import Moment
from lesson.model import Kind, StreamInfo
from lesson.records import EpochStarted, SourceLost, Start, Stop
from lesson.state import LessonState
from tests.kit.faked_box import FakedBox
from tests.kit.lessons import header, moment, source

HOUR = 3600.0


def state(*, for_s: float | None = None, started: dict[str, float] | None = None, **fields: object) -> LessonState:
    folded = LessonState(header(**fields))
    folded.apply(Start(at=moment(0), for_s=for_s))
    for name, at in (started or {}).items():
        folded.apply(epoch(name, moment(at)))
    return folded


def epoch(name: str, at: Moment, number: int = 0) -> EpochStarted:
    return EpochStarted(source=name, epoch=number, at=at, streams=(StreamInfo(kind=Kind.VIDEO, codec="h264"),))


def test_time_runs_from_the_last_required_source() -> None:
    folded = state(for_s=20, started={"teacher": 1.5, "mic": 3.0})
    assert live_since(folded) == moment(1.5)  # the microphone is not required here
    assert recorded_s(folded, moment(11.5)) == 10.0
    assert stop_reason(folded, moment(21.4), max_lesson_s=HOUR) is None
    assert stop_reason(folded, moment(21.6), max_lesson_s=HOUR) == "its time is over"


def test_without_required_sources_all_are_waited_for() -> None:
    specs = (source("teacher"), source("board"))
    folded = state(for_s=20, started={"teacher": 1.0}, sources=specs)
    assert live_since(folded) is None
    folded.apply(epoch("board", moment(2.0)))
    assert live_since(folded) == moment(2.0)


def test_a_source_that_never_comes_does_not_hold_the_clock_for_ever() -> None:
    folded = state(for_s=20)
    assert recorded_s(folded, moment(8)) == 0.0
    assert stop_reason(folded, moment(31), max_lesson_s=HOUR) == "its time is over"


def test_a_forgotten_stop_button() -> None:
    folded = state(started={"teacher": 0.0})
    folded.apply(SourceLost(source="teacher", epoch=0, at=moment(HOUR - 10), reason="x"))
    assert stop_reason(folded, moment(HOUR + 1), max_lesson_s=HOUR) == "longest lesson reached"


def test_a_box_that_was_off_for_long_ends_the_lesson_a_short_cut_does_not() -> None:
    folded = state(started={"teacher": 0.0})
    after_reboot = moment(20 * 60, boot="boot-2")
    assert stop_reason(folded, after_reboot, max_lesson_s=4 * HOUR) is None
    next_day = moment(20 * HOUR, boot="boot-2")
    assert stop_reason(folded, next_day, max_lesson_s=40 * HOUR) == "the box was off too long"


def test_a_clock_that_jumped_back_over_a_reboot_does_not_end_or_crash() -> None:
    folded = state(for_s=60, started={"teacher": 1.0})
    before_the_epoch = moment(-1000, boot="boot-2")
    assert stop_reason(folded, before_the_epoch, max_lesson_s=HOUR) is None


def test_a_stopped_lesson_needs_no_stop() -> None:
    folded = state(for_s=1, started={"teacher": 1.0})
    folded.apply(Stop(at=moment(2)))
    assert stop_reason(folded, moment(100), max_lesson_s=HOUR) is None


RIGHT = datetime(2026, 11, 2, 8, tzinfo=UTC)
DEAD = datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)
MINUTE = 60.0


@pytest.mark.parametrize("wall", [RIGHT, DEAD])
@pytest.mark.parametrize("minutes", [45, 239])
def test_a_lesson_that_records_never_ends_by_itself(wall: datetime, minutes: int) -> None:
    box = FakedBox(wall)
    assert box.record(minutes * MINUTE) == (minutes * MINUTE, None)


def test_the_longest_lesson_ends_at_its_length() -> None:
    box = FakedBox(RIGHT, max_lesson_s=4 * HOUR)
    assert box.record(5 * HOUR) == (4 * HOUR, "longest lesson reached")


def test_a_lesson_whose_cameras_are_dead_waits_for_them() -> None:
    box = FakedBox(RIGHT)
    box.record(MINUTE)
    box.wait(2 * HOUR)
    assert box.reason() is None
    assert box.record(MINUTE) == (MINUTE, None)


CUTS = {  # clock before the cut; clock after it, by the one before where it is right; goes on without an end; counted
    "right": (RIGHT, timedelta(seconds=20), True, 20.0),
    "right, 29 min": (RIGHT, timedelta(minutes=29), True, 29 * MINUTE),
    "right, 31 min": (RIGHT, timedelta(minutes=31), False, 31 * MINUTE),
    "next day": (RIGHT, timedelta(hours=20), False, 20 * HOUR),
    "weekend": (RIGHT, timedelta(hours=62), False, 62 * HOUR),
    "1970 after": (RIGHT, DEAD, True, 0.0),
    "1970 before": (DEAD, RIGHT, True, 0.0),
    "both 1970": (DEAD, DEAD, True, 0.0),
    "both 1970, later": (DEAD, DEAD + timedelta(hours=3), True, 0.0),
    "hour back": (RIGHT, timedelta(hours=-1), True, 0.0),
    "year back": (RIGHT, timedelta(days=-365), True, 0.0),
}


def cut(name: str, *, for_s: float | None = None) -> FakedBox:
    """A box that recorded 20 minutes, lost its power, and is up again."""
    before, after, _, _ = CUTS[name]
    box = FakedBox(before, for_s=for_s, max_lesson_s=HOUR)
    assert box.record(20 * MINUTE) == (20 * MINUTE, None)
    box.boot(box.wall + after if isinstance(after, timedelta) else after)
    return box


@pytest.mark.parametrize("name", CUTS)
def test_a_power_cut_in_a_lesson_without_end(name: str) -> None:
    _, _, goes_on, off_s = CUTS[name]
    box = cut(name)
    recorded, reason = box.record(5 * HOUR)
    if goes_on:
        assert reason == "longest lesson reached"
        assert recorded == pytest.approx(40 * MINUTE - off_s, abs=5)
    else:
        assert (recorded, reason) == (0.0, "the box was off too long")


@pytest.mark.parametrize("name", CUTS)
def test_a_power_cut_in_a_lesson_with_a_window(name: str) -> None:
    *_, off_s = CUTS[name]
    recorded, reason = cut(name, for_s=45 * MINUTE).record(5 * HOUR)
    assert reason == "its time is over"
    assert recorded == pytest.approx(max(0.0, 25 * MINUTE - off_s), abs=5)


@pytest.mark.parametrize("name", [name for name, case in CUTS.items() if case[2]])
@pytest.mark.parametrize(
    "step", [timedelta(days=20_000), timedelta(days=1), timedelta(hours=-1), timedelta(days=-20_000)]
)
def test_a_clock_set_while_recording_decides_nothing(name: str, step: timedelta) -> None:
    _, _, _, off_s = CUTS[name]
    box = cut(name)
    assert box.record(MINUTE) == (MINUTE, None)
    box.set_clock(max(DEAD, box.wall + step))
    recorded, reason = box.record(5 * HOUR)
    assert reason == "longest lesson reached"
    assert recorded == pytest.approx(39 * MINUTE - off_s, abs=5)


def test_a_clock_set_before_the_cut_is_the_one_that_counts() -> None:
    box = FakedBox(DEAD)
    box.record(MINUTE)
    box.set_clock(RIGHT)
    box.state.apply(SourceLost(source="teacher", epoch=0, at=box.now, reason="x"))
    box.record(MINUTE)
    box.boot(box.wall + timedelta(days=1))
    assert box.record(MINUTE) == (0.0, "the box was off too long")


walls = st.sampled_from(
    [RIGHT, DEAD, RIGHT + timedelta(hours=1), RIGHT - timedelta(days=1), RIGHT + timedelta(days=400)]
)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(1, 4)),
        st.tuples(st.just("clock"), walls),
        st.tuples(st.just("boot"), st.just(DEAD)),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(wall=walls, happenings=happenings)
def test_on_clocks_that_cannot_be_trusted_only_recorded_time_counts(
    wall: datetime, happenings: list[tuple[str, object]]
) -> None:
    box = FakedBox(wall)
    box.record(4)
    total = 4.0
    for what, value in happenings:
        if what == "record":
            assert isinstance(value, int)
            assert box.record(value * MINUTE) == (value * MINUTE, None)
            total += value * MINUTE
        elif isinstance(value, datetime) and what == "clock":
            box.set_clock(value)
        elif isinstance(value, datetime):
            box.boot(value)
            box.record(4)
            total += 4.0
        assert box.reason() is None
        assert recorded_s(box.state, box.now) == pytest.approx(total, abs=0.01)


def test_sources_that_came_in_different_boots_are_put_in_order() -> None:
    """The second boot's monotonic clock shows less than the first one's: it still came later."""
    specs = (source("teacher", required=True), source("mic", required=True))
    folded = state(sources=specs)
    folded.apply(epoch("teacher", moment(3000)))
    late = Moment("boot-2", 40_000_000_000, moment(3600).wall)
    folded.apply(epoch("mic", late))
    assert live_since(folded) == late
    assert recorded_s(folded, Moment("boot-2", 100_000_000_000, moment(3660).wall)) == 60.0
