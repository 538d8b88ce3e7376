"""Average and peak bit rate of chunks in a row, kept up as they come."""

from __future__ import annotations

from collections import deque

from lesson.time import TICKS_PER_SECOND, Ticks


class BitRate:
    """Of the chunks given so far, in order. `target_s`: the target duration of their playlist, in seconds.

    The peak is that of RFC 8216 section 4.3.4.2: the largest rate of any run of chunks lasting 0.5…1.5 target
    durations; a recording shorter than that has its average. Rates are bit/s, rounded up.
    """

    def __init__(self, target_s: int) -> None:
        self._shortest = target_s * TICKS_PER_SECOND // 2
        self._longest = target_s * TICKS_PER_SECOND * 3 // 2
        self._recent: deque[tuple[int, Ticks]] = deque()
        self._recent_ticks: Ticks = 0
        self._peak = 0
        self._ticks: Ticks = 0
        self.bytes = 0

    def add(self, size: int, duration: Ticks) -> None:
        """One more chunk, of `size` bytes."""
        self.bytes += size
        self._ticks += duration
        self._recent.append((size, duration))
        self._recent_ticks += duration
        while self._recent and self._recent_ticks > self._longest:  # no run that begins there is short enough any more
            self._recent_ticks -= self._recent.popleft()[1]
        run_size = run_ticks = 0
        for earlier_size, earlier_ticks in reversed(self._recent):
            run_size += earlier_size
            run_ticks += earlier_ticks
            if run_ticks >= self._shortest:
                self._peak = max(self._peak, _rate(run_size, run_ticks))

    @property
    def average_bps(self) -> int:
        """0 without chunks."""
        return _rate(self.bytes, self._ticks)

    @property
    def peak_bps(self) -> int:
        return self._peak or self.average_bps


def _rate(size: int, duration: Ticks) -> int:
    return -(-size * 8 * TICKS_PER_SECOND // duration) if duration else 0
