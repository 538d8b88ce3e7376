"""What cannot or should not be copied from a live feed, decoded and encoded as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.time import Ticks
from media.decode.mixing import PromptMixer, channels_of, resampler
from media.feeds.packets import FeedPacket
from media.feeds.raw_encoder import KEY_INTERVAL, RawAudioEncoder, RawVideoEncoder
from media.feeds.stamping import ArrivalClock, SampleClock

AUDIO_BLOCK: Ticks = 1_024
"""Sound devices may give single samples; they are gathered to what an AAC frame holds."""
_SANE_FPS = (1, 120)


class _SteadyTime:
    """Times for an encoder, which wants none that jump: a jump becomes a step of `KEY_INTERVAL`, so a key frame."""

    def __init__(self) -> None:
        self.shift: Ticks = 0
        self._last: Ticks | None = None

    def steady(self, at: Ticks) -> Ticks:
        """The encoder's time of what lies at `at`; `shift` is their difference now."""
        if self._last is None:
            self.shift = -at
        elif not 0 < at + self.shift - self._last <= KEY_INTERVAL:
            self.shift = self._last + KEY_INTERVAL - at
        self._last = at + self.shift
        return self._last


class VideoTranscoder:
    """Decodes the packets of a stream and encodes the pictures, one for one."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate
        fps = rate if rate and _SANE_FPS[0] <= rate <= _SANE_FPS[1] else Fraction(25)
        self._size = context.width & ~1, context.height & ~1
        self._encoder = RawVideoEncoder(*self._size, fps)
        self._clock = ArrivalClock()
        self._time = _SteadyTime()
        self.stream = self._encoder.stream

    def placed(self, packet: FeedPacket) -> Iterator[FeedPacket]:
        """The packets made of a packet whose place is known."""
        yield from self._packets(packet.coded, packet.pts, packet.arrival_ns)

    def arrived(self, packet: av.Packet[Stream], arrival_ns: int) -> Iterator[FeedPacket]:
        """The packets made of a packet whose place is where it arrived."""
        yield from self._packets(packet, self._clock.place(arrival_ns), arrival_ns)

    def _packets(self, packet: av.Packet[Stream], at: Ticks, arrival_ns: int) -> Iterator[FeedPacket]:
        width, height = self._size
        for frame in packet.decode():
            if isinstance(frame, VideoFrame):
                plain = frame.reformat(width=width, height=height, format="yuv420p")
                for coded in self._encoder.encode(plain, self._time.steady(at), arrival_ns):
                    yield coded.shifted(-self._time.shift)


class AudioTranscoder:
    """Decodes the packets of a stream to mono PCM at 48 kHz, its position counted in samples."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._mixer = PromptMixer()
        self._encoder = RawAudioEncoder()
        self._layout = ""
        self._clock = SampleClock()
        self._gathered = np.zeros(0, np.float32)
        self.stream = self._encoder.stream

    def placed(self, packet: FeedPacket) -> Iterator[FeedPacket]:
        """The packets made of a packet whose place is known."""
        pcm = self._decoded(packet.coded)
        if len(pcm):
            yield from self._encoder.encode(pcm, packet.pts, packet.arrival_ns)

    def arrived(self, packet: av.Packet[Stream], arrival_ns: int) -> Iterator[FeedPacket]:
        """The packets, of whole blocks, made of a packet whose last sample arrived then."""
        self._gathered = np.concatenate([self._gathered, self._decoded(packet)])
        while len(self._gathered) >= AUDIO_BLOCK:
            block, self._gathered = self._gathered[:AUDIO_BLOCK], self._gathered[AUDIO_BLOCK:]
            at = self._clock.place(arrival_ns, AUDIO_BLOCK)
            yield from self._encoder.encode(block, at, arrival_ns)

    def _decoded(self, packet: av.Packet[Stream]) -> npt.NDArray[np.float32]:
        blocks = [np.zeros(0, np.float32)]
        for frame in packet.decode():
            if isinstance(frame, AudioFrame):
                frame.pts = None  # samples are counted
                blocks += [self._mixer.mixed(channels_of(out)) for out in self._resampler_for(frame).resample(frame)]
        return np.concatenate(blocks)

    def _resampler_for(self, frame: AudioFrame) -> AudioResampler:
        if self._resampler is None or frame.layout.name != self._layout:
            self._layout = frame.layout.name
            self._resampler = resampler(self._layout)
        return self._resampler


def transcoder(stream: Stream) -> VideoTranscoder | AudioTranscoder:
    """The transcoder for a video or audio stream."""
    return VideoTranscoder(stream) if isinstance(stream, VideoStream) else AudioTranscoder()
