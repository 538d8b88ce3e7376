"""Small media files with marks, made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.camera_content import AAC_FRAME, FRAME, video_frame
from tests.kit.clicks import draw_click
from tests.kit.marks import TEACHER

_TICK = Fraction(1, TICKS_PER_SECOND)


def marked_clip(
    path: Path,
    *,
    seconds: int = 6,
    video: str | None = "libx264",
    audio: str | None = "aac",
    start: Ticks = 0,
    source: int = TEACHER,
    size: tuple[int, int] = (384, 208),
    options: dict[str, str] | None = None,
) -> Path:
    """A file of the format its suffix names; its time stamps start at `start`.

    Pictures at 25 fps with a key frame each second, each marked with its time from the start of the clip;
    clicks at even seconds in mono sound.
    """
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=25) if video else None
        sound = container.add_stream(audio, rate=TICKS_PER_SECOND, layout="mono") if audio else None
        if pictures is not None:
            context = pictures.codec_context
            context.width, context.height, context.pix_fmt = *size, "yuv420p"
            context.gop_size, context.thread_count = 25, 1
            if context.codec.name == "libx264":
                context.options = {"preset": "ultrafast", "crf": "24", **(options or {})}
            else:
                context.bit_rate = 1_500_000
        pcm = np.zeros(seconds * TICKS_PER_SECOND // AAC_FRAME * AAC_FRAME, np.float32)
        for second in range(0, seconds, 2):
            draw_click(pcm, second * TICKS_PER_SECOND)
        for second in range(seconds):  # a second of each in turn, as muxers like it
            for index in range(second * 25, second * 25 + 25) if pictures is not None else ():
                frame = video_frame(index * FRAME, width=size[0], height=size[1], source=source)
                frame.pts = start + index * FRAME
                container.mux(pictures.encode(frame))
            if sound is not None:
                first, end = second * TICKS_PER_SECOND, min(len(pcm), (second + 1) * TICKS_PER_SECOND)
                block = AudioFrame.from_ndarray(pcm[first:end].reshape(1, -1), format="flt", layout="mono")
                block.sample_rate, block.pts, block.time_base = TICKS_PER_SECOND, start + first, _TICK
                container.mux(sound.encode(block))
        for stream in (pictures, sound):
            if stream is not None:
                container.mux(stream.encode(None))
    return path
