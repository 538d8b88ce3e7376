"""The newest packets of a feed that nobody records yet, in memory alone: a lesson begins with them. Pure."""

from __future__ import annotations

from collections import deque
from itertools import islice

from capture.presence import LIVE_KEY_PATIENCE
from capture.reader import LIVE_BYTES
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND
from media.feeds.packets import FeedPacket

PRE_ROLL_S = 10.0
"""A press reaches the feeds within a second or two, on a busy box within some; nothing older is of use to a lesson."""
_SOUND_GROUP_NS = NANOSECONDS_PER_SECOND
"""Sound may begin anywhere: without pictures it is let go of in portions of this length."""


class PreRoll:
    """Keeps what arrived in the last `PRE_ROLL_S`, and before that from the key frame on that it is decoded from.

    Of a stream without key frames, or one that is larger than any, the newest `most_bytes`.
    """

    def __init__(self, most_bytes: int = LIVE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._groups: deque[deque[FeedPacket]] = deque()
        self._bytes = 0
        self._pictures = False

    def add(self, packet: FeedPacket) -> None:
        """Take the next packet, in the order of arrival, and let go of what is too old."""
        if self._begins_group(packet):
            self._groups.append(deque())
        self._groups[-1].append(packet)
        self._bytes += packet.coded.size
        self._drop_before(packet.arrival_ns - round(PRE_ROLL_S * NANOSECONDS_PER_SECOND))
        while self._bytes > self._most_bytes:
            self._drop_one()

    def since(self, at_ns: int) -> list[FeedPacket]:
        """What arrived since `at_ns` (CLOCK_MONOTONIC), and before that no more than it takes to decode it."""
        self._drop_before(at_ns)
        return [packet for group in self._groups for packet in group]

    def usable(self, kind: Kind) -> bool:
        """Whether a decoder could begin with something of this kind that is held: pictures need a key frame, unless so
        many came without one that the stream is taken as one that marks none.
        """
        if kind is Kind.AUDIO:
            return bool(self._groups)
        if any(group[0].key and group[0].kind is Kind.VIDEO for group in self._groups):
            return True
        return sum(packet.kind is Kind.VIDEO for group in self._groups for packet in group) > LIVE_KEY_PATIENCE

    def newest(self, least_s: float) -> list[FeedPacket]:
        """The newest packets, of so many seconds or a little more, from one on that can be decoded alone."""
        if not self._groups:
            return []
        since = self._groups[-1][-1].arrival_ns - round(least_s * NANOSECONDS_PER_SECOND)
        first = max((n for n, group in enumerate(self._groups) if group[0].arrival_ns <= since), default=0)
        return [packet for group in islice(self._groups, first, None) for packet in group]

    def clear(self) -> None:
        """Forget everything: another connection has another time line."""
        self._groups.clear()
        self._bytes, self._pictures = 0, False

    def _begins_group(self, packet: FeedPacket) -> bool:
        if packet.kind is Kind.VIDEO:
            first, self._pictures = not self._pictures, True
            return packet.key or first or not self._groups
        if not self._groups:
            return True
        return not self._pictures and packet.arrival_ns - self._groups[-1][0].arrival_ns >= _SOUND_GROUP_NS

    def _drop_before(self, at_ns: int) -> None:
        while len(self._groups) > 1 and self._groups[1][0].arrival_ns <= at_ns:
            self._bytes -= sum(packet.coded.size for packet in self._groups.popleft())

    def _drop_one(self) -> None:
        self._bytes -= self._groups[0].popleft().coded.size
        if not self._groups[0]:
            self._groups.popleft()
