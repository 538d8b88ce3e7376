"""The audio renditions: one continuous encode each, committed in pieces of one chunk of the grid."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from encode.ready import chunk_span, ready_chunks
from encode.store import ChunkStore
from encode.voice import FADE, VoiceReader
from lesson.errors import LessonFormatError
from lesson.folder import LessonFolder
from lesson.model import Kind, Rendition
from lesson.state import LessonState
from lesson.time import Span, Ticks
from media.output.audio_encoder import BLOCK, LOOKAHEAD_BLOCKS, AudioEncoder
from media.output.fmp4 import MEDIA_START, Sample, media_segment

BEYOND: Ticks = LOOKAHEAD_BLOCKS * BLOCK + FADE
"""Ticks after a chunk that decide its last packet."""
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
        self._next = 0

    def step(self, state: LessonState, store: ChunkStore) -> bool:
        """Encode and commit the next chunk; False when none is ready. Raises `MediaError`, `StorageError`."""
        index = state.renditions[self.rendition.name].leading
        if index >= ready_chunks(state, beyond=BEYOND):
            return False
        span = chunk_span(state, index)
        first = span.start // BLOCK
        if self._encoder is None or index != self._next:
            self._encoder, self._samples = AudioEncoder(self.rendition, first=first), []
        last = state.final and span.end == state.frozen_until
        duration = span.duration + BLOCK if last else span.duration  # the track begins one block early
        count = -(-duration // BLOCK)
        self._feed(self._encoder, state, first + count + LOOKAHEAD_BLOCKS)
        chunk, self._samples = _cut(self._samples[:count], duration), self._samples[count:]
        data = media_segment(chunk, sequence=index + 1, decode_time=MEDIA_START + span.start - BLOCK)
        digest = hashlib.sha256(data).hexdigest()[:16]
        store.commit(self.rendition, index, span, data, digest, peak_db=self._peak_db(span))
        self._next = index + 1
        return True

    def _feed(self, encoder: AudioEncoder, state: LessonState, until: int) -> None:
        """Feed the sound of all blocks before block `until`; after the lesson's end there is silence."""
        span = Span(encoder.fed * BLOCK, max(encoder.fed, until) * BLOCK)
        if not span.empty:
            pcm = self._reader.read(state, span)
            for number, block in enumerate(np.abs(pcm).reshape(-1, BLOCK), span.start // BLOCK):
                self._peaks[number] = float(block.max())
            self._samples += encoder.encode(pcm)

    def _peak_db(self, span: Span) -> float:
        """The loudest sample of a chunk as it was read; what lies before it is forgotten."""
        first = span.start // BLOCK
        self._peaks = {number: peak for number, peak in self._peaks.items() if number >= first}
        peaks = [peak for number, peak in self._peaks.items() if number < -(-span.end // BLOCK)]
        return round(20 * math.log10(max([_LEAST, *peaks])), 1)


def _cut(samples: list[Sample], duration: Ticks) -> list[Sample]:
    """The samples with the last one shown only as long as needed to last `duration` together."""
    last = duration - sum(sample.duration for sample in samples[:-1])
    return [*samples[:-1], Sample(samples[-1].data, last)]
