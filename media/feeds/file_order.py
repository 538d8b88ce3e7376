"""What of a file's packets is worth storing, and decoding times that a muxer can take. Pure: no I/O of its own.

An edit list of an MP4 file begins the film in the middle of a group of pictures: the packets before are decoded and not
shown (`shown` False). And some files write decoding times that lie behind the time a picture is shown at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.feeds.packets import FeedPacket

REORDER_DEPTH = 16
"""Pictures a decoder may hold back at most (MaxDpbFrames of H.264 A.3.1 and of H.265 A.4.2)."""
PRIMING: Ticks = TICKS_PER_SECOND // 10
"""Unheard sound that is kept before what is heard: 80 ms settle Opus (RFC 7845), one or two frames AAC."""
_MAX_START = 3_000
"""Packets looked at for the first one shown: a minute of pictures and sound, several groups of pictures."""
_BREAK: Ticks = TICKS_PER_SECOND // 2
"""Decoding times that step back further belong to another timeline."""


def needed_start(packets: Iterator[FeedPacket], lead: Kind) -> list[FeedPacket]:
    """The first packets, without those that nothing shown or heard is decoded from; `packets` is left after them.

    `lead`: the kind that says when enough was read.
    """
    held: list[FeedPacket] = []
    shown = 0
    for packet in packets:
        held.append(packet)
        shown += packet.kind is lead and packet.shown
        if shown > REORDER_DEPTH or len(held) >= _MAX_START or (shown and all(p.shown for p in held)):
            break
    first_picture, first_sample = _needed_from(held), _heard_from(held)
    return [
        packet
        for index, packet in enumerate(held)
        if (index >= first_picture if packet.kind is Kind.VIDEO else packet.end > first_sample)
    ]


def _needed_from(held: Sequence[FeedPacket]) -> int:
    """Index of the last key picture that everything shown comes after, in the file and on the screen."""
    pictures = [(index, packet) for index, packet in enumerate(held) if packet.kind is Kind.VIDEO]
    shown = [(index, packet) for index, packet in pictures if packet.shown]
    if not shown:
        return 0
    least = min(packet.pts for _, packet in shown)
    keys = [index for index, packet in pictures if packet.key and packet.pts <= least and index <= shown[0][0]]
    return max(keys, default=0)


def _heard_from(held: Sequence[FeedPacket]) -> Ticks:
    heard = [packet.pts for packet in held if packet.kind is Kind.AUDIO and packet.shown]
    return min(heard) - PRIMING if heard else min((packet.pts for packet in held), default=0)


def decodable(packets: Iterator[FeedPacket]) -> Iterator[FeedPacket]:
    """The packets in their order, DTS of pictures lowered so that none lies behind a PTS that is still to come.

    Muxers refuse a picture shown before the DTS of one that was stored; lowered as little as this needs, all fit.
    """
    held: deque[FeedPacket] = deque()
    pictures = 0
    for packet in chain(packets, [None]):
        if packet is not None:
            held.append(packet)
            pictures += packet.kind is Kind.VIDEO
        while held and (packet is None or pictures > REORDER_DEPTH or held[0].kind is Kind.AUDIO):
            pictures -= held[0].kind is Kind.VIDEO
            yield _lowered(held)


def _lowered(held: deque[FeedPacket]) -> FeedPacket:
    """The first of `held`, taken out, its DTS not behind any PTS of the pictures after it on the same timeline."""
    first = held.popleft()
    if first.kind is not Kind.VIDEO:
        return first
    least, last = min(first.dts, first.pts), first.dts
    for packet in held:
        if packet.kind is Kind.VIDEO:
            if packet.dts < last - _BREAK:
                break
            least, last = min(least, packet.pts), packet.dts
    return first if least == first.dts else replace(first, dts=least)
