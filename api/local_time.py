"""Instants on the clock of the room."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> tzinfo:
    """The time zone of this name; UTC where the machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_time(wall: str, timezone: str) -> datetime | None:
    """An ISO 8601 instant (UTC where it names no zone) as date and time of the room; None for what is none."""
    try:
        moment = datetime.fromisoformat(wall)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(zone(timezone))


def clock_text(seconds: float) -> str:
    """A place in a lesson, as players show it: `12:05`, or `1:02:05` from an hour on."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute:02d}:{second:02d}"
