"""How loud the voice was stands with each chunk, measured before anything is done to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encode.ready import chunk_span
from encode.rendition_writer import RenditionWriter
from encode.sound import SoundEncoder
from encode.voice import VoiceReader
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import FrozenUntil, Mapped, SourceFinished
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span
from lesson.view import load_state
from tests.kit.filmed import Take, film
from tests.kit.lessons import VOICE, make_lesson, moment, source

SECONDS = 17
END = SECONDS * TICKS_PER_SECOND
MIC = source("mic")


def heard(root: Path) -> LessonFolder:
    """Sound for the first 8 s, nothing after it."""
    folder = make_lesson(root, sources=(MIC,), ladder=(VOICE,))
    film(folder, MIC, Take(number=0, seconds=8, sound=True))
    append_records(folder.raw_journal("mic"), [SourceFinished(source="mic", at=moment(SECONDS))])
    plan = [Mapped(map=ClockMap("mic", 0, Span(0, END), 0)), FrozenUntil(at=END, final=True)]
    append_records(folder.plan_journal(), plan)
    return folder


def encode(folder: LessonFolder, chunks: int) -> LessonState:
    """Up to so many chunks with a fresh encoder, as after a restart."""
    state = load_state(folder)
    encoder = SoundEncoder(folder, VOICE)
    with RenditionWriter(folder) as store:
        store.start(state)
        for _ in range(chunks):
            if not encoder.step(state, store):
                break
            state = load_state(folder)
    return state


@pytest.mark.parametrize("first", [1, 2, 9])
def test_the_peak_of_each_chunk_is_that_of_its_own_sound(tmp_path: Path, first: int) -> None:
    folder = heard(tmp_path)
    encode(folder, first)
    state = encode(folder, 9)
    chunks = state.renditions["voice"].chunks
    assert len(chunks) == 5
    for index, chunk in chunks.items():
        span = chunk_span(state, index)
        peak = float(np.abs(VoiceReader(folder).read(state, span)).max())
        assert chunk.peak_db == pytest.approx(20 * np.log10(max(peak, 1e-6)), abs=0.1)
    assert chunks[0].peak_db == pytest.approx(-6, abs=0.5)  # a click of half of full scale
    assert chunks[4].peak_db == -120
