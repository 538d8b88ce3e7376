"""Pauses between tries, the one rule for cameras, stores and processes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Pauses that double from `first_s` to `longest_s`.

    Each is up to `jitter` (0…1) of itself shorter, so that what failed together is not tried together. What held for
    `held_s` seconds has proved itself: its next failure is a first one again.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    held_s: float = 60.0
    jitter: float = 0.2
    chance: Callable[[], float] = random.random
    failures: int = 0

    def pause_s(self, held_for_s: float = 0.0) -> float:
        """The pause after one more failure, of something that had worked for `held_for_s` seconds."""
        if held_for_s >= self.held_s:
            self.failures = 0
        pause = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return pause * (1.0 - self.jitter * self.chance())

    def reset(self) -> None:
        """It works: the next failure is a first one."""
        self.failures = 0
