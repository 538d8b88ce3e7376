"""Feeds that never existed: raw-journal records as capture would write them, from made-up clocks and networks.

True time is the seconds of the first boot's monotonic clock. A feed's own clock runs `ppm` fast; its packets arrive
late by a jitter that is never negative. Records come with the true time at which they were committed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from lesson.clock import Moment
from lesson.model import Anchor, Kind, PtsRange, SegmentRecord, SourceSpec, StreamInfo
from lesson.records import EpochStarted, Record, SegmentCommitted, SourceFinished, SourceLost

BASE = Fraction(1, 48_000)
Jitter = Callable[[random.Random, float], float]


def no_jitter(_random: random.Random, _at: float) -> float:
    """Packets arrive as they are sent."""
    return 0.0


def exponential(mean_s: float) -> Jitter:
    """Packets are late by so much on average."""
    return lambda rng, _at: rng.expovariate(1 / mean_s)


def bursts(mean_s: float, *, every_s: float = 7.0, burst_s: float = 0.4) -> Jitter:
    """Ordinary jitter, and now and then a queue that holds everything back for a second."""
    return lambda rng, at: rng.expovariate(1 / mean_s) + (burst_s if at % every_s < 1.0 else 0.0)


@dataclass(frozen=True)
class Boot:
    """One boot of the box: true time `began_s` is monotonic zero; the wall clock is off by `wall_off_s`."""

    name: str = "boot-1"
    began_s: float = -1_000.0
    wall_off_s: float = 0.0

    def moment(self, true_s: float) -> Moment:
        wall = datetime(2026, 11, 2, 8, tzinfo=UTC) + timedelta(seconds=true_s + self.wall_off_s)
        return Moment(self.name, round((true_s - self.began_s) * 1e9), wall.isoformat(timespec="milliseconds"))


FIRST_BOOT = Boot()


@dataclass
class SimulatedEpoch:
    """One epoch of a feed: from `begin_s` to `end_s` of true time."""

    spec: SourceSpec
    begin_s: float
    end_s: float
    epoch: int = 0
    origin_s: float = 0.0
    ppm: float = 0.0
    jitter: Jitter = no_jitter
    kinds: tuple[Kind, ...] = (Kind.VIDEO,)
    boot: Boot = FIRST_BOOT
    segment_s: float = 4.0
    first_seq: int = 0
    lost: str | None = None
    finished: bool = False
    with_anchors: bool = True
    held_s: float = 0.0
    """For so long after the beginning nothing arrives, and then all of it at once."""
    seed: int = 0
    seqs: list[int] = field(default_factory=list)

    def source_seconds(self, true_s: float) -> float:
        """What the feed's own clock stamps on what it sees at this instant."""
        return self.origin_s + (true_s - self.begin_s) * (1 + self.ppm * 1e-6)

    def records(self) -> list[tuple[float, Record]]:
        """(true time of the commit, record), in order."""
        rng = random.Random(f"{self.seed} {self.spec.id} {self.epoch}")  # noqa: S311 - made-up networks, no secret
        info = {
            Kind.VIDEO: StreamInfo(kind=Kind.VIDEO, codec="h264", width=1280, height=720, fps=Fraction(25)),
            Kind.AUDIO: StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1),
        }
        began = EpochStarted(
            source=self.spec.id,
            epoch=self.epoch,
            at=self.boot.moment(self.begin_s + self.held_s),
            streams=tuple(info[kind] for kind in self.kinds),
        )
        out: list[tuple[float, Record]] = [(self.begin_s + self.held_s + 0.05, began)]
        at, seq = self.begin_s, self.first_seq
        while at < self.end_s - 1e-6:
            until = min(at + self.segment_s, self.end_s)
            out.append(
                (
                    max(until, self.begin_s + self.held_s) + 0.1,
                    SegmentCommitted(segment=self._segment(rng, seq, at, until)),
                )
            )
            self.seqs.append(seq)
            at, seq = until, seq + 1
        if self.lost is not None:
            loss = SourceLost(source=self.spec.id, epoch=self.epoch, at=self.boot.moment(self.end_s), reason=self.lost)
            out.append((self.end_s + 0.3, loss))
        if self.finished:
            out.append((self.end_s + 0.4, SourceFinished(source=self.spec.id, at=self.boot.moment(self.end_s))))
        return out

    def _segment(self, rng: random.Random, seq: int, start: float, end: float) -> SegmentRecord:
        first, last = self._pts(start), self._pts(end)
        pts = PtsRange(first=first, last=last - 1_920, end=last, key=first, packets=100)
        return SegmentRecord(
            source=self.spec.id,
            epoch=self.epoch,
            seq=seq,
            path=f"raw/{self.spec.id}/e{self.epoch:02d}/{seq:06d}.mkv",
            bytes=1,
            sha256="0" * 64,
            time_base=BASE,
            video=pts if Kind.VIDEO in self.kinds else None,
            audio=pts if Kind.AUDIO in self.kinds else None,
            anchors=(self._promptest(rng, start, end),) if self.with_anchors else (),
        )

    def _promptest(self, rng: random.Random, start: float, end: float) -> Anchor:
        instants = [start + index * 0.04 for index in range(max(1, round((end - start) / 0.04)))]
        held_until = self.begin_s + self.held_s
        arrivals = [
            (self._pts(at), self.boot.moment(max(at + self.jitter(rng, at), held_until)).monotonic_ns)
            for at in instants
        ]
        pts, monotonic = min(arrivals, key=lambda pair: pair[1] * 48_000 // 1_000_000_000 - pair[0])
        return Anchor(pts=pts, monotonic_ns=monotonic)

    def _pts(self, true_s: float) -> int:
        return round(self.source_seconds(true_s) * 48_000)


def in_order(epochs: Iterable[SimulatedEpoch]) -> list[tuple[float, Record]]:
    """The records of all feeds as one stream of commits."""
    return sorted((entry for epoch in epochs for entry in epoch.records()), key=lambda entry: entry[0])
