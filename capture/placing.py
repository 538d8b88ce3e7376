"""Where the packets of a live feed lie on one timeline, whatever its streams' own clocks do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from capture.rules import Continuity
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks
from media.feeds.container_feed import headroom_shift
from media.feeds.packets import FeedPacket

AGREEMENT: Ticks = TICKS_PER_SECOND // 2
"""Two streams of a camera whose time stamps and arrivals tell the same story to within this are on one clock: sound
is coded sooner than pictures, and a large key frame takes its time on the line."""
COMPANION_NS = NANOSECONDS_PER_SECOND
"""The other stream of a camera whose one clock was set shows it within this."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A packet on the timeline of its connection; `broken`: why an uninterrupted stretch of it ended before."""

    packet: FeedPacket
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class _Break:
    """A clock that jumped: whose, when, and how far it moved against the other's."""

    kind: Kind
    arrival_ns: int
    correction: Ticks


class Placing:
    """Puts the streams of one connection on one timeline that never jumps.

    Both streams are shifted alike as long as the camera's time stamps agree with what arrives. When a clock jumps its
    stream is shifted anew, so that it goes on where it was, beside the other one; when the other follows (both were one
    clock), it is shifted by the same, and their relation stays what the camera says it is.
    """

    def __init__(self) -> None:
        self._continuity = Continuity(live=True)
        self._shifts: dict[Kind, Ticks] = {}
        self._break: _Break | None = None

    def place(self, packet: FeedPacket) -> Placed:
        """The packet on the timeline."""
        if packet.kind not in self._shifts:
            self._shifts[packet.kind] = self._joining(packet)
        reason = self._continuity.broken_by(packet)
        if reason is not None and self._mend(packet):
            reason = None
        shift = self._shifts[packet.kind]
        return Placed(packet.shifted(shift), reason)

    def _joining(self, packet: FeedPacket) -> Ticks:
        """The shift of a stream that is new: that of the other, unless its arrival gives the lie to its time stamps."""
        for other, shift in self._shifts.items():
            due = self._continuity.due(packet, other)
            if due is not None and abs(due - packet.pts) > AGREEMENT:
                return due + shift - packet.pts
            return shift
        return headroom_shift(packet.pts)

    def _mend(self, packet: FeedPacket) -> bool:
        """Shift the stream of `packet` anew; whether it only follows the other one, whose clock is the same."""
        expected = self._continuity.expected(packet)
        correction = packet.pts if expected is None else expected - packet.pts
        before, follows = self._break, False
        if before is not None and packet.kind is not before.kind:
            recent = packet.arrival_ns - before.arrival_ns <= COMPANION_NS
            follows = recent and abs(correction - before.correction) <= AGREEMENT
        if follows and before is not None:
            correction, self._break = before.correction, None
        else:
            self._break = _Break(packet.kind, packet.arrival_ns, correction)
        self._shifts[packet.kind] += correction
        self._continuity = self._continuity.next_epoch()
        self._continuity.broken_by(packet)
        return follows
