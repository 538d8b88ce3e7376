"""Pictures and sound with each flaw, and without, as files that a camera or microphone could have sent."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from lesson.model import Kind
from lesson.signal import FLAW_KINDS, Flaw
from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.camera_content import Content, coded
from tests.kit.films import film, frame_of, tape

SIZE = (320, 180)
FPS = 5
_RNG = np.random.default_rng(11)
_WIDTH, _HEIGHT = SIZE

Luma = NDArray[np.uint8]
Pcm = NDArray[np.float32]


def _grain(level: float, picture: NDArray[np.float64] | float) -> Luma:
    return np.clip(picture + _RNG.normal(0, level, (_HEIGHT, _WIDTH)), 16, 235).astype(np.uint8)


def _room() -> NDArray[np.float64]:
    return np.linspace(40, 200, _WIDTH)[None, :] * np.linspace(0.6, 1.0, _HEIGHT)[:, None]


_STILL = _grain(3.0, _room())
PICTURES: dict[Flaw | None, Callable[[], Luma]] = {
    None: lambda: _grain(3.0, _room()),
    Flaw.BLACK: lambda: _grain(1.0, 17.0),
    Flaw.COVERED: lambda: _grain(1.0, 80.0),
    Flaw.FROZEN: lambda: _STILL,
}
"""One luma plane after the other, (h, w)."""


def _speech(seconds: int) -> Pcm:
    time = np.arange(seconds * TICKS_PER_SECOND) / TICKS_PER_SECOND
    rhythm = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) ** 2
    return (_RNG.normal(0, 0.1, len(time)) * rhythm + _RNG.normal(0, 0.001, len(time))).astype(np.float32)


def _hum(seconds: int) -> Pcm:
    time = np.arange(seconds * TICKS_PER_SECOND) / TICKS_PER_SECOND
    return sum((0.1 / n * np.sin(2 * np.pi * n * 50 * time) for n in (1, 2, 3)), np.zeros(len(time))).astype(np.float32)


SOUNDS: dict[Flaw | None, Callable[[int], Pcm]] = {
    None: _speech,
    Flaw.SILENT: lambda seconds: np.zeros(seconds * TICKS_PER_SECOND, np.float32),
    Flaw.FAINT: lambda seconds: _speech(seconds) * np.float32(0.015),
    Flaw.CLIPPED: lambda seconds: np.clip(_speech(seconds) * 30, -1, 1).astype(np.float32),
    Flaw.HUM: _hum,
}
"""So many seconds of mono sound at 48 kHz."""


def flawed_clip(path: Path, flaw: Flaw | None, *, seconds: int = 8, kind: Kind | None = None) -> Path:
    """A Matroska file of pictures or sound with this flaw; without one, `kind` says of what."""
    if (FLAW_KINDS[flaw] if flaw else kind) is Kind.AUDIO:
        return tape(path, SOUNDS[flaw](seconds))
    if flaw is Flaw.UNDECODABLE:
        return garbled(filmed(path, [None] * seconds))
    return filmed(path, [flaw] * seconds)


@cache
def staged(picture: Flaw | None = None, sound: Flaw | None = None) -> Content:
    """What a camera sends whose picture or sound has a flaw."""
    seconds = 70 if picture is Flaw.FROZEN else 14  # where it begins again, the coder's rate settles anew
    step = TICKS_PER_SECOND // FPS
    frames = [frame_of(PICTURES[picture]()) for _ in range(seconds * FPS)]
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number * step, Fraction(1, TICKS_PER_SECOND)
    return coded(frames, SOUNDS[sound](seconds), gop=FPS)


def garbled(path: Path, since_s: float = 0.0, until_s: float = 3600.0, kind: Kind = Kind.VIDEO) -> Path:
    """A film whose pictures (or sound) between two instants nobody can decode: what is coded is overwritten."""
    whole = path.with_stem(f"{path.stem} whole")
    path.rename(whole)
    with av.open(str(whole)) as film_of, av.open(str(path), "w", format="matroska") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in film_of.streams}
        for packet in film_of.demux():
            if not packet.size or packet.pts is None:
                continue
            source, at = packet.stream, packet.pts * packet.time_base
            if source.type == kind and since_s <= at < until_s:
                head = bytes(packet)[:4] + (b"\x65" if packet.is_keyframe else b"\x41") if kind is Kind.VIDEO else b""
                coded = av.Packet(head + b"\0" * (packet.size - len(head)))
                coded.pts, coded.dts, coded.time_base = packet.pts, packet.dts, packet.time_base
                coded.is_keyframe, packet = packet.is_keyframe, coded
            packet.stream = streams[source.index]
            out.mux(packet)
    return path


def filmed(path: Path, flaws: list[Flaw | None]) -> Path:
    """Pictures, each second with its flaw or none; a key frame every second."""
    drawn = [PICTURES[flaw] for flaw in flaws]
    step = TICKS_PER_SECOND // FPS
    times: list[Ticks] = [n * step for n in range(len(flaws) * FPS)]
    options = {"preset": "ultrafast", "g": str(FPS), "crf": "20", "threads": "1"}
    return film(path, times, size=SIZE, options=options, draw=lambda at: frame_of(drawn[at // TICKS_PER_SECOND]()))
