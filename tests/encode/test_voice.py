from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encode.programme import EpochRef
from encode.voice import VoiceReader, voice_inputs, voice_pieces
from lesson.folder import LessonFolder
from lesson.model import Role
from lesson.records import BackupHeard, FrozenUntil, Mapped
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from lesson.view import load_state
from tests.kit.clicks import find_clicks
from tests.kit.filmed import Take, film
from tests.kit.lessons import make_lesson, source

SECOND = TICKS_PER_SECOND
MIC, TEACHER = source("mic"), source("teacher")
NEAR = SECOND * 2 // 1000


def sound_take(seconds: float, scene: float = 0.0, pts: float = 0.0) -> Take:
    return Take(number=0, seconds=seconds, scene=round(scene * SECOND), pts=round(pts * SECOND), sound=True)


def planned(folder: LessonFolder, *maps: ClockMap) -> LessonState:
    state = load_state(folder)
    for clock in maps:
        state.apply(Mapped(map=clock))
    state.apply(FrozenUntil(at=60 * SECOND, final=True))
    return state


def clock(name: str, epoch: int, offset_s: float, ppm: float = 0.0) -> ClockMap:
    return ClockMap(name, epoch, Span(0, 60 * SECOND), round(offset_s * SECOND), ppm)


def test_the_best_voice_is_heard_another_where_it_is_missing_silence_where_none_is(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(TEACHER, MIC))
    film(folder, MIC, sound_take(4))
    film(folder, MIC, sound_take(4, scene=9, pts=50), epoch=1, seq=1)
    film(folder, TEACHER, sound_take(7, pts=3))
    state = planned(folder, clock("mic", 0, 0), clock("mic", 1, -41), clock("teacher", 0, -3))
    assert voice_pieces(state, Span(0, 15 * SECOND)) == [
        (Span(0, 4 * SECOND), EpochRef("mic", 0)),
        (Span(4 * SECOND, 7 * SECOND), EpochRef("teacher", 0)),
        (Span(7 * SECOND, 9 * SECOND), None),
        (Span(9 * SECOND, 13 * SECOND), EpochRef("mic", 1)),
        (Span(13 * SECOND, 15 * SECOND), None),
    ]
    pcm = VoiceReader(folder).read(state, Span(0, 15 * SECOND))
    clicks = find_clicks(pcm)
    assert [round(at / SECOND) for at in clicks] == [0, 2, 4, 6, 10, 12]
    assert all(abs(at - round(at / SECOND) * SECOND) <= NEAR for at in clicks)
    assert not pcm[7 * SECOND + 10 : 9 * SECOND - 10].any()
    assert not pcm[13 * SECOND + 10 :].any()


@pytest.mark.parametrize("piece", [SECOND // 3, 5_000, 184_320])
def test_reading_in_pieces_is_reading_at_once(tmp_path: Path, piece: Ticks) -> None:
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, sound_take(8, pts=1.0))
    film(folder, MIC, sound_take(3, scene=10, pts=0), epoch=1, seq=2)
    state = planned(folder, clock("mic", 0, -1), clock("mic", 1, 10))
    whole = VoiceReader(folder).read(state, Span(0, 14 * SECOND))
    reader = VoiceReader(folder)
    parts = [reader.read(state, Span(at, min(at + piece, 14 * SECOND))) for at in range(0, 14 * SECOND, piece)]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_a_file_that_grows_while_it_is_read_is_read_on(tmp_path: Path) -> None:
    """Live: segments come one by one; what is read must be the same as if all had been there."""
    whole = make_lesson(tmp_path / "whole", sources=(MIC,))
    film(whole, MIC, sound_take(12))
    reference = VoiceReader(whole).read(planned(whole, clock("mic", 0, 0)), Span(0, 11 * SECOND))
    folder = make_lesson(tmp_path / "live", sources=(MIC,))
    records = film(folder, MIC, sound_take(12))
    state = LessonState(folder.header)
    state.apply(Mapped(map=clock("mic", 0, 0)))
    reader = VoiceReader(folder)
    parts = []
    for number, record in enumerate(records):
        state.apply(record)
        if number:
            end = (4 * number - 1) * SECOND
            parts.append(reader.read(state, Span(len(np.concatenate([*parts, []])), end)))
    assert np.array_equal(np.concatenate(parts), reference)


def test_sound_of_a_clock_that_runs_fast_is_put_right(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, sound_take(20))
    state = planned(folder, clock("mic", 0, 0, ppm=500.0))  # far more than any crystal, to be seen in 20 s
    pcm = VoiceReader(folder).read(state, Span(0, 19 * SECOND))
    for number, at in enumerate(find_clicks(pcm)):
        assert abs(at - round(number * 2 * SECOND * 1.0005)) <= NEAR


def test_a_source_that_comes_or_goes_is_faded(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, sound_take(1.9, scene=0.05))
    pcm = VoiceReader(folder).read(planned(folder, clock("mic", 0, 1)), Span(0, 4 * SECOND))
    assert np.abs(np.diff(pcm)).max() < 0.003
    assert np.abs(pcm[round(1.5 * SECOND) : round(1.6 * SECOND)]).max() > 0.015


def test_a_file_that_cannot_be_opened_is_silence(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, sound_take(4))
    folder.segment_path("mic", 0, 0).write_bytes(b"no media at all" * 100)
    pcm = VoiceReader(folder).read(planned(folder, clock("mic", 0, 0)), Span(0, 4 * SECOND))
    assert len(pcm) == 4 * SECOND
    assert not pcm.any()


@pytest.mark.parametrize("at_s", [3.0, 4.0, 5.3])
def test_a_backup_takes_over_and_gives_back_within_40_ms_and_without_a_click(tmp_path: Path, at_s: float) -> None:
    """Both hear the same room; the microphone is switched off for some seconds and goes on delivering silence."""
    mic, ceiling = source("mic", backup="ceiling"), source(Role.MIC, "ceiling")
    folder = make_lesson(tmp_path, sources=(mic, ceiling))
    film(folder, mic, sound_take(14))
    film(folder, ceiling, sound_take(14, pts=3))
    state = planned(folder, clock("mic", 0, 0), clock("ceiling", 0, -3))
    off = Span(round(at_s * SECOND), round((at_s + 4) * SECOND))
    state.apply(BackupHeard(source="mic", backup="ceiling", span=off))
    assert voice_pieces(state, Span(0, 14 * SECOND)) == [
        (Span(0, off.start), EpochRef("mic", 0)),
        (off, EpochRef("ceiling", 0)),
        (Span(off.end, 14 * SECOND), EpochRef("mic", 0)),
    ]
    pcm = VoiceReader(folder).read(state, Span(0, 14 * SECOND))
    clicks = find_clicks(pcm)
    assert [round(at / SECOND) for at in clicks] == [0, 2, 4, 6, 8, 10, 12]
    assert all(abs(at - round(at / SECOND) * SECOND) <= NEAR for at in clicks)
    longest = max(len(run) for run in "".join("01"[bool(one)] for one in np.abs(pcm) < 1e-6).split("0"))
    assert longest <= SECOND * 40 // 1000
    assert voice_inputs(state, Span(0, 4 * SECOND)) != voice_inputs(planned(folder), Span(0, 4 * SECOND))
