"""Small media files with known content, made on the spot: bar-coded pictures, clicks, and cuts into segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.clicks import draw_click
from tests.kit.marks import TEACHER, Mark, draw_mark

SIZE = (192, 112)
"""Four columns a bar-code cell: the least that survives lossy codecs well."""

_TICK = Fraction(1, TICKS_PER_SECOND)


def marked(at: Ticks, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A luma plane (h, w) with a soft ramp, something that moves, and the bar code of `at`."""
    width, height = size
    luma = np.tile(np.linspace(60, 180, width).astype(np.uint8), (height, 1))
    left = at // 480 % (width - 24)
    luma[height // 4 : height // 2, left : left + 24] = 220
    draw_mark(luma, Mark(TEACHER, at))
    return luma


def frame_of(luma: NDArray[np.uint8], chroma: tuple[int, int] = (128, 128)) -> av.VideoFrame:
    """A yuv420p frame of this luma (h, w) and one colour."""
    height, width = luma.shape
    planes = [luma, *(np.full(((height + 1) // 2, (width + 1) // 2), value, np.uint8) for value in chroma)]
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((values.shape[0], plane.line_size), np.uint8)
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes())
    return frame


def film(
    path: Path,
    times: Sequence[Ticks],
    *,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    draw: Callable[[Ticks], av.VideoFrame] | None = None,
    aspect: Fraction | None = None,
    prepare: Callable[[Any], None] = lambda _stream: None,
    format: str | None = None,
) -> Path:
    """Encode one picture for each time, marked with it unless `draw` makes another. `prepare` may set up the stream."""
    clusters = {"cluster_time_limit": "200"} if path.suffix == ".mkv" else {}  # damage is to stay where it is done
    with av.open(str(path), "w", format=format, container_options=clusters) as out:
        stream = out.add_stream(codec, rate=25, options=dict(options or {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 25) if codec == "mpeg2video" else _TICK  # it has few
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        prepare(stream)
        for at in times:
            frame = draw(at) if draw else frame_of(marked(at, size)).reformat(format=pix_fmt)
            frame.pts, frame.time_base = at, _TICK
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def clicks(length: Ticks, starts: Iterable[Ticks]) -> NDArray[np.float32]:
    """Mono sound at 48 kHz: a low tone with a click at each start."""
    pcm = (0.05 * np.sin(2 * np.pi * 180 * np.arange(length) / TICKS_PER_SECOND)).astype(np.float32)
    for start in starts:
        draw_click(pcm, start)
    return pcm


def tape(
    path: Path,
    pcm: NDArray[np.float32],
    *,
    codec: str = "aac",
    start: Ticks = 0,
    rate: int = TICKS_PER_SECOND,
    channels: int = 1,
    format: str | None = None,
) -> Path:
    """Encode mono sound at `rate`, its first sample at `start`; `channels` copies of it."""
    layout = {1: "mono", 2: "stereo"}[channels]
    with av.open(str(path), "w", format=format) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.codec_context.format.name, layout, rate, stream.codec_context.frame_size)
        for offset in range(0, len(pcm), 4800):
            part = np.ascontiguousarray(np.repeat(pcm[None, offset : offset + 4800], channels, axis=0))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = offset + start * rate // TICKS_PER_SECOND
            for piece in resampler.resample(frame):
                out.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            out.mux(stream.encode(piece))
        out.mux(stream.encode())
    return path


def cut(path: Path, folder: Path, *, every: Ticks) -> list[Path]:
    """Copy the first stream of a file into Matroska segments: a new one at a key frame once `every` has passed."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Path] = []
    with av.open(str(path)) as source:
        stream = source.streams[0]
        out: Any = None
        copy: Any = None
        began = 0
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            at = round(packet.pts * packet.time_base * TICKS_PER_SECOND)
            if out is None or (packet.is_keyframe and at >= began + every):
                if out is not None:
                    out.close()
                parts.append(folder / f"{len(parts):06}.mkv")
                out = av.open(str(parts[-1]), "w", container_options={"avoid_negative_ts": "disabled"})
                copy = out.add_stream_from_template(stream, opaque=True)
                began = at
            packet.stream = copy
            out.mux_one(packet)
        out.close()
    return parts
