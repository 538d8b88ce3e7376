"""Reading the clocks of this machine: the one impure corner of the time vocabulary."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from lesson.time import NANOSECONDS_PER_SECOND

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Names this boot of this machine: monotonic times compare only within one boot."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux: such a machine is used for developing only
        return "unknown-boot"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on all clocks of the box.

    `monotonic_ns` orders things within a boot. `wall` (UTC, ISO 8601) is a label that may jump; it is used only
    to place an epoch after a reboot, and then within bounds.
    """

    boot: str
    monotonic_ns: int
    wall: str

    @classmethod
    def now(cls) -> Moment:
        return cls(boot_id(), time.monotonic_ns(), wall_now())

    @classmethod
    def of(cls, monotonic_ns: int) -> Moment:
        """The moment at which this boot's CLOCK_MONOTONIC showed so much, by what the wall clock shows now."""
        now = cls.now()
        wall = now.wall_time + timedelta(microseconds=(monotonic_ns - now.monotonic_ns) // 1000)
        return cls(now.boot, monotonic_ns, wall.isoformat(timespec="milliseconds"))

    @property
    def wall_time(self) -> datetime:
        return datetime.fromisoformat(self.wall)

    def ns_since(self, earlier: Moment) -> int | None:
        """Nanoseconds from `earlier` to here, or None when a reboot lies between."""
        return self.monotonic_ns - earlier.monotonic_ns if self.boot == earlier.boot else None

    def seconds_since(self, earlier: Moment) -> float:
        """Seconds from `earlier` to here; across a reboot by the wall clock, never negative."""
        ns = self.ns_since(earlier)
        if ns is not None:
            return ns / NANOSECONDS_PER_SECOND
        return max(0.0, (self.wall_time - earlier.wall_time).total_seconds())


def wall_now() -> str:
    """UTC wall clock as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
