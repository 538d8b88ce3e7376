"""Decisions of a recorder, without I/O: where a segment ends, and where a timeline is broken.

Times of packets are ticks of the feed, times of arrival nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks, ticks_from_ns
from media.feeds.packets import FeedPacket

SEGMENT_LENGTH: Ticks = 4 * TICKS_PER_SECOND
"""A segment ends at the first key frame from here on: short enough to follow live, long enough to cost nothing."""
KEY_JITTER: Ticks = TICKS_PER_SECOND // 10
"""A key frame this much early is still the one of the fourth second; else jitter would make segments of six."""
MAX_LAG: Ticks = 2 * TICKS_PER_SECOND
"""Arrivals may lag behind the promptest by this much before the timeline may count as broken."""
LAG_PATIENCE: Ticks = 5 * TICKS_PER_SECOND
"""A delay in the network is made up sooner; what lags longer has lost time for good."""
FUTURE: Ticks = TICKS_PER_SECOND // 2
"""A time stamp that leaps may lie this much before what the promptest arrival allows: delay only ever adds."""
REORDERING: Ticks = TICKS_PER_SECOND // 2
"""Time stamps of one stream may step back by this much (muddled B-frames, a restarted loop) without breaking it."""
SNAP: Ticks = TICKS_PER_SECOND // 4
"""A packet that came within this of when the next one was due is the next one: its lateness is jitter."""
MAX_REST: Ticks = 3_600 * TICKS_PER_SECOND
"""Longest rest between two packets of a file that is taken for one."""
STRAGGLE: Ticks = TICKS_PER_SECOND
"""How long after a break of a file's timeline packets of the one before may still follow."""
HOLE: Ticks = TICKS_PER_SECOND // 2
"""A pause of a stream from here on is a gap that records must show: no segment reaches over it."""
NEW_PACE = 8
"""So many pauses one after another are a new pace: a camera that shows a picture each two seconds at night. Fewer come
of a line that loses nearly everything for a while."""


@dataclass(slots=True)
class _Pace:
    """One stream: its latest time stamp, the usual step between two (unknown before the second), how far it reaches.

    `pauses`: how many steps in a row were none of its pace.
    """

    last: Ticks
    usual: Ticks | None
    reach: Ticks | None
    pauses: int = 0

    def learn(self, step: Ticks, *, pause: bool) -> None:
        self.pauses = self.pauses + 1 if pause else 0
        if self.usual is None or self.pauses >= NEW_PACE:
            self.usual, self.pauses = step, 0
        elif not pause:
            self.usual += (step - self.usual) // 4


class Paces:
    """How far each stream has come and how long its steps usually are, to tell a pause from a slow pace.

    A pause teaches nothing of the pace; only many in a row do.
    """

    def __init__(self) -> None:
        self._paces: dict[Kind, _Pace] = {}

    def add(self, packet: FeedPacket) -> None:
        """Take a packet into account."""
        pts, end = packet.pts, packet.end
        pace = self._paces.get(packet.kind)
        if pace is None:
            self._paces[packet.kind] = _Pace(pts, None, end)
            return
        step = pts - pace.last
        if step > 0:
            pace.learn(step, pause=bool(_pause(pace, pts)))
            pace.last = pts
        if pace.reach is None or end > pace.reach:
            pace.reach = end

    def pause_before(self, packet: FeedPacket) -> Ticks:
        """How long the stream of `packet` paused before it; 0 where that is its pace."""
        pace = self._paces.get(packet.kind)
        return _pause(pace, packet.pts) if pace else 0

    def paused_at(self, at: Ticks) -> bool:
        """Whether any stream had paused by then."""
        return any(_pause(pace, at) for pace in self._paces.values())

    def forget_reach(self) -> None:
        """Count pauses from the next packet of each stream on."""
        for pace in self._paces.values():
            pace.reach = None


def _pause(pace: _Pace, at: Ticks) -> Ticks:
    if pace.reach is None or pace.usual is None:
        return 0
    pause = at - pace.reach
    return pause if pause >= HOLE and pause > 4 * pace.usual else 0


class Cutter:
    """Says before which packet a segment ends."""

    def __init__(self, kinds: Set[Kind]) -> None:
        self._lead = Kind.VIDEO if Kind.VIDEO in kinds else Kind.AUDIO
        self._start: Ticks | None = None
        self._paces = Paces()

    @property
    def started(self) -> bool:
        """Whether a segment has started and not stopped."""
        return self._start is not None

    def due(self, packet: FeedPacket) -> bool:
        """Whether the segment ends before `packet`: it is long enough, or a stream paused and a record must say so."""
        if self._start is None or packet.kind is not self._lead or not packet.key:
            return False
        least = SEGMENT_LENGTH - KEY_JITTER if self._lead is Kind.VIDEO else SEGMENT_LENGTH
        return packet.pts - self._start >= least or self._paces.paused_at(packet.pts)

    def start(self, packet: FeedPacket) -> None:
        """A segment starts with `packet`."""
        self._start = packet.pts

    def add(self, packet: FeedPacket) -> None:
        """`packet` is in the segment."""
        self._paces.add(packet)

    def stop(self) -> None:
        """The segment ended."""
        self._start = None
        self._paces.forget_reach()


