"""Sound of segment files as one continuous 48 kHz mono stream, at the place its time stamps give it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.chain import Chain
from media.decode.mixing import Pcm, channels_of, mixed_down, resampler
from media.decode.placing import Block, Counted, placed
from media.errors import media_errors

PREROLL: Ticks = TICKS_PER_SECOND
"""Decoded and thrown away before `start`: 80 ms settle Opus (RFC 7845), one frame AAC, half a second decides how
channels are mixed; the rest is for seeking."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Mono samples in -1…1 at 48 kHz, (n,), the first at source tick `at`: one sample is one tick."""

    at: Ticks
    pcm: Pcm

    @property
    def end(self) -> Ticks:
        return self.at + len(self.pcm)


def sound(
    paths: Sequence[Path], *, start: Ticks | None = None, end: Ticks | None = None, stream: int | None = None
) -> Iterator[AudioBlock]:
    """Sound of consecutive segment files of one epoch, cut to `[start, end)`, in order, never overlapping.

    Blocks follow each other without a gap through segment borders; where time stamps say for good that something is
    missing, the next block starts later. Codec priming is taken off. Files without sound give nothing. `paths` may be
    a list that grows while it is read: each file is looked for when the one before is used up, half a second before
    its last sample is given. `stream`: number of the stream in the files; else the best.

    Raises:
        MediaError: none of the files can be opened.
    """
    begin = None if start is None else start - PREROLL
    with media_errors(str(paths[0]) if paths else "no files"):
        chain = Chain(paths, Kind.AUDIO, start=begin, stream=stream)
        for mono in mixed_down(placed(_Counter().counted(chain))):
            block = AudioBlock(mono.at, mono.samples[:, 0])
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
    """Counts samples from the first time stamp on."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._out: Ticks | None = None  # where the next sample out of the resampler lies
        self._in = 0.0  # where the next sample into it lies

    def counted(self, chain: Chain) -> Iterator[Counted]:
        for item in chain:
            frame = item.frame
            assert isinstance(frame, AudioFrame)  # noqa: S101 - an audio chain gives nothing else
            if not frame.samples:
                continue
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape:
                yield from self._flush()
                self._out = (item.at or 0) if self._out is None else self._out
                self._in, self._shape, self._resampler = float(self._out), shape, resampler(shape[1])
            deviation = None if item.at is None else round(item.at - self._in)
            self._in += frame.samples * TICKS_PER_SECOND / frame.sample_rate
            yield from self._resampled(frame, deviation)
        yield from self._flush()

    def _flush(self) -> Iterator[Counted]:
        if self._resampler is not None:
            yield from self._resampled(None, None)
            self._resampler = None

    def _resampled(self, frame: AudioFrame | None, deviation: Ticks | None) -> Iterator[Counted]:
        assert self._resampler is not None  # noqa: S101 - callers have one
        assert self._out is not None  # noqa: S101 - known since the first frame
        if frame is not None:
            frame.pts = None  # time is counted here; the resampler must not fill or drop by its own judgement
        try:
            parts = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):  # damage that looks like sound of an impossible shape
            self._resampler = self._shape = None
            return
        for part in parts:
            block = Block(self._out, channels_of(part))
            self._out = block.end
            yield Counted(block, None if deviation is None else block.at + deviation)
