"""Sound of segment files as one continuous 48 kHz mono stream, its position counted in samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.chain import Chain
from media.errors import media_errors
from media.mixing import Pcm, mono, mono_resampler

TOLERANCE: Ticks = TICKS_PER_SECOND * 50 // 1000
"""Time stamps within this of the counted position are rounding (Matroska keeps milliseconds) or jitter."""
TOLERANCE_AFTER_DAMAGE: Ticks = TICKS_PER_SECOND * 5 // 1000
"""After a lost packet the count is known to be wrong by about its length."""
PREROLL: Ticks = TICKS_PER_SECOND // 2
"""Decoded and thrown away before `start`: 80 ms settle Opus (RFC 7845), one frame AAC; the rest is for seeking."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Mono samples in -1…1 at 48 kHz, (n,), the first at source tick `at`: one sample is one tick."""

    at: Ticks
    pcm: Pcm

    @property
    def end(self) -> Ticks:
        return self.at + len(self.pcm)


def sound(paths: Sequence[Path], *, start: Ticks | None = None, end: Ticks | None = None) -> Iterator[AudioBlock]:
    """Sound of consecutive segment files of one epoch, cut to `[start, end)`, in order, never overlapping.

    Blocks follow each other without a gap through segment borders; where time stamps say that something is missing,
    the next block starts later. Codec priming is taken off. Files without sound give nothing. `paths` may be a list
    that grows while it is read: each file is looked for when the one before is used up.

    Raises:
        MediaError: none of the files can be opened.
    """
    begin = None if start is None else start - PREROLL
    with media_errors(str(paths[0]) if paths else "no files"):
        for block in _Counter().blocks(Chain(paths, Kind.AUDIO, start=begin)):
            if end is not None and block.at >= end:
                return
            cut = _cut(block, start, end)
            if len(cut.pcm):
                yield cut


def _cut(block: AudioBlock, start: Ticks | None, end: Ticks | None) -> AudioBlock:
    head = 0 if start is None else min(max(0, start - block.at), len(block.pcm))
    tail = len(block.pcm) if end is None else max(head, min(end - block.at, len(block.pcm)))
    return AudioBlock(block.at + head, block.pcm[head:tail])


class _Counter:
    """Counts samples; believes time stamps only where they differ by more than they can by chance."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._out: Ticks = 0  # where the next sample out of the resampler lies
        self._in = 0.0  # where the next sample into it lies
        self._floor: Ticks | None = None  # nothing is given before this

    def blocks(self, chain: Chain) -> Iterator[AudioBlock]:
        for item in chain:
            frame = item.frame
            assert isinstance(frame, AudioFrame)  # noqa: S101 - an audio chain gives nothing else
            if not frame.samples:
                continue
            tolerance = TOLERANCE_AFTER_DAMAGE if item.flawed else TOLERANCE
            strayed = item.at is not None and abs(item.at - self._in) > tolerance
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape or strayed:
                yield from self._flush()
                self._restart(shape, item.at)
            self._in += frame.samples * TICKS_PER_SECOND / frame.sample_rate
            yield from self._resampled(frame)
        yield from self._flush()

    def _restart(self, shape: tuple[str, str, int], at: Ticks | None) -> None:
        if at is not None and (self._shape is None or abs(at - self._in) > TOLERANCE_AFTER_DAMAGE):
            self._out = at
        self._in = float(self._out)
        self._shape = shape
        self._resampler = mono_resampler(shape[1])

    def _flush(self) -> Iterator[AudioBlock]:
        if self._resampler is not None:
            yield from self._resampled(None)
            self._resampler = None

    def _resampled(self, frame: AudioFrame | None) -> Iterator[AudioBlock]:
        assert self._resampler is not None  # noqa: S101 - callers have one
        if frame is not None:
            frame.pts = None  # time is counted here; the resampler must not fill or drop by its own judgement
        try:
            parts = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):  # damage that looks like sound of an impossible shape
            self._resampler = self._shape = None
            return
        for part in parts:
            pcm = mono(part)
            block = _cut(AudioBlock(self._out, pcm), self._floor, None)
            self._out += len(pcm)
            if len(block.pcm):
                self._floor = block.end
                yield block
