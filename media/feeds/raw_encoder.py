"""Encoding what no container can copy: raw pictures to cheap, promptly decodable H.264; raw sound to PCM."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.errors import media_errors
from media.feeds.packets import FeedPacket, FeedStream
from media.feeds.segment import stream_info

if TYPE_CHECKING:
    from media.picture import Yuv  # brings OpenCV, which no recording needs

KEY_INTERVAL: Ticks = 2 * TICKS_PER_SECOND
_TICK = Fraction(1, TICKS_PER_SECOND)
_GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: parameter sets belong into the header of a segment
_X264 = {
    "preset": "ultrafast",  # the recorder must never be what a small box is busy with
    "tune": "zerolatency",  # a frame in, its packet out: nothing is in the encoder when the process dies
    "crf": "20",  # the programme is encoded from this again
    "sc_threshold": "0",
    "forced-idr": "1",  # key frames are where we ask for them, each 2 s
}


class RawVideoEncoder:
    """x264 for pictures of one size. `stream` is ready before the first frame."""

    def __init__(self, width: int, height: int, fps: Fraction) -> None:
        with media_errors("x264"):
            self._holder = av.open("none", "w", format="null")
            stream = self._holder.add_stream("libx264", rate=fps, options=dict(_X264))
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base = _TICK
            context.gop_size = 100_000  # key frames are forced by time
            context.thread_count = 1
            context.flags |= _GLOBAL_HEADER
            self._holder.start_encoding()
        self._context = context
        self._last_key: Ticks | None = None
        self._frame_duration = round(TICKS_PER_SECOND / fps)
        self.stream = FeedStream(stream_info(stream), stream)

    def encode(self, frame: VideoFrame, at: Ticks, arrival_ns: int) -> Iterator[FeedPacket]:
        """The packets of a yuv420p frame shown at `at`. Raises `MediaError`."""
        frame.pts, frame.time_base = at, _TICK
        key = self._last_key is None or at - self._last_key >= KEY_INTERVAL - self._frame_duration // 2
        frame.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._last_key = at
        with media_errors("x264"):
            coded = self._context.encode(frame)
        for packet in coded:
            if packet.pts is not None and packet.dts is not None:
                yield FeedPacket(
                    Kind.VIDEO, packet.pts, min(packet.dts, packet.pts), self._frame_duration, packet.is_keyframe,
                    arrival_ns, packet,
                )  # fmt: skip

    def close(self) -> None:
        self._holder.close()


class RawAudioEncoder:
    """Mono 48 kHz sound as 16-bit PCM: nothing is lost and a sample is a tick."""

    def __init__(self) -> None:
        with media_errors("pcm"):
            self._holder = av.open("none", "w", format="null")
            stream = self._holder.add_stream("pcm_s16le", rate=TICKS_PER_SECOND, layout="mono", format="s16")
            stream.codec_context.time_base = _TICK
            self._holder.start_encoding()
        self._context = stream.codec_context
        self.stream = FeedStream(stream_info(stream), stream)

    def encode(self, pcm: npt.NDArray[np.float32], at: Ticks, arrival_ns: int) -> Iterator[FeedPacket]:
        """The packets of samples (n,) in -1…1 that start at `at`; `arrival_ns` is when the last one was there."""
        samples = np.clip(np.rint(pcm * 32767.0), -32768, 32767).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = TICKS_PER_SECOND, at, _TICK
        with media_errors("pcm"):
            coded = self._context.encode(frame)
        for packet in coded:
            yield FeedPacket(Kind.AUDIO, at, at, len(pcm), True, arrival_ns, packet)

    def close(self) -> None:
        self._holder.close()


def frame_from_yuv(picture: Yuv) -> VideoFrame:
    """The av frame of a picture; its planes are copied."""
    width, height = picture.size
    frame = VideoFrame(width, height, "yuv420p")
    for plane, data in zip(frame.planes, (picture.y, picture.u, picture.v), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: data.shape[0], : data.shape[1]] = data
    return frame
