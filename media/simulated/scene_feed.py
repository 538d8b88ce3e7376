"""Scenes as live feeds: paced in real time, each on a clock of its own, a late frame skipped and never made up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks, ticks_from_ns
from media.feeds.packets import FeedPacket, announced
from media.feeds.raw_encoder import RawAudioEncoder, RawVideoEncoder, frame_from_yuv
from media.simulated.scene import Scene, tone

AUDIO_BLOCK: Ticks = 1_024
PATIENCE: Ticks = TICKS_PER_SECOND
"""How late a frame may be made, as a camera's own buffer would have it, before it is given up."""


def due_next(previous: Ticks, now: Ticks, period: Ticks) -> Ticks:
    """Scene time of the frame to show after the one of `previous`, on the grid of whole periods.

    The next one, made late if it must be; those that are overdue by more than `PATIENCE` are skipped.
    """
    following = previous + period
    return following if now - following <= PATIENCE else now // period * period


class _SceneFeed:
    """Pacing common to pictures and sound: `origin` is the PTS (ticks) that the first frame gets."""

    stall_s: float | None = 5.0
    reopens = False
    late: frozenset[Kind] = frozenset()

    def __init__(self, period: Ticks, origin: Ticks) -> None:
        self.origin = origin
        self._period = period
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def _wait_until(self, at: Ticks) -> int:
        """Sleep until the scene clock shows `at`; the monotonic time then, in ns."""
        due_ns = -(-at * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / NANOSECONDS_PER_SECOND)
        return time.monotonic_ns()


class SceneVideoFeed(_SceneFeed):
    """A camera of the simulated classroom."""

    def __init__(self, scene: Scene, fps: Fraction, origin: Ticks) -> None:
        super().__init__(round(TICKS_PER_SECOND / fps), origin)
        self._scene = scene
        self._encoder = RawVideoEncoder(*scene.size, fps)
        self.streams = {Kind.VIDEO: self._encoder.stream}
        self.expected = frozenset(self.streams)
        self.announced = announced(self.streams)

    def packets(self) -> Iterator[FeedPacket]:
        at = ticks_from_ns(time.monotonic_ns()) // self._period * self._period
        first: Ticks | None = None
        while not self._closed:
            at = due_next(at, ticks_from_ns(time.monotonic_ns()), self._period)
            arrival_ns = self._wait_until(at)
            first = at if first is None else first
            frame = frame_from_yuv(self._scene.draw(at))
            yield from self._encoder.encode(frame, at - first + self.origin, arrival_ns)


class SceneToneFeed(_SceneFeed):
    """The microphone of the simulated classroom. A late block is never skipped: sound has no holes."""

    def __init__(self, origin: Ticks) -> None:
        super().__init__(AUDIO_BLOCK, origin)
        self._encoder = RawAudioEncoder()
        self.streams = {Kind.AUDIO: self._encoder.stream}
        self.expected = frozenset(self.streams)
        self.announced = announced(self.streams)

    def packets(self) -> Iterator[FeedPacket]:
        at = first = ticks_from_ns(time.monotonic_ns())
        while not self._closed:
            arrival_ns = self._wait_until(at + AUDIO_BLOCK)
            yield from self._encoder.encode(tone(at, AUDIO_BLOCK), at - first + self.origin, arrival_ns)
            at += AUDIO_BLOCK
