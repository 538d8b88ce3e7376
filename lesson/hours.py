"""Hours of the day in which feeds stand by: `07:30-12:00`, in the room's time. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time

_HOURS = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-\N{EN DASH}]\s*(\d{1,2}):(\d{2})\s*")
_MIDNIGHT = (24, 0)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` up to `end`, on every day; across midnight where it ends before it starts."""

    start: time
    end: time

    def hold(self, now: time) -> bool:
        """Whether this time of the day is one of them."""
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


def parse_hours(text: str) -> Hours:
    """Raises `ValueError` with the way to write it."""
    parts = _HOURS.fullmatch(text)
    hour, minute, end_hour, end_minute = map(int, parts.groups()) if parts else (99, 0, 0, 0)
    try:
        end = time.min if (end_hour, end_minute) == _MIDNIGHT else time(end_hour, end_minute)
        return Hours(time(hour, minute), end)
    except ValueError as error:
        raise ValueError(f"{text!r}: write hours like 07:30-12:00") from error


def within(hours: Sequence[str], now: time) -> bool:
    """Whether it is one of these hours; always, where none are named."""
    return not hours or any(parse_hours(one).hold(now) for one in hours)
