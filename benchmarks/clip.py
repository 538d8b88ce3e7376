"""A lecture made on the spot: the simulated classroom's teacher at 1920×1080, with the noise of a camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lesson.time import TICKS_PER_SECOND
from media.simulated.scene import make_scene, tone

FPS = 25
_NOISE = 2.0  # standard deviation in luma steps: a small sensor in a lit room
_NOISE_PICTURES = 5
_BIT_RATE = 6_000_000


def write_clip(path: Path, *, seconds: float, size: tuple[int, int] = (1920, 1080)) -> None:
    """Write an MP4 as a camera would: H.264 at 6 Mbit/s, a key frame each 2 s, AAC. The same bytes every time."""
    width, height = size
    scene = make_scene("teacher", width, height)
    random = np.random.default_rng(1)
    noises = [np.rint(random.normal(0, _NOISE, (height, width))).astype(np.int16) for _ in range(_NOISE_PICTURES)]
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.bit_rate = _BIT_RATE
        video.options = {"preset": "superfast", "g": str(2 * FPS), "bf": "0"}
        audio = container.add_stream("aac", rate=TICKS_PER_SECOND, layout="mono")
        step = TICKS_PER_SECOND // FPS
        for number in range(round(seconds * FPS)):
            picture = scene.draw(number * step)
            luma = np.clip(picture.y + noises[number % _NOISE_PICTURES], 16, 235).astype(np.uint8)
            planes = [luma.reshape(-1), picture.u.reshape(-1), picture.v.reshape(-1)]
            frame = av.VideoFrame.from_ndarray(np.concatenate(planes).reshape(-1, width), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
            block = av.AudioFrame.from_ndarray(tone(number * step, step)[None, :], format="fltp", layout="mono")
            block.sample_rate, block.pts = TICKS_PER_SECOND, number * step
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
