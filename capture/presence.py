"""Which of the streams that a feed announces make up its epoch: they may come, and go, at any time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from capture.rules import Paces
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND
from media.feeds.packets import FeedPacket

SETTLE_NS = NANOSECONDS_PER_SECOND // 2
"""The first packets are held this long, so that a camera whose streams start together starts with one epoch. Longer
would be lost when the process is killed meanwhile."""
KEY_PATIENCE = 300
"""Pictures without a key frame before the stream is taken as one that marks none (periodic intra refresh)."""
LIVE_KEY_PATIENCE = 750
"""Half a minute at 25 pictures a second: cameras are joined half-way, and some send key frames only every 12 s."""
DOZE_NS = 2 * NANOSECONDS_PER_SECOND
"""When nobody looked for this long it was this process that slept, not the camera."""


@dataclass(frozen=True, slots=True)
class Change:
    """An epoch of these streams is to begin."""

    kinds: frozenset[Kind]
    reason: str


class Presence:
    """Watches the streams of one connection. `patience_s`: silence after which one counts as gone; None: never."""

    def __init__(self, announced: Set[Kind], patience_s: float | None, now_ns: int) -> None:
        self.kinds: frozenset[Kind] = frozenset()
        self._announced = frozenset(announced)
        self._patience_s = patience_s
        self._began_ns = self._looked_ns = now_ns
        self._held_since: int | None = None
        self._seen: set[Kind] = set()
        self._ever: frozenset[Kind] = frozenset()

    @property
    def away(self) -> frozenset[Kind]:
        """Streams that delivered once and do not now."""
        self._ever |= self.kinds
        return self._ever - self.kinds

    def add(self, packet: FeedPacket) -> Change | None:
        """Take a packet that a decoder could use; the change that is due before it is stored.

        Until the first one nothing can be stored: packets are to be held.
        """
        self._seen.add(packet.kind)
        if self.kinds:
            if packet.kind in self.kinds:
                return None
            self.kinds |= {packet.kind}
            return Change(self.kinds, f"{packet.kind} came")
        if self._held_since is None:
            self._held_since = packet.arrival_ns
        if self._seen == self._announced or packet.arrival_ns - self._held_since >= SETTLE_NS:
            self.kinds = frozenset(self._seen)
            return Change(self.kinds, "start")
        return None

    def look(self, heard: Mapping[Kind, int], now_ns: int) -> Change | str | None:
        """What the silence of streams asks for: an epoch without them, or why the whole feed is lost.

        `heard`: when the newest packet of each stream arrived, whether or not it was handled by now.
        """
        if now_ns - self._looked_ns > DOZE_NS:
            self._began_ns = now_ns
        self._looked_ns = now_ns
        if self._patience_s is None:
            return None
        quiet_ns = {kind: now_ns - max(heard.get(kind, 0), self._began_ns) for kind in self._announced}
        patience_ns = round(self._patience_s * NANOSECONDS_PER_SECOND)
        silent = {kind for kind, quiet in quiet_ns.items() if quiet > patience_ns}
        if silent == self._announced:
            return self._says(silent)
        gone = silent & self.kinds
        if not gone or gone == self.kinds:  # the last stream of an epoch stays in it: what is there is not decodable
            return None
        if min(quiet_ns.values()) > patience_ns // 2:  # perhaps all of them fell silent, one after the other
            return None
        self.kinds -= gone
        self._seen -= gone
        return Change(self.kinds, self._says(gone))

    def _says(self, silent: Set[Kind]) -> str:
        return f"no {' or '.join(sorted(silent, reverse=True))} for {self._patience_s:g} s"


class KeyWait:
    """Says which pictures no decoder could show: those before a key frame, at the beginning and, of a `live` stream
    that lost some, after a hole. Patience ends after a while: some streams mark none (periodic intra refresh).
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._patience = LIVE_KEY_PATIENCE if live else KEY_PATIENCE
        self._paces = Paces()
        self._waiting = True
        self._waited = 0
        self._keyless = False

    def gone(self) -> None:
        """The pictures went away: those that come first afterwards, perhaps held back since, begin nothing."""
        self._waiting, self._waited = not self._keyless, 0

    def useless(self, packet: FeedPacket) -> bool:
        """Whether `packet` can only be dropped. Sound can always be used."""
        if packet.kind is not Kind.VIDEO:
            return False
        if self._live and not self._keyless and self._paces.pause_before(packet):
            self._waiting, self._waited = True, 0
        self._paces.add(packet)
        if packet.key:
            self._waiting = self._keyless = False
        elif self._waiting:
            self._waited += 1
            self._keyless = self._waited > self._patience
            self._waiting = not self._keyless
        return self._waiting
