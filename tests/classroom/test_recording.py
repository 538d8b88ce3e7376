from __future__ import annotations

from classroom.recording import live_since, recorded_s, stop_reason
from lesson.clock import Moment
from lesson.model import Kind, StreamInfo
from lesson.records import EpochStarted, SourceLost, Start, Stop
from lesson.state import LessonState
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
