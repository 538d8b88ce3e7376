"""Between a feed and the recorder: which epoch a packet belongs to, and whether it is worth storing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from capture.ledger import Dropped, Ledger
from capture.placing import Placing
from capture.presence import Change, KeyWait, Presence
from capture.recorder import Recorder
from capture.rules import Continuity, Paces
from lesson.clock import Moment
from lesson.loss import Loss
from lesson.model import Kind, SourceSpec
from lesson.records import StreamAccount
from lesson.time import Ticks, seconds_from_ticks
from media.feeds.packets import Feed, FeedPacket

ACCOUNT_S = 60.0
"""The ledger of a stream that drops packets is brought up to date this often."""


class Intake(Protocol):
    """Takes the packets of one connection."""

    @property
    def away(self) -> frozenset[Kind]:
        """Streams that the feed might have again if it were opened anew."""

    @property
    def unknown(self) -> bool:
        """Whether a stream is away only because nothing is known of it."""

    def take(self, packet: FeedPacket) -> None: ...

    def look(self, heard: Mapping[Kind, int]) -> str | None:
        """Do what time alone asks for; why the feed counts as lost, if it does."""

    def end(self) -> None:
        """No more packets come."""


class FileIntake:
    """An imported file: its streams are known, only time stamps say where a timeline breaks.

    It begins where the recorder says that what came before ended (`Recorder.reached`), and says so for what follows.
    """

    away: frozenset[Kind] = frozenset()
    unknown = False

    def __init__(self, spec: SourceSpec, feed: Feed, recorder: Recorder) -> None:
        self._source = spec.id
        self._feed = feed
        self._recorder = recorder
        self._file_start = self._start = recorder.reached
        self._origin = self._reach = feed.origin
        self._continuity = Continuity(live=False)
        self._dropped: dict[Kind, Dropped] = {}
        self._begin("start")

    def _begin(self, reason: str) -> None:
        self._keys = KeyWait(live=False)
        self._recorder.start_epoch(self._feed.streams, reason, Moment.now(), start=self._start, origin=self._origin)

    def take(self, packet: FeedPacket) -> None:
        if self._continuity.straggler(packet):
            self._drop(packet, Loss.DISORDER)
            return
        broken = self._continuity.broken_by(packet)
        if broken:
            self._start = self._recorder.reached
            self._origin = self._reach = packet.pts
            self._continuity = self._continuity.next_epoch()
            self._continuity.broken_by(packet)
            self._begin(broken)
        if self._keys.useless(packet):
            self._drop(packet, Loss.UNDECODABLE)
            return
        self._reach = max(self._reach, packet.end)
        self._recorder.reached = self._start + self._reach - self._origin
        if not self._recorder.write(packet):
            self._drop(packet, Loss.DISORDER)

    def _drop(self, packet: FeedPacket, code: Loss) -> None:
        if packet.shown:
            self._dropped.setdefault(packet.kind, Dropped()).add(packet, code)

    def look(self, _heard: Mapping[Kind, int]) -> str | None:
        """A file may rest as long as it likes."""
        return None

    def end(self) -> None:
        """Say what became of the file's streams; what follows it begins after the length that it states."""
        epoch, before = self._recorder.epoch or 0, self._start - self._file_start
        for stream in self._feed.announced:
            dropped = self._dropped.pop(stream.kind, None) if stream.used else None
            self._recorder.append(
                StreamAccount(
                    source=self._source, epoch=epoch, stream=stream.stream, kind=stream.kind, codec=stream.codec,
                    used=stream.used, code=dropped.code if dropped else stream.code,
                    dropped=dropped.length if dropped else 0, dropped_packets=dropped.packets if dropped else 0,
                    dropped_in=tuple(dropped.runs) if dropped else (),
                    stated=None if stream.stated is None else stream.stated - before,
                )
            )  # fmt: skip
            if stream.used and stream.stated is not None:
                self._recorder.reached = max(self._recorder.reached, self._file_start + stream.stated)


