"""Decisions of a recorder, without I/O: where a segment ends, when a timeline is broken, when a feed is lost.

Times of packets are ticks of the feed, times of arrival nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks, ticks_from_ns
from media.packets import FeedPacket

SEGMENT_LENGTH: Ticks = 4 * TICKS_PER_SECOND
"""A segment ends at the first key frame from here on: short enough to follow live, long enough to cost nothing."""
KEY_JITTER: Ticks = TICKS_PER_SECOND // 10
"""A key frame this much early is still the one of the fourth second; else jitter would make segments of six."""
MAX_JUMP: Ticks = 2 * TICKS_PER_SECOND
"""PTS and arrival may disagree by this much before the timeline counts as broken."""
LAG_PATIENCE: Ticks = 5 * TICKS_PER_SECOND
"""A delay in the network is made up sooner; what lags longer has lost time for good."""
REORDERING: Ticks = TICKS_PER_SECOND // 2
"""Time stamps of one stream may step back by this much (muddled B-frames, a restarted loop) without breaking it."""
MAX_REST: Ticks = 3_600 * TICKS_PER_SECOND
"""Longest rest between two packets of a file that is taken for one."""
KEY_PATIENCE = 300
"""Pictures without a key frame before the stream is taken as one that marks none (periodic intra refresh)."""
PAUSES_S = (0.5, 1.0, 2.0, 5.0)
"""Rest before the first, second … attempt to reconnect; the last one for ever."""
HELD_FOR_S = 30.0
"""A feed that delivered this long has proved itself: its next loss starts with the shortest pause again."""


class Cutter:
    """Says before which packet a segment ends, and which packets before the first key frame are of no use."""

    def __init__(self, kinds: Set[Kind]) -> None:
        self._lead = Kind.VIDEO if Kind.VIDEO in kinds else Kind.AUDIO
        self._start: Ticks | None = None
        self._without_key = 0
        self._key_seen = False

    @property
    def started(self) -> bool:
        """Whether a segment has started and not stopped."""
        return self._start is not None

    def due(self, packet: FeedPacket) -> bool:
        """Whether the segment ends before `packet`."""
        if self._start is None or packet.kind is not self._lead or not packet.key:
            return False
        least = SEGMENT_LENGTH - KEY_JITTER if self._lead is Kind.VIDEO else SEGMENT_LENGTH
        return packet.pts - self._start >= least

    def start(self, packet: FeedPacket) -> None:
        """A segment starts with `packet`."""
        self._start = packet.pts

    def stop(self) -> None:
        """The segment ended."""
        self._start = None

    def useless(self, packet: FeedPacket) -> bool:
        """Whether a picture lies before the first key frame: no decoder can show it. Patience ends after a while."""
        if packet.kind is Kind.VIDEO and not self._key_seen:
            self._without_key += 1
            self._key_seen = packet.key or self._without_key > KEY_PATIENCE
            return not self._key_seen
        return False


class Continuity:
    """Says where one uninterrupted timeline ends: packets step back, come from the future, or lag for good.

    Delay only ever adds to `arrival - dts`, so its least value over the last seconds is what the present one is
    judged by; a window, because clocks drift. Without `live` arrival means nothing, and only the time stamps count.
    """

    _WINDOW_NS = 30 * NANOSECONDS_PER_SECOND

    def __init__(self, *, live: bool, before: Mapping[Kind, Ticks] | None = None) -> None:
        self._live = live
        self._before = before or {}
        self._last: dict[Kind, Ticks] = {}
        self._least: tuple[Ticks, int] | None = None
        self._lagging_since: int | None = None

    def next_epoch(self) -> Continuity:
        """The rule for the timeline after this one, which still knows stragglers of this one."""
        return Continuity(live=self._live, before=self._last)

    def straggler(self, packet: FeedPacket) -> bool:
        """Whether `packet` belongs to the timeline before this one: streams do not break at the same instant."""
        before = self._before.get(packet.kind)
        if before is None or packet.kind in self._last or not self._last:
            return False
        here = next(iter(self._last.values()))
        return abs(packet.dts - before) < abs(packet.dts - here)

    def broken_by(self, packet: FeedPacket) -> str | None:
        """Why the timeline ends before `packet`, or None; then the packet belongs to it."""
        last = self._last.get(packet.kind)
        if last is not None and packet.dts < last - REORDERING:
            return f"{packet.kind} time stamps stepped back by {(last - packet.dts) / TICKS_PER_SECOND:.1f} s"
        reason = self._against_arrival(packet) if self._live else self._against_reason(packet, last)
        if reason is None:
            self._last[packet.kind] = packet.dts if last is None else max(packet.dts, last)
        return reason

    def _against_reason(self, packet: FeedPacket, last: Ticks | None) -> str | None:
        """In a file a picture may stand for long, but a clock that starts anew may look like an hour or a day."""
        if last is None or packet.dts - last < MAX_REST:
            return None
        return f"{packet.kind} time stamps jumped ahead by {(packet.dts - last) / TICKS_PER_SECOND:.0f} s"

    def _against_arrival(self, packet: FeedPacket) -> str | None:
        offset = ticks_from_ns(packet.arrival_ns) - packet.dts
        if self._least is None:
            self._least = (offset, packet.arrival_ns)
            return None
        least, since = self._least
        if offset < least - MAX_JUMP:
            return f"{packet.kind} time stamps jumped ahead by {(least - offset) / TICKS_PER_SECOND:.1f} s"
        if offset > least + MAX_JUMP:
            self._lagging_since = self._lagging_since or packet.arrival_ns
            if ticks_from_ns(packet.arrival_ns - self._lagging_since) > LAG_PATIENCE:
                return f"{packet.kind} time stamps fell behind by {(offset - least) / TICKS_PER_SECOND:.1f} s"
            return None
        self._lagging_since = None
        if offset < least or packet.arrival_ns - since > self._WINDOW_NS:
            self._least = (offset, packet.arrival_ns)
        return None


class StallWatch:
    """Says when a stream has been silent for too long. `patience_s` None: silence is normal."""

    def __init__(self, kinds: set[Kind], now_ns: int, patience_s: float | None) -> None:
        self._heard = dict.fromkeys(kinds, now_ns)
        self._patience_s = patience_s

    def heard(self, packet: FeedPacket) -> None:
        if packet.kind in self._heard:
            self._heard[packet.kind] = max(self._heard[packet.kind], packet.arrival_ns)

    def only(self, kinds: Set[Kind]) -> None:
        """Watch just these streams from now on."""
        self._heard = {kind: at for kind, at in self._heard.items() if kind in kinds}

    def stalled(self, now_ns: int) -> str | None:
        """What gave nothing for longer than the patience, in words, or None."""
        if self._patience_s is None:
            return None
        limit = now_ns - round(self._patience_s * NANOSECONDS_PER_SECOND)
        silent = [str(kind) for kind, at in self._heard.items() if at < limit]
        return f"no {' or '.join(silent)} for {self._patience_s:g} s" if silent else None


@dataclass(slots=True)
class Backoff:
    """How long to rest before the next attempt."""

    _failures: int = 0

    def pause_s(self, delivered_s: float) -> float:
        """The pause after a connection that delivered for `delivered_s` seconds (0: it never did)."""
        if delivered_s >= HELD_FOR_S:
            self._failures = 0
        pause = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        return pause


@dataclass(slots=True)
class Settling:
    """Holds the first packets of a feed until it is known which of the announced streams deliver.

    Cameras announce a microphone that is switched off. Pictures before the first key frame are dropped: no decoder
    can show them.
    """

    announced: set[Kind]
    patience_s: float
    _held: list[FeedPacket] = field(default_factory=list)
    _seen: set[Kind] = field(default_factory=set)

    def add(self, packet: FeedPacket) -> bool:
        """Take a packet; True when the feed has settled and `result` may be used."""
        if packet.key or packet.kind in self._seen:
            self._seen.add(packet.kind)
            self._held.append(packet)
        waited = packet.arrival_ns - self._held[0].arrival_ns if self._held else 0
        return self._seen == self.announced or waited > self.patience_s * NANOSECONDS_PER_SECOND

    def result(self) -> tuple[set[Kind], list[FeedPacket]]:
        """Streams that deliver, and the packets held so far, in order of arrival."""
        return set(self._seen), list(self._held)
