"""One continuous AAC encode of the voice, cut into CMAF chunks of whole AAC frames.

Packet p codes the samples of blocks p - 1 and p; a decoder that has decoded packet p - 1 gives block p - 1 for it. So
packet 0 only primes the decoder, and packet p is shown at block p - 1: the track begins one block before the lesson,
no edit list is needed (players treat them differently), and a chunk brings the packet that primes it, so that sound is
whole from the first sample of any chunk a player starts at.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from numpy.typing import NDArray

from lesson.model import Kind, Rendition
from lesson.time import Ticks
from media.errors import media_errors
from media.output.fmp4 import Sample

BLOCK: Ticks = 1_024
"""Samples of one AAC frame; at 48 kHz also ticks."""
LOOKAHEAD_BLOCKS = 1
"""The encoder gives packet p when it has been fed all blocks up to and including p + 1."""
PREROLL_BLOCKS = 16
"""Blocks before the first wanted one that bring a fresh encoder into the state of one that never stopped."""


def _configure(context: AudioCodecContext, rendition: Rendition) -> None:
    context.sample_rate = rendition.rate
    context.layout = {1: "mono", 2: "stereo"}[rendition.channels]
    context.format = "fltp"
    context.bit_rate = rendition.bitrate


def audio_init(rendition: Rendition) -> bytes:
    """The initialisation segment that every chunk of `rendition` goes with. Raises `MediaError`."""
    buffer = io.BytesIO()
    with media_errors(f"encoder {rendition.name}"):
        options = {"movflags": "empty_moov+default_base_moof+cmaf", "use_editlist": "0", "fflags": "+bitexact"}
        container = av.open(buffer, "w", format="mp4", options=options)
        stream = container.add_stream("aac", rate=rendition.rate)
        _configure(stream.codec_context, rendition)
        container.start_encoding()
        init = buffer.getvalue()
        container.close()
    return init


class AudioEncoder:
    """A continuous AAC encoder. `first`: the packet to come out of `encode` first.

    Sound is to be fed from block `fed` on, which lies `PREROLL_BLOCKS` before `first` where there is that much.
    """

    def __init__(self, rendition: Rendition, *, first: int = 0) -> None:
        if rendition.kind is not Kind.AUDIO:
            raise ValueError(f"{rendition.name} is no audio rendition")
        self.rendition = rendition
        self._start = max(0, first - PREROLL_BLOCKS)
        self.fed = self._start
        self._drop = first - self._start
        with media_errors(f"encoder {rendition.name}"):
            context = av.CodecContext.create("aac", "w")
            _configure(context, rendition)
            context.flags |= Flags.global_header
            context.open()
        self._context = context

    def encode(self, pcm: NDArray[np.float32]) -> Iterator[Sample]:
        """Feed whole blocks of mono sound (n × 1024 samples, -1…1); packets that are complete by then."""
        for block in pcm.reshape(-1, BLOCK):
            planes = np.repeat(block[None, :], self.rendition.channels, axis=0)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=self._context.layout)
            frame.sample_rate = self.rendition.rate
            frame.pts = (self.fed - self._start) * BLOCK
            self.fed += 1
            yield from self._take(frame)

    def _take(self, frame: AudioFrame | None) -> Iterator[Sample]:
        with media_errors(f"encoder {self.rendition.name}"):
            packets = [bytes(packet) for packet in self._context.encode(frame)]
        for data in packets:
            if self._drop:
                self._drop -= 1
            else:
                yield Sample(data, BLOCK)