@dataclass(slots=True)
class _StreamClock:
    """One stream's own clock against arrival. `last`: its greatest time stamp; `least`: the promptest arrival minus
    time stamp, found at `since`; `follows`: the time stamp of a next packet without a hole.
    """

    last: Ticks
    least: Ticks
    since: int
    follows: Ticks
    lagging_since: int | None = None


class Continuity:
    """Says where one uninterrupted timeline ends: time stamps step back, come from the future, or lag for good.

    Delay only ever adds to arrival minus time stamp, so its least value over the last seconds is what the present one
    is judged by; a window, because clocks drift. Each stream is judged by itself: a camera's two clocks may be set one
    by one. Without `live` arrival means nothing, and only the time stamps count.
    """

    _WINDOW_NS = 30 * NANOSECONDS_PER_SECOND

    def __init__(
        self,
        *,
        live: bool,
        before: Mapping[Kind, Ticks] | None = None,
        clocks: Mapping[Kind, _StreamClock] | None = None,
    ) -> None:
        self._live = live
        self._before = before or {}
        self._last: dict[Kind, Ticks] = {}
        self._clocks = dict(clocks or {})
        self._broken: Kind | None = None

    def next_epoch(self) -> Continuity:
        """The rule for the timeline after this one. In a live feed the clock that did not break goes on; in a file
        stragglers of this timeline may follow.
        """
        clocks = {kind: clock for kind, clock in self._clocks.items() if kind is not self._broken}
        return Continuity(live=self._live, before=self._last, clocks=clocks)

    def straggler(self, packet: FeedPacket) -> bool:
        """Whether a packet of a file belongs to the timeline before this one: streams do not break at one instant.

        It follows the packets of that timeline by `STRAGGLE` at most. Live streams go each by its own clock.
        """
        before = self._before.get(packet.kind)
        if self._live or before is None or packet.kind in self._last or not self._last:
            return False
        here = next(iter(self._last.values()))
        return packet.dts - before <= STRAGGLE and abs(packet.dts - before) < abs(packet.dts - here)

    def broken_by(self, packet: FeedPacket) -> str | None:
        """Why the timeline ends before `packet`, or None; then the packet belongs to it."""
        reason = self._against_arrival(packet) if self._live else self._against_reason(packet)
        if reason is not None:
            self._broken = packet.kind
        return reason

    def _against_reason(self, packet: FeedPacket) -> str | None:
        """In a file a picture may stand for long, but a clock that starts anew may look like an hour or a day."""
        last = self._last.get(packet.kind)
        if last is not None and packet.dts < last - REORDERING:
            return _says(packet, "stepped back", last - packet.dts)
        if last is not None and packet.dts - last >= MAX_REST:
            return f"{packet.kind} time stamps jumped ahead by {(packet.dts - last) / TICKS_PER_SECOND:.0f} s"
        self._last[packet.kind] = packet.dts if last is None else max(packet.dts, last)
        return None

    def _against_arrival(self, packet: FeedPacket) -> str | None:
        offset = ticks_from_ns(packet.arrival_ns) - instant(packet)
        clock = self._clocks.get(packet.kind)
        if clock is None:
            self._clocks[packet.kind] = _StreamClock(packet.pts, offset, packet.arrival_ns, packet.end)
            return None
        if packet.pts < clock.last - REORDERING:
            return _says(packet, "stepped back", clock.last - packet.pts)
        if offset < clock.least - FUTURE and packet.pts - clock.last > FUTURE:
            return _says(packet, "jumped ahead", clock.least - offset)
        if offset > clock.least + MAX_LAG:
            clock.lagging_since = clock.lagging_since or packet.arrival_ns
            if ticks_from_ns(packet.arrival_ns - clock.lagging_since) > LAG_PATIENCE:
                return _says(packet, "fell behind", offset - clock.least)
        else:
            clock.lagging_since = None
            if offset < clock.least or packet.arrival_ns - clock.since > self._WINDOW_NS:
                clock.least, clock.since = offset, packet.arrival_ns
        clock.last, clock.follows = max(clock.last, packet.pts), max(clock.follows, packet.end)
        return None

    def expected(self, packet: FeedPacket) -> Ticks | None:
        """The time stamp that a live packet would have if its stream's clock had gone on; None for an unknown clock.

        A clock that jumps does not stop the camera: the packet is the next one if it came about when that was due,
        else it lies where its arrival says.
        """
        clock = self._clocks.get(packet.kind)
        if clock is None:
            return None
        due = self.due(packet, packet.kind)
        return clock.follows if due is not None and abs(due - clock.follows) <= SNAP else due

    def due(self, packet: FeedPacket, by: Kind) -> Ticks | None:
        """The time stamp of `packet` on the clock of stream `by`, from when it arrived; None for an unknown clock."""
        clock = self._clocks.get(by)
        if clock is None:
            return None
        return ticks_from_ns(packet.arrival_ns) - clock.least - (instant(packet) - packet.pts)


def instant(packet: FeedPacket) -> Ticks:
    """The time that had come when a packet was complete: that of a picture, or of the last sample of sound."""
    return packet.end if packet.kind is Kind.AUDIO else packet.pts


def _says(packet: FeedPacket, what: str, ticks: Ticks) -> str:
    return f"{packet.kind} time stamps {what} by {ticks / TICKS_PER_SECOND:.1f} s"
