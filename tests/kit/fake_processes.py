"""Processes that exist only on a test's own clock: what they do and how they end is a function of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from process.activity import Activity
from process.job import Job
from process.launcher import Child


@dataclass
class FakeClock:
    """Seconds that go by when the test says so."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeChild:
    """`lives_s`: ends with `code` after so long; None: never by itself. `beats_s`: gives signs of life for so long,
    the first after `silent_s`.

    `works`: from the last sign of life on, what the kernel says of it at each instant.
    """

    job: Job
    pid: int
    clock: FakeClock
    born: float
    lives_s: float | None = None
    code: int = 0
    beats_s: float | None = None
    silent_s: float = 0.0
    works: Callable[[float], Activity | None] = lambda _at: Activity(ticks=7, waits=False)
    complaints: dict[str, str] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)
    _ended: int | None = None

    def poll(self) -> int | None:
        if self._ended is None and self.lives_s is not None and self.clock.now >= self.born + self.lives_s:
            self._ended = self.code
        return self._ended

    def signal(self, number: int) -> None:
        self.signals.append(number)
        if self._ended is None:
            self._ended = -number

    def stirred(self) -> bool:
        age = self.clock.now - self.born
        return self._ended is None and age >= self.silent_s and (self.beats_s is None or age < self.beats_s)

    def activity(self) -> Activity | None:
        return self.works(self.clock.now - self.born)


Fate: TypeAlias = Callable[[Job, int], Mapping[str, Any]]
"""What becomes of the nth (from 0) process of a job: fields of `FakeChild`."""


class FakeLauncher:
    """Starts fake children; `alive` are those that run now."""

    def __init__(self, clock: FakeClock, fate: Fate = lambda _job, _nth: {}) -> None:
        self.clock = clock
        self.fate = fate
        self.started: list[FakeChild] = []
        self._alive: list[FakeChild] = []
        self._counts: Counter[str] = Counter()

    def start(self, job: Job, log: Path) -> Child:  # noqa: ARG002 the protocol's
        nth = self._counts[job.name]
        self._counts[job.name] += 1
        child = FakeChild(job, 100_000 + len(self.started), self.clock, self.clock.now, **self.fate(job, nth))
        self.started.append(child)
        self._alive.append(child)
        return child

    def of(self, name: str) -> list[FakeChild]:
        return [child for child in self.started if child.job.name == name]

    @property
    def alive(self) -> list[FakeChild]:
        self._alive = [child for child in self._alive if child.poll() is None]
        return list(self._alive)

    def close(self) -> None: ...
