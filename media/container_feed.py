"""Packets of an open av container, as they are, on a timeline that starts above zero."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import av
from av.container import InputContainer
from av.stream import Stream

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.packets import HEADROOM, FeedPacket, Track
from media.segment import stream_info

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
        if dts is None or dts > pts:
            dts = pts - REORDER_ALLOWANCE if self._last_dts is None else min(self._last_dts, pts)
        yield self._made(packet, pts, dts, duration, arrival_ns)

    def _made(self, packet: av.Packet[Stream], pts: Ticks, dts: Ticks, duration: Ticks, arrival_ns: int) -> FeedPacket:
        self._last_dts = dts
        key = packet.is_keyframe or self.kind is Kind.AUDIO
        return FeedPacket(self.kind, pts, dts, duration, key, arrival_ns, packet)


class ContainerPackets:
    """Reads the chosen streams of an av container. Errors of libav pass through: the caller knows the feed's name."""

    def __init__(self, container: InputContainer, streams: Sequence[Stream]) -> None:
        self._container = container
        self._streams = list(streams)
        self.tracks: Mapping[Kind, Track] = {Kind(s.type): Track(stream_info(s), s) for s in streams}

    def __iter__(self) -> Iterator[FeedPacket]:
        stampers = {stream.index: Stamper(stream) for stream in self._streams}
        for packet in self._container.demux(self._streams):
            if packet.size:
                yield from stampers[packet.stream.index].stamp(packet, time.monotonic_ns())


def headroom_shift(start: Ticks) -> Ticks:
    """What to add to a timeline that starts at `start` so that nothing lies below zero."""
    return max(0, HEADROOM - start)


def shifted(packet: FeedPacket, by: Ticks, arrival_ns: int | None = None) -> FeedPacket:
    """The packet `by` ticks later, perhaps with another arrival."""
    arrival = packet.arrival_ns if arrival_ns is None else arrival_ns
    return FeedPacket(packet.kind, packet.pts + by, packet.dts + by, packet.duration, packet.key, arrival, packet.coded)
