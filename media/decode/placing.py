"""Where sound lies: samples are counted, and what the time stamps say otherwise for good is made good inaudibly.

Time stamps are rounded (Matroska keeps milliseconds), jitter, and may be far off for a moment: one alone is never
believed. What lasts is. A step is a loss, or a joint, at one place: there a hole is left or samples are cut, faded on
both sides. Slow drift and small steps are followed by stretching, slow enough not to be heard. Pure: no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from lesson.time import TICKS_PER_SECOND, Ticks

Samples = npt.NDArray[np.float32]
"""Sound (n, channels) in -1…1 at 48 kHz."""

LOOKAHEAD: Ticks = TICKS_PER_SECOND * 35 // 100
"""How long time stamps must stay away from the count before that is believed: 16 AAC frames."""
STEP: Ticks = TICKS_PER_SECOND * 7 // 1000
"""Beyond this a hole is left or samples are cut; the shortest packets that are lost one by one last 10 ms."""
DRIFT: Ticks = TICKS_PER_SECOND * 3 // 1000
"""Beyond this the count is led to the time stamps: what lasts is to be made good beyond 5 ms, noise stays below 2."""
MEMORY: Ticks = TICKS_PER_SECOND // 2
"""The median over this long says how far count and time stamps are apart."""
STRETCH = 100
"""One sample in so many is added or left out: 1 % of pitch, a sixth of a semitone."""
FADE: Ticks = TICKS_PER_SECOND // 200
"""5 ms: shorter edges are heard as clicks."""
_ROUNDING: Ticks = TICKS_PER_SECOND * 2 // 1000
_LASTING = 0.75  # of the stamps that follow; the others may be anywhere
_LEAST = 4  # samples of a block that can be stretched
_SETTLED = 3  # stamps in a row that say how far a step goes


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples of which the first lies at tick `at`: one sample is one tick."""

    at: Ticks
    samples: Samples

    @property
    def end(self) -> Ticks:
        return self.at + len(self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A block by its count, and where its time stamp says that it lies instead (None: there is none)."""

    block: Block
    stamp: Ticks | None

    @property
    def deviation(self) -> Ticks | None:
        return None if self.stamp is None else self.stamp - self.block.at


def placed(counted: Iterable[Counted]) -> Iterator[Block]:
    """The sound where its time stamps lastingly say: blocks in order, never overlapping, holes only where some are.

    The count of the first block must be its time stamp. Holds back `LOOKAHEAD` of sound.
    """
    return _joined(_Placer().blocks(counted))


class _Placer:
    """Adds to each count what its time stamps lastingly differ by."""

    def __init__(self) -> None:
        self._ahead: deque[Counted] = deque()
        self._past: deque[tuple[Ticks, Ticks]] = deque()  # count, deviation
        self._level: Ticks | None = None  # what is to be added to the count
        self._to_stretch: Ticks = 0  # part of the level that is not made good yet
        self._credit: Ticks = 0  # sound given since a sample was last added or left out

    def blocks(self, counted: Iterable[Counted]) -> Iterator[Block]:
        for item in counted:
            self._ahead.append(item)
            while item.block.end - self._ahead[0].block.end >= LOOKAHEAD:
                yield self._next()
        while self._ahead:
            yield self._next()

    def _next(self) -> Block:
        if self._level is None:
            self._level = self._first_level()
        item = self._ahead[0]
        if item.deviation is not None:
            self._follow(item.block.at, item.deviation)
        self._ahead.popleft()
        at = item.block.at + self._level - self._to_stretch
        return Block(at, self._led(item.block.samples))

    def _led(self, samples: Samples) -> Samples:
        """The samples, a few more or fewer while there is something to stretch."""
        if not self._to_stretch or len(samples) < _LEAST:
            return samples
        self._credit += len(samples)
        most, self._credit = divmod(self._credit, STRETCH)
        by = max(-most, min(self._to_stretch, most))
        self._to_stretch -= by
        return _stretched(samples, by)

    def _first_level(self) -> Ticks:
        """The first time stamp may be rounded: those that follow say how much."""
        found = [d for item in self._ahead if (d := item.deviation) is not None]
        return round(median([d for d in found if abs(d - found[0]) <= _ROUNDING])) if found else 0

    def _follow(self, at: Ticks, deviation: Ticks) -> None:
        assert self._level is not None  # noqa: S101 - set before
        step = self._step(deviation - self._level)
        if step:
            self._level += step
            self._to_stretch = 0
            self._past.clear()
            return
        self._past.append((at, deviation))
        while at - self._past[0][0] > MEMORY:
            self._past.popleft()
        if at - self._past[0][0] < MEMORY // 2:
            return
        off = round(median(d for _, d in self._past)) - self._level
        if abs(off) > DRIFT:
            self._level += off
            self._to_stretch += off

    def _step(self, off: Ticks) -> Ticks:
        """How far the time line steps at the first block held; 0 if it does not, or not for long."""
        if abs(off) <= STEP:
            return 0
        sign = 1 if off > 0 else -1
        assert self._level is not None  # noqa: S101 - set before
        limit = max(DRIFT, abs(off) // 2)
        before = [sign * (d - self._level) > limit for _, d in self._past]
        following = [sign * (d - self._level) for item in self._ahead if (d := item.deviation) is not None]
        beyond = [distance > limit for distance in following]
        if sum(beyond) < _LASTING * len(beyond) or sum(before) > (1 - _LASTING) * len(before):
            return 0
        return sign * min(distance for distance, far in zip(following[:_SETTLED], beyond, strict=False) if far)


def _stretched(samples: Samples, by: Ticks) -> Samples:
    """Samples made longer by `by`, without a step where they meet their neighbours."""
    if not by:
        return samples
    length = len(samples)
    places = np.linspace(0, length - 1, length + by)
    before = np.minimum(places.astype(np.intp), length - 2)
    part = (places - before).astype(np.float32)[:, None]
    mixed: Samples = samples[before] * (1 - part) + samples[before + 1] * part
    return mixed


def _joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks without overlaps, faded where they do not meet. Holds back `FADE` of sound."""
    tail: Block | None = None
    for block in blocks:
        if tail is not None and tail.samples.shape[1] != block.samples.shape[1]:
            yield tail
            block, tail = _without(block, tail.end), None
        if tail is None:
            whole = block
        elif block.at == tail.end:
            whole = Block(tail.at, np.concatenate([tail.samples, block.samples]))
        elif block.at > tail.end:
            yield Block(tail.at, tail.samples * _ramp(len(tail.samples))[::-1])
            whole = _faded_in(block)
        else:
            whole = _crossed(tail, block)
        cut = max(0, len(whole.samples) - FADE)
        if cut:
            yield Block(whole.at, whole.samples[:cut])
        tail = Block(whole.at + cut, whole.samples[cut:])
    if tail is not None and len(tail.samples):
        yield tail


def _without(block: Block, until: Ticks) -> Block:
    """The block from `until` on."""
    return Block(max(block.at, until), block.samples[max(0, until - block.at) :])


def _ramp(length: int) -> Samples:
    """From 0 to 1, (length, 1)."""
    ramp: Samples = np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)[:, None]
    return ramp


def _faded_in(block: Block) -> Block:
    length = min(FADE, len(block.samples))
    return Block(block.at, np.concatenate([block.samples[:length] * _ramp(length), block.samples[length:]]))


def _crossed(tail: Block, block: Block) -> Block:
    """The tail, then the block from where the tail ends, faded into each other where both are."""
    start = max(tail.at, block.at)
    rest = _without(block, tail.end)
    over = _without(block, start).samples[: tail.end - start]
    if not len(over):
        return tail
    kept, under = tail.samples[: start - tail.at], tail.samples[start - tail.at :][: len(over)]
    if len(over) < tail.end - start:  # a block that ends within the tail has nothing to add
        return tail
    ramp = _ramp(len(over))
    return Block(tail.at, np.concatenate([kept, under * (1 - ramp) + over * ramp, rest.samples]))
