"""The ledger of a live connection: what became of each stream that its feed announced. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lesson.loss import Loss
from lesson.model import Kind
from lesson.records import StreamAccount
from lesson.time import TICKS_PER_SECOND, Span, Ticks
from media.feeds.packets import Announced, FeedPacket

RUN: Ticks = TICKS_PER_SECOND // 2
"""Dropped packets this close to one another are one run."""
MOST_RUNS = 16
"""What is dropped everywhere needs no list: beyond this the last run grows."""


@dataclass(slots=True)
class Dropped:
    """Packets of one stream that were not stored: `length` of their samples, `code` of the first, where they lie."""

    packets: int = 0
    length: Ticks = 0
    code: str | None = None
    runs: list[Span] = field(default_factory=list)

    def add(self, packet: FeedPacket, code: str) -> None:
        """Count `packet`, whose time stamps are those of the epoch's timeline."""
        self.packets += 1
        self.length += packet.duration
        self.code = self.code or code
        last = self.runs[-1] if self.runs else None
        if last and (len(self.runs) >= MOST_RUNS or last.start - RUN <= packet.pts <= last.end + RUN):
            self.runs[-1] = Span(min(last.start, packet.pts), max(last.end, packet.end))
        elif packet.end > packet.pts:
            self.runs.append(Span(packet.pts, packet.end))


@dataclass(slots=True)
class _Line:
    """Counts of one kind in one epoch. `came`: whether there was any packet."""

    came: bool = False
    stored: bool = False
    dropped: Dropped = field(default_factory=Dropped)


@dataclass(slots=True)
class Ledger:
    """Counts packets of one epoch; `close_epoch` starts the next."""

    source: str
    announced: Sequence[Announced]
    _lines: dict[Kind, _Line] = field(default_factory=dict)
    _said: list[StreamAccount] = field(default_factory=list)

    def stored(self, packet: FeedPacket) -> None:
        line = self._line(packet.kind)
        line.came = line.stored = True

    def dropped(self, packet: FeedPacket, code: str) -> None:
        line = self._line(packet.kind)
        line.came = True
        line.dropped.add(packet, code)

    def accounts(self, epoch: int) -> list[StreamAccount]:
        """What is new since the last call; nothing, if all is as it was."""
        found = [self._account(stream, epoch) for stream in self.announced]
        news = [account for account in found if account not in self._said]
        self._said = found
        return news

    def close_epoch(self, epoch: int) -> list[StreamAccount]:
        """What is new, at the end of an epoch; counting starts afresh."""
        news = self.accounts(epoch)
        self._lines.clear()
        return news

    def _line(self, kind: Kind) -> _Line:
        return self._lines.setdefault(kind, _Line())

    def _account(self, stream: Announced, epoch: int) -> StreamAccount:
        line = self._line(stream.kind) if stream.used else _Line()
        dropped = line.dropped
        code = dropped.code if stream.used else stream.code
        if stream.used and not line.came:
            code = Loss.ABSENT
        return StreamAccount(
            source=self.source,
            epoch=epoch,
            stream=stream.stream,
            kind=stream.kind,
            codec=stream.codec,
            used=stream.used and line.stored,
            dropped=dropped.length,
            dropped_packets=dropped.packets,
            dropped_in=tuple(dropped.runs),
            code=code,
        )
