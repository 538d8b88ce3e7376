"""What the kit's cameras show: small H.264 pictures with bar codes, and AAC with clicks, as access units to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.clicks import draw_click
from tests.kit.marks import TEACHER, Luma, Mark, draw_flash, draw_mark

FRAME: Ticks = TICKS_PER_SECOND // 25
AAC_FRAME: Ticks = 1_024
_TICK = Fraction(1, TICKS_PER_SECOND)
_GLOBAL_HEADER = 1 << 22


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture (Annex B) or AAC frame (raw); `at` is its time in ticks from the start of the content."""

    kind: Kind
    at: Ticks
    data: bytes
    key: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Access units in order, to be repeated each `length` ticks. Picture n of a round is marked with its time."""

    units: tuple[AccessUnit, ...]
    length: Ticks
    sps: bytes
    pps: bytes
    audio_config: bytes


def nal_units(annex_b: bytes) -> list[bytes]:
    """The NAL units of an access unit, start codes taken off."""
    parts = annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def marked_luma(at: Ticks, *, width: int = 384, height: int = 208, source: int = TEACHER) -> Luma:
    """A grey picture with a bar that wanders, flash and bar code of scene time `at`."""
    luma = np.full((height, width), 110, np.uint8)
    column = at // FRAME * 5 % (width - 24)
    luma[48 : height - 32, column : column + 24] = 190
    draw_flash(luma, at)
    draw_mark(luma, Mark(source, at))
    return luma


def video_frame(at: Ticks, *, width: int = 384, height: int = 208, source: int = TEACHER) -> VideoFrame:
    """The marked picture of scene time `at` as an av frame with that time stamp."""
    chroma = np.full((height // 2, width), 128, np.uint8)
    planes = np.vstack([marked_luma(at, width=width, height=height, source=source), chroma])
    frame = VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = at, _TICK
    return frame


@cache
def content(seconds: int = 8, *, width: int = 384, height: int = 208, gop_s: float = 1.0) -> Content:
    """Pictures at 25 fps and mono AAC of `seconds`, clicks and flashes at its even seconds. Made once a process."""
    pcm = np.zeros(seconds * TICKS_PER_SECOND, np.float32)
    for second in range(0, seconds, 2):
        draw_click(pcm, second * TICKS_PER_SECOND)
    frames = [video_frame(index * FRAME, width=width, height=height) for index in range(seconds * 25)]
    return coded(frames, pcm, gop=round(25 * gop_s))


def coded(frames: Sequence[VideoFrame], pcm: NDArray[np.float32], *, gop: int) -> Content:
    """Pictures with their times in ticks, a key frame each `gop`, and mono sound at 48 kHz as long as the content."""
    video = av.CodecContext.create("libx264", "w")
    video.width, video.height = frames[0].width, frames[0].height
    video.pix_fmt, video.time_base = "yuv420p", _TICK
    video.framerate, video.gop_size, video.thread_count = Fraction(25), gop, 1
    video.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "24"}
    units: list[AccessUnit] = []
    for packet in [packet for frame in [*frames, None] for packet in video.encode(frame)]:
        assert packet.pts is not None
        units.append(AccessUnit(Kind.VIDEO, packet.pts, bytes(packet), packet.is_keyframe))
    nals = nal_units(units[0].data)
    sound, config = _sound(pcm)
    units += sound
    units.sort(key=lambda unit: unit.at)
    return Content(
        tuple(units),
        len(pcm),
        sps=next(nal for nal in nals if nal[0] & 31 == 7),
        pps=next(nal for nal in nals if nal[0] & 31 == 8),
        audio_config=config,
    )


def _sound(pcm: NDArray[np.float32]) -> tuple[list[AccessUnit], bytes]:
    audio = av.CodecContext.create("aac", "w")
    audio.sample_rate, audio.layout, audio.format = TICKS_PER_SECOND, "mono", "fltp"
    audio.time_base, audio.flags = _TICK, audio.flags | _GLOBAL_HEADER
    units = []
    for start in range(0, len(pcm) // AAC_FRAME * AAC_FRAME, AAC_FRAME):
        frame = AudioFrame.from_ndarray(pcm[start : start + AAC_FRAME].reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = TICKS_PER_SECOND, start, _TICK
        for packet in audio.encode(frame):
            assert packet.pts is not None
            if packet.pts >= 0:  # priming: the receiver's decoder has its own
                units.append(AccessUnit(Kind.AUDIO, packet.pts, bytes(packet), key=True))
    return units, audio.extradata or b""
