"""Durations as people write them: `90`, `90s`, `45m`, `1h30m`."""

from __future__ import annotations

import re

from lesson.errors import ConfigError

_PARTS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: str) -> float:
    """Seconds. Raises `ConfigError` for anything that is not a positive duration."""
    match = _PARTS.fullmatch(text.strip().lower())
    hours, minutes, seconds = match.groups(default="0") if match else ("0", "0", "0")
    total = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if total <= 0:
        raise ConfigError(f"{text!r} is no duration; write 90, 90s, 45m or 1h30m")
    return total


def format_duration(seconds: float) -> str:
    """`h:mm:ss` or `m:ss`, for people."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
