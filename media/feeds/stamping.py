"""Where a packet lies on its feed's timeline when the feed does not say, says it late, or by a clock that jumps."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.stream import Stream

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_ns, ticks_from_pts
from media.feeds.packets import FeedPacket

REORDER_ALLOWANCE: Ticks = TICKS_PER_SECOND // 4
"""How far before its PTS the DTS of a first packet is put when the feed gives none: 6 frames at 25 fps."""
_MAX_PENDING = 50
NO_REORDERING = frozenset({"mjpeg", "vp8", "vp9", "av1"})
"""Video codecs whose packets are stored in the order they are shown in, so that DTS may stand for PTS."""


class Stamper:
    """Gives every packet of one stream a PTS and a DTS that does not run backwards by itself.

    Cameras often send their first key frame without any: it is held until the first stamped packet says where the
    timeline is, and placed one frame before it.
    """

    def __init__(self, stream: Stream) -> None:
        assert stream.time_base is not None  # noqa: S101 - libavformat gives every stream one
        self._time_base = stream.time_base
        self.kind = Kind(stream.type)
        codec = stream.codec_context.codec.canonical_name
        self._dts_is_pts = self.kind is Kind.AUDIO or codec in NO_REORDERING
        self._step = self._nominal_step(stream)
        self._pending: list[tuple[av.Packet[Stream], int]] = []
        self._last_dts: Ticks | None = None

    def _nominal_step(self, stream: Stream) -> Ticks:
        if self.kind is Kind.AUDIO:
            return 0
        rate = stream.average_rate or stream.guessed_rate
        return round(TICKS_PER_SECOND / rate) if rate else TICKS_PER_SECOND // 25

    def _ticks(self, pts: int | None) -> Ticks | None:
        return None if pts is None else ticks_from_pts(pts, self._time_base)

    def stamp(self, packet: av.Packet[Stream], arrival_ns: int) -> Iterator[FeedPacket]:
        """Packets that are ready now, stamped in feed time, not shifted yet."""
        pts, dts = self._ticks(packet.pts), self._ticks(packet.dts)
        if pts is None and self._dts_is_pts:
            pts = dts
        if pts is None:
            if self._last_dts is None and len(self._pending) < _MAX_PENDING:
                self._pending.append((packet, arrival_ns))
            return  # in mid-stream a packet without a place cannot be stored
        duration = self._ticks(packet.duration) or self._step
        held, self._pending = self._pending, []
        for index, (early, early_ns) in enumerate(held):
            at = pts - (len(held) - index) * duration
            yield self._made(early, at, at - REORDER_ALLOWANCE, duration, early_ns)
        if dts is None:
            dts = pts - REORDER_ALLOWANCE if self._last_dts is None else min(self._last_dts, pts)
        yield self._made(packet, pts, dts, duration, arrival_ns)

    def _made(self, packet: av.Packet[Stream], pts: Ticks, dts: Ticks, duration: Ticks, arrival_ns: int) -> FeedPacket:
        self._last_dts = dts
        key = packet.is_keyframe or self.kind is Kind.AUDIO
        return FeedPacket(self.kind, pts, dts, duration, key, arrival_ns, packet, not packet.is_discard)


class ArrivalClock:
    """Times for devices whose own are wall clock, which may jump: a picture lies where it arrived."""

    def __init__(self) -> None:
        self._last: Ticks = -1

    def place(self, arrival_ns: int) -> Ticks:
        """PTS of what arrived then; always later than the one before."""
        self._last = max(self._last + 1, ticks_from_ns(arrival_ns))
        return self._last


class SampleClock:
    """Times for sound devices: samples are counted, and lost ones noticed by what arrives later than it could.

    The least delay of each window is free of scheduling jitter. When it grows by more than `TOLERANCE` from one
    window to the next, the device has dropped samples, and counting goes on behind the hole; slow drift of its clock
    against ours stays far below.
    """

    WINDOW: Ticks = 2 * TICKS_PER_SECOND
    TOLERANCE: Ticks = TICKS_PER_SECOND // 20

    def __init__(self) -> None:
        self._next: Ticks | None = None
        self._window_end: Ticks = 0
        self._least: Ticks | None = None
        self._before: Ticks | None = None

    def place(self, arrival_ns: int, duration: Ticks) -> Ticks:
        """PTS of `duration` ticks of sound whose last sample arrived then."""
        arrival = ticks_from_ns(arrival_ns)
        if self._next is None:
            self._next = arrival - duration
            self._window_end = arrival + self.WINDOW
        at = self._next
        self._next = at + duration
        delay = arrival - self._next
        self._least = delay if self._least is None else min(self._least, delay)
        if arrival >= self._window_end:
            self._close_window(arrival)
        return at

    def _close_window(self, arrival: Ticks) -> None:
        least = self._least or 0
        if self._before is not None and least - self._before > self.TOLERANCE and self._next is not None:
            self._next += least - self._before
            least = self._before
        self._before, self._least = least, None
        self._window_end = arrival + self.WINDOW
