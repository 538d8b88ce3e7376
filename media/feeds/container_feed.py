"""Packets of an open av container, as they are, on a timeline that starts above zero."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from lesson.model import Kind
from lesson.time import Ticks
from media.feeds.packets import HEADROOM, FeedPacket, FeedStream
from media.feeds.segment import stream_info
from media.feeds.stamping import Stamper


class ContainerPackets:
    """Reads the chosen streams of an av container. Errors of libav pass through: the caller knows the feed's name."""

    def __init__(self, container: InputContainer, streams: Sequence[Stream]) -> None:
        self._container = container
        self._streams = list(streams)
        self.streams: Mapping[Kind, FeedStream] = {Kind(s.type): FeedStream(stream_info(s), s) for s in streams}

    def __iter__(self) -> Iterator[FeedPacket]:
        stampers = {stream.index: Stamper(stream) for stream in self._streams}
        for packet in coded_packets(self._container, self._streams):
            yield from stampers[packet.stream.index].stamp(packet, time.monotonic_ns())


def coded_packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
    """The packets of these streams that hold anything, up to the end."""
    with suppress(IndexError):  # PyAV 18.1, at the end, when streams came up after the beginning
        for packet in container.demux(streams):
            if packet.size:
                yield packet


def headroom_shift(start: Ticks) -> Ticks:
    """What to add to a timeline that starts at `start` so that nothing lies below zero."""
    return max(0, HEADROOM - start)
