"""The audio renditions: one continuous encode each, committed in pieces of one chunk of the grid."""

from __future__ import annotations

import math

import numpy as np

from encode.inputs import chunk_inputs
from encode.ready import chunk_span, ready_chunks
from encode.rendition_writer import RenditionWriter
from encode.voice import BEYOND, VoiceReader, voice_inputs
from lesson.errors import LessonFormatError
from lesson.folder import LessonFolder
from lesson.model import Kind, Rendition
from lesson.state import LessonState
from lesson.time import Span, Ticks
from media.output.audio_encoder import BLOCK, LOOKAHEAD_BLOCKS, AudioEncoder
from media.output.fmp4 import MEDIA_START, Sample, media_segment

_LEAST = 1e-6
"""-120 dB: silence."""


class SoundEncoder:
    """Encodes one audio rendition from its first missing chunk on, as far as the plan is frozen."""

    def __init__(self, folder: LessonFolder, rendition: Rendition) -> None:
        if rendition.kind is not Kind.AUDIO or folder.header.grid.chunk % BLOCK:
            raise LessonFormatError(f"{folder.id}: a chunk of the grid must be a whole number of AAC frames")
        self.rendition = rendition
        self._reader = VoiceReader(folder)
        self._encoder: AudioEncoder | None = None
        self._samples: list[Sample] = []
        self._peaks: dict[int, float] = {}  # by block
        self._next = (0, 0)  # edition and chunk

    def step(self, state: LessonState, store: RenditionWriter) -> bool:
        """Encode and commit the next chunk; False when none is ready. Raises `MediaError`, `StorageError`."""
        progress, edition = state.renditions[self.rendition.name], state.edition.number
        span, index = next_span(state, self.rendition), progress.due
        if span is None or progress.started is None:
            return False
        first = span.start // BLOCK
        if self._encoder is None or (edition, index) != self._next:
            self._encoder, self._samples = AudioEncoder(self.rendition, first=first), []
        last = state.final and span.end == state.frozen_until
        duration = span.duration + BLOCK if last else span.duration  # the track begins one block early
        count = -(-duration // BLOCK)
        self._feed(self._encoder, state, first + count + LOOKAHEAD_BLOCKS)
        chunk, self._samples = _cut(self._samples[:count], duration), self._samples[count:]
        data = media_segment(chunk, sequence=index + 1, decode_time=MEDIA_START + span.start - BLOCK)
        inputs = chunk_inputs(self.rendition, progress.started.init_sha256, voice_inputs(state, span))
        store.commit(edition, self.rendition, index, span, data, inputs, peak_db=self._peak_db(span))
        self._next = edition, index + 1
        return True

    def _feed(self, encoder: AudioEncoder, state: LessonState, until: int) -> None:
        """Feed the sound of all blocks before block `until`; after the lesson's end there is silence."""
        span = Span(encoder.fed * BLOCK, max(encoder.fed, until) * BLOCK)
        if not span.empty:
            pcm = self._reader.read(state, span)
            if state.edition.overrides:  # of what was trimmed away not even the encoder's run-in is heard
                window = state.edition.window
                pcm[: max(0, window.start - span.start)] = 0.0
                pcm[max(0, window.end - span.start) :] = 0.0
            for number, block in enumerate(np.abs(pcm).reshape(-1, BLOCK), span.start // BLOCK):
                self._peaks[number] = float(block.max())
            self._samples += encoder.encode(pcm)

    def _peak_db(self, span: Span) -> float:
        """The loudest sample of a chunk as it was read; what lies before it is forgotten."""
        first = span.start // BLOCK
        self._peaks = {number: peak for number, peak in self._peaks.items() if number >= first}
        peaks = [peak for number, peak in self._peaks.items() if number < -(-span.end // BLOCK)]
        return round(20 * math.log10(max([_LEAST, *peaks])), 1)


def next_span(state: LessonState, rendition: Rendition) -> Span | None:
    """Lesson ticks of the first chunk that an audio rendition has to make; None when it is not ready, or not wanted."""
    progress, multiple = state.renditions[rendition.name], rendition.grid_multiple
    there = ready_chunks(state, multiple, beyond=BEYOND)
    if rendition not in state.ladder or not progress.started or progress.due >= there:
        return None
    return chunk_span(state, progress.due, multiple)


def _cut(samples: list[Sample], duration: Ticks) -> list[Sample]:
    """The samples with the last one shown only as long as needed to last `duration` together."""
    last = duration - sum(sample.duration for sample in samples[:-1])
    return [*samples[:-1], Sample(samples[-1].data, last)]
