"""Times as people in the room read them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> tzinfo:
    """The time zone of this name; UTC where the machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_text(wall: str | None, timezone: str, *, time_only: bool = False) -> str:
    """An ISO 8601 instant as date and time of the room, `2026-11-21 14:05`; a dash for none."""
    if wall is None:
        return "–"
    try:
        moment = datetime.fromisoformat(wall)
    except ValueError:
        return wall
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(zone(timezone)):{'%H:%M' if time_only else '%Y-%m-%d %H:%M'}}"


def clock_text(seconds: float) -> str:
    """A length as `12:05`, or `1:02:05` from an hour on."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute:02d}:{second:02d}"
