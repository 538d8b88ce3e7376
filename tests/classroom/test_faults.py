"""What is wrong with a box, by what its lessons' journals say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.faults import SETTLE_SLOWLY_S, ClockWatch, is_over, job_faults, voice_faults
from lesson.box import Fault
from lesson.clock import Moment
from lesson.model import Kind, StreamInfo
from lesson.records import EpochStarted, SegmentCommitted, SourceLost, Start, Stop
from lesson.state import LessonState
from process.job import Job
from process.kept import Trouble
from tests.kit.lessons import header, moment, segment, source

CAMERA = source("teacher")
BOARD = source("board")
MIC = source("mic")
PICTURES = StreamInfo(kind=Kind.VIDEO, codec="h264")
SOUND = StreamInfo(kind=Kind.AUDIO, codec="aac")


def lesson() -> LessonState:
    state = LessonState(header(sources=(CAMERA, BOARD, MIC)))
    state.apply(Start(at=moment(0)))
    return state


def connect(state: LessonState, name: str, *streams: StreamInfo) -> None:
    """A new epoch with these streams, and a segment of it that holds both kinds it has."""
    number = state.sources[name].last_epoch + 1
    state.apply(EpochStarted(source=name, epoch=number, at=moment(number), streams=streams))
    for seq, stream in enumerate(streams):
        spec = MIC if stream.kind is Kind.AUDIO else CAMERA
        state.apply(SegmentCommitted(segment=replace(segment(spec, seq, epoch=number), source=name)))


@pytest.mark.parametrize("disk", [False, True])
def test_what_the_disk_refused_is_blamed_on_no_source(disk: bool) -> None:
    job = Job(stage="capture", source="teacher", module="capture")
    trouble = Trouble(job, "it said so", 0.0, refused=False, disk=disk)
    code = Fault.DISK_REFUSES if disk else Fault.CAPTURE_FAILS
    assert job_faults("lesson", [trouble]) == {(code, "lesson/capture-teacher"): "it said so"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["teacher", "board", "mic"]),
            st.sampled_from(["lost", (PICTURES,), (SOUND,), (PICTURES, SOUND)]),
        ),
        max_size=12,
    )
)
def test_a_room_that_was_heard_and_is_not_any_more_has_lost_its_voice(steps: list[tuple[str, object]]) -> None:
    state = lesson()
    sounding: dict[str, bool] = {}
    shown_s: Counter[str] = Counter()
    for name, what in steps:
        if isinstance(what, tuple):
            connect(state, name, *what)
            sounding[name] = SOUND in what
            shown_s[name] += 4 * (PICTURES in what)
        else:
            state.apply(SourceLost(source=name, epoch=state.sources[name].last_epoch, at=moment(99), reason="gone"))
            sounding[name] = False
    heard = any(isinstance(what, tuple) and SOUND in what for _, what in steps)
    lost = heard and not any(sounding.values())
    never = not heard and any(seconds >= 10 for seconds in shown_s.values())
    expected = [Fault.VOICE_LOST] * lost + [Fault.NO_VOICE] * never
    assert list(voice_faults(state)) == [(code, state.header.id) for code in expected]
    state.apply(Stop(at=moment(100), reason="asked for"))
    assert voice_faults(state) == {}


@pytest.mark.parametrize("seconds", range(0, 24, 4))
def test_a_lesson_that_never_had_any_sound_is_said_soon(seconds: int) -> None:
    state = lesson()
    state.apply(EpochStarted(source="board", epoch=0, at=moment(0), streams=(PICTURES,)))
    for number in range(seconds // 4):
        state.apply(SegmentCommitted(segment=segment(BOARD, number, start_s=1 + 4 * number, seconds=4)))
    assert [code for code, _ in voice_faults(state)] == ([Fault.NO_VOICE] if seconds > 10 else [])
    connect(state, "mic", SOUND)
    assert voice_faults(state) == {}


def test_who_was_heard_is_named() -> None:
    state = lesson()
    connect(state, "teacher", PICTURES, SOUND)
    connect(state, "teacher", PICTURES)
    assert list(voice_faults(state).values()) == ["no sound any more from teacher"]
    connect(state, "mic", SOUND)
    assert voice_faults(state) == {}


def at(seconds: float, wall: str) -> Moment:
    return Moment("boot", round(seconds * 1e9), wall)


@pytest.mark.parametrize("began", ["1970-01-01T00:00:10+00:00", "2024-12-31T23:00:00+00:00"])
def test_a_clock_that_is_set_right_is_no_fault_any_more(began: str) -> None:
    """A box without a battery for its clock, each morning."""
    watch = ClockWatch(at(100, began))
    ((_, said),) = watch.faults(at(100, began)).items()
    assert said == f"the clock shows {began[:10]}"
    assert watch.faults(at(110, "2026-11-26T07:30:00+00:00")) == {}
    assert watch.faults(at(5000, "2026-11-26T08:51:30+00:00")) == {}


@pytest.mark.parametrize("step_s", [-3600.0, -61.0, -59.0, 0.0, 59.0, 61.0, 3600.0])
def test_a_clock_that_was_set_is_said_for_a_while(step_s: float) -> None:
    began = moment(0)
    watch = ClockWatch(began)
    said = []
    for seconds in range(0, 1200, 30):
        now = moment(seconds + (step_s if seconds >= 90 else 0))
        now = Moment(now.boot, began.monotonic_ns + seconds * 10**9, now.wall)
        said.append((seconds, [*watch.faults(now).values()]))
    words = [f"the clock was set by {step_s:+.0f} s while running"]
    steps = abs(step_s) > 60
    assert said == [(at_s, words if steps and 90 <= at_s < 690 else []) for at_s, _ in said]


def test_a_clock_that_is_set_wrong_is_wrong_for_as_long_as_it_is() -> None:
    watch = ClockWatch(moment(0))
    for seconds in (1, 1000, 9000):
        ((_, said),) = watch.faults(at(1000 + seconds, "1970-01-01T00:10:00+00:00")).items()
        assert said == "the clock shows 1970-01-01"


@pytest.mark.parametrize("code", list(Fault))
def test_what_an_earlier_life_found_stands_until_it_would_have_been_found_again(code: Fault) -> None:
    disk = code in {Fault.DISK_LOW, Fault.DISK_SLOW, Fault.DISK_REFUSES, Fault.CLOCK_UNTRUSTED, Fault.CONDUCTOR_HANGS}
    assert not is_over(code, 0.3, tried=False)
    assert is_over(code, 0.3, tried=True) == disk, "a recording is not called dead because the disk was full before"
    assert is_over(code, SETTLE_SLOWLY_S + 1, tried=True)
