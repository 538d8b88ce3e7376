"""The ledger of a live connection: what became of each stream that its feed announced. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lesson.loss import Loss
from lesson.model import Kind
from lesson.records import StreamAccount
from lesson.time import Ticks
from media.feeds.packets import Announced, FeedPacket


@dataclass(slots=True)
class _Line:
    """Counts of one kind in one epoch. `came`: whether there was any packet."""

    came: bool = False
    stored: bool = False
    dropped: Ticks = 0
    packets: int = 0
    code: str | None = None


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
        line.dropped += packet.duration
        line.packets += 1
        line.code = line.code or code

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
        code = line.code if stream.used else stream.code
        if stream.used and not line.came:
            code = Loss.ABSENT
        return StreamAccount(
            source=self.source,
            epoch=epoch,
            stream=stream.stream,
            kind=stream.kind,
            codec=stream.codec,
            used=stream.used and line.stored,
            dropped=line.dropped,
            dropped_packets=line.packets,
            code=code,
        )
