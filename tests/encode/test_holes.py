"""An epoch with a hole in it: others take its place meanwhile; afterwards it is there again, at its own instant."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from encode.programme import HOLD
from encode.voice import VoiceReader
from lesson.folder import LessonFolder
from lesson.model import Layout
from lesson.records import FrozenUntil, Mapped
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span
from lesson.view import load_state
from tests.encode.test_chunk import CAMERA, GRID, LOW, PANEL, SIZE, TOP, frames_of, job_for, planned, shot
from tests.kit.clicks import find_clicks
from tests.kit.filmed import Take, film
from tests.kit.lessons import VOICE, make_lesson, source
from tests.kit.marks import BOARD, TEACHER, read_mark

S = TICKS_PER_SECOND
FRAME = GRID.frame
MIC = source("mic")


@pytest.mark.parametrize("hole_s", [2, 7])
def test_pictures_before_in_and_after_a_hole(tmp_path: Path, hole_s: int) -> None:
    """Two seconds are decoded through; for seven the decoder is opened anew."""
    back, end = 4 + hole_s, 8 + hole_s
    folder = make_lesson(tmp_path, sources=(CAMERA, PANEL), ladder=(VOICE, LOW, TOP))
    film(folder, CAMERA, Take(TEACHER, 4, size=SIZE))
    film(folder, CAMERA, Take(TEACHER, 4, scene=back * S, pts=back * S, size=SIZE), seq=1)
    film(folder, PANEL, Take(BOARD, end, size=SIZE, shade=150))
    state = planned(folder, shot(0, end, Layout.FULL, "teacher"), end=end * S, board_pts=0)
    marks = [read_mark(luma) for luma in frames_of(job_for(folder, state, 0, GRID.chunks(end * S)))]
    assert len(marks) == end * 25
    held = (4 * S + HOLD) // FRAME + 1
    sources = [(who, len(list(run))) for who, run in groupby(mark.source if mark else None for mark in marks)]
    assert sources == [(TEACHER, held), (BOARD, back * 25 - held), (TEACHER, 100)]
    for number, mark in enumerate(marks):
        assert mark is not None
        at = number * FRAME
        shown = at if mark.source == BOARD or not 4 * S <= at < back * S else 4 * S - FRAME
        assert abs(mark.at - shown) <= S // 1000


@pytest.mark.parametrize("hole_s", [1, 4, 30])
def test_sound_before_in_and_after_a_hole(tmp_path: Path, hole_s: int) -> None:
    back, end = 4 + hole_s, 8 + hole_s
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, Take(number=0, seconds=4, sound=True))
    film(folder, MIC, Take(number=0, seconds=4, scene=back * S, pts=back * S, sound=True), seq=1)
    state = load_mic(folder, end)
    pcm = VoiceReader(folder).read(state, Span(0, end * S))
    wanted = [at for at in range(0, end, 2) if at < 4 or at >= back]
    clicks = find_clicks(pcm)
    assert [round(at / S) for at in clicks] == wanted
    assert all(abs(at - second * S) <= S // 500 for at, second in zip(clicks, wanted, strict=True))
    assert not np.abs(pcm[4 * S + 480 : back * S - 480]).any()


@pytest.mark.parametrize("hole_s", [0, 1, 4, 30])
def test_sound_that_comes_after_all_before_it_was_read(tmp_path: Path, hole_s: int) -> None:
    """Nothing of the segment after a hole is there yet when the one before it is read to its end."""
    back, end = 4 + hole_s, 8 + hole_s
    folder = make_lesson(tmp_path, sources=(MIC,))
    film(folder, MIC, Take(number=0, seconds=4, sound=True))
    reader = VoiceReader(folder)
    before = reader.read(load_mic(folder, end), Span(0, 4 * S))
    film(folder, MIC, Take(number=0, seconds=4, scene=back * S, pts=back * S, sound=True), seq=1)
    state = load_mic(folder, end)
    parts = [before, *(reader.read(state, Span(at * S, (at + 2) * S)) for at in range(4, end, 2))]
    pcm = np.concatenate(parts)[: end * S]
    wanted = [at for at in range(0, end, 2) if at < 4 or at >= back]
    assert [round(at / S) for at in find_clicks(pcm)] == wanted


def load_mic(folder: LessonFolder, end_s: int) -> LessonState:
    state = load_state(folder)
    state.apply(Mapped(map=ClockMap("mic", 0, Span(0, end_s * S), 0)))
    state.apply(FrozenUntil(at=end_s * S, final=True))
    return state
