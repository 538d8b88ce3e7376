"""Where nothing can be heard of a source: joined through the borders of segments, however they are cut."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lesson.model import Kind, SegmentRecord
from lesson.mute import SLACK
from lesson.records import SegmentMeasured
from lesson.signal import Flaw, SignalState
from lesson.signal_record_types import SoundLevels
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged
from tests.kit.lessons import segment, source

MIC = source("mic")
SECOND = TICKS_PER_SECOND


def measured(one: SegmentRecord, mute: tuple[Span, ...], *flaws: str, heard: bool = True) -> SegmentMeasured:
    sound = SoundLevels(rms_db=-30.0, peak_db=-10.0, clipped=0.0, hum=0.0, mute=mute) if heard else None
    return SegmentMeasured(source="mic", epoch=one.epoch, seq=one.seq, sound=sound, flaws=flaws)


def whole(one: SegmentRecord) -> Span:
    span = one.span(Kind.AUDIO)
    assert span is not None
    return span


def folded(mute: list[Span], count: int) -> SignalState:
    state = SignalState()
    for seq in range(count):
        one = segment(MIC, seq)
        parts = tuple(part for span in mute if (part := span.intersection(whole(one))))
        state.add(measured(one, parts), one)
    return state


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12)), max_size=6))
def test_stretches_are_as_long_as_they_were_however_segments_cut_them(pieces: list[tuple[int, int]]) -> None:
    window = Span(0, 10 * whole(segment(MIC, 0)).duration)
    spans = (Span(start * SECOND, (start + length) * SECOND) for start, length in pieces)
    mute = merged((part for span in spans if (part := span.intersection(window))), slack=SLACK)
    state = folded(mute, 10).mute
    assert list(state.over(0, window)) == mute
    assert state.over(1, window) == []
    for span in mute:
        inside = Span(span.start + 1, span.start + 2)
        assert list(state.over(0, inside)) == [span], "whole, also where only a part is asked for"


def test_it_is_known_until_the_newest_segment_somebody_listened_to() -> None:
    state = folded([], 3)
    assert state.mute.until(0) == whole(segment(MIC, 2)).end
    assert state.mute.until(1) is None


def test_of_a_segment_that_hums_or_that_nobody_can_decode_nothing_is_heard() -> None:
    for flaw, heard in ((Flaw.HUM, True), (Flaw.SILENT, False)):
        state, one = SignalState(), segment(MIC, 0)
        state.add(measured(one, (), flaw, heard=heard), one)
        assert list(state.mute.over(0, whole(one))) == [whole(one)]


def test_a_picture_alone_says_nothing_of_the_sound() -> None:
    state, one = SignalState(), segment(source("board"), 0)
    state.add(replace(measured(one, ()), sound=None), replace(one, audio=None))
    assert state.mute.until(0) is None


def test_clicks_in_silence_do_not_make_it_two() -> None:
    one = segment(MIC, 0)
    click: Ticks = SLACK // 2
    state = SignalState()
    state.add(measured(one, (Span(0, SECOND), Span(SECOND + click, 2 * SECOND))), one)
    assert list(state.mute.over(0, whole(one))) == [Span(0, 2 * SECOND)]
