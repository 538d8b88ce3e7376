"""What a feed gives: coded packets on one timeline, whatever they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import av
from av.stream import Stream

from lesson.loss import Loss
from lesson.model import Kind, StreamInfo
from lesson.time import TICKS_PER_SECOND, Ticks

HEADROOM: Ticks = TICKS_PER_SECOND
"""A timeline that would start before this is shifted to it: codec priming, edit lists and leading pictures lie before
the first sample, and Matroska holds no negative times."""


@dataclass(frozen=True, slots=True)
class FeedStream:
    """One elementary stream of a feed. `template` is what a muxer copies the codec parameters from."""

    info: StreamInfo
    template: Stream


@dataclass(frozen=True, slots=True)
class FeedPacket:
    """One coded packet. `pts`, `dts` and `duration` are ticks of the feed's own timeline.

    Those of files and devices are never negative. A network camera's streams may each jump to any time.

    `arrival_ns`: CLOCK_MONOTONIC when the packet was there; for audio that is the instant of its last sample.
    `key`: a decoder may start here. `shown`: not just there for others to be decoded from.
    """

    kind: Kind
    pts: Ticks
    dts: Ticks
    duration: Ticks
    key: bool
    arrival_ns: int
    coded: av.Packet[Stream]
    shown: bool = True

    @property
    def end(self) -> Ticks:
        return self.pts + self.duration

    def shifted(self, by: Ticks, arrival_ns: int | None = None) -> FeedPacket:
        """The packet `by` ticks later, perhaps with another arrival."""
        arrival = self.arrival_ns if arrival_ns is None else arrival_ns
        return FeedPacket(
            self.kind, self.pts + by, self.dts + by, self.duration, self.key, arrival, self.coded, self.shown
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """One stream that an input says it holds, and what becomes of it; as in `lesson.records.StreamAccount`.

    `stated`: how far it reaches by the input's own word, counted from the input's start.
    """

    stream: int
    kind: Kind
    codec: str
    used: bool = True
    stated: Ticks | None = None
    code: Loss | None = None


class Feed(Protocol):
    """An open feed. `packets` blocks for the next packet and ends when the feed does.

    `origin`: tick of the first sample, for files. `stall_s`: silence after which a stream counts as gone, and the feed
    as lost with all its streams; None where silence is normal (a file of slides). `announced`: the streams it says that
    it has. `reopens`: whether it can be opened once more beside this one, to have again what went away; `late`: its
    streams that came too late to be known, and would be there then. `expected`: the kinds of its `streams`, and of
    those that will be among them once a packet has told what they are like: before it, theirs cannot be stored.
    """

    @property
    def streams(self) -> Mapping[Kind, FeedStream]: ...

    @property
    def expected(self) -> frozenset[Kind]: ...

    @property
    def origin(self) -> Ticks: ...

    @property
    def stall_s(self) -> float | None: ...

    @property
    def announced(self) -> Sequence[Announced]: ...

    @property
    def reopens(self) -> bool: ...

    @property
    def late(self) -> frozenset[Kind]: ...

    def packets(self) -> Iterator[FeedPacket]: ...

    def close(self) -> None: ...


def announced(streams: Mapping[Kind, FeedStream]) -> tuple[Announced, ...]:
    """What a feed announces that has just these streams."""
    return tuple(Announced(stream=n, kind=k, codec=s.info.codec) for n, (k, s) in enumerate(streams.items()))