class LiveIntake:
    """Cameras and devices: streams come and go, pause, and their clocks jump. An epoch has no holes: it ends at one."""

    def __init__(self, spec: SourceSpec, feed: Feed, recorder: Recorder) -> None:
        self._feed = feed
        self._recorder = recorder
        self._placing = Placing()
        self._keys = KeyWait(live=True)
        self._paces = Paces()
        self._presence = Presence(feed.expected, feed.stall_s, time.monotonic_ns())
        self._ledger = Ledger(spec.id, feed.announced)
        self._held: list[FeedPacket] = []
        self._epoch: int | None = None
        self._began: Ticks = 0
        self._broken: str | None = None
        self._paused: dict[Kind, str] = {}
        self._accounted = time.monotonic()

    @property
    def away(self) -> frozenset[Kind]:
        return self._presence.away | self._feed.late if self._feed.reopens else frozenset()

    @property
    def unknown(self) -> bool:
        return bool(self._feed.late)

    def take(self, packet: FeedPacket) -> None:
        placed = self._placing.place(packet)
        self._broken = placed.broken or self._broken
        if packet.kind not in self._feed.streams:
            self._ledger.dropped(placed.packet, Loss.UNDECODABLE)
            return
        self._note_pause(placed.packet)
        if self._keys.useless(placed.packet):
            self._ledger.dropped(placed.packet, Loss.UNDECODABLE)
            return
        change = self._presence.add(placed.packet)
        broken = self._broken or self._paused.pop(packet.kind, None)
        if change is None and broken is not None and self._presence.kinds:
            change = Change(self._presence.kinds, broken)
        if change is not None:
            self._broken, self._began = None, placed.packet.pts
            self._paused.clear()
            self._start(change, packet)
        self._held.append(placed.packet)
        if self._presence.kinds:
            self._release()

    def _note_pause(self, packet: FeedPacket) -> None:
        """Remember that a stream paused before `packet`; not where the epoch has begun since, perhaps for that hole."""
        pause = self._paces.pause_before(packet)
        self._paces.add(packet)
        if pause and packet.pts - pause >= self._began:
            self._paused[packet.kind] = f"{packet.kind} paused for {seconds_from_ticks(pause):.1f} s"

    def look(self, heard: Mapping[Kind, int]) -> str | None:
        found = self._presence.look(heard, time.monotonic_ns())
        if isinstance(found, Change):
            if Kind.VIDEO not in found.kinds:
                self._keys.gone()
            self._start(found)
        if time.monotonic() - self._accounted >= ACCOUNT_S and self._epoch is not None:
            self._accounted = time.monotonic()
            self._recorder.append(*self._ledger.accounts(self._epoch))
        return found if isinstance(found, str) else None

    def end(self) -> None:
        """Store what is held, and close the ledger."""
        if self._held:
            self._start(Change(frozenset(packet.kind for packet in self._held), "start"))
            self._release()
        epoch = self._epoch
        if epoch is None and self._recorder.last_epoch is None:
            epoch = 0  # nothing was ever recorded of this source: it is all the more worth saying
        if epoch is not None:
            self._recorder.append(*self._ledger.close_epoch(epoch))

    def _start(self, change: Change, first: FeedPacket | None = None) -> None:
        """Begin an epoch with what is held, and `first` after that; it began when the first of them arrived."""
        first = self._held[0] if self._held else first
        if self._epoch is not None:
            self._recorder.append(*self._ledger.close_epoch(self._epoch))
        streams = {kind: stream for kind, stream in self._feed.streams.items() if kind in change.kinds}
        self._recorder.start_epoch(streams, change.reason, Moment.of(first.arrival_ns) if first else Moment.now())
        self._epoch = self._recorder.last_epoch

    def _release(self) -> None:
        for packet in self._held:
            if self._recorder.write(packet):
                self._ledger.stored(packet)
            else:
                self._ledger.dropped(packet, Loss.DISORDER)
        self._held.clear()
