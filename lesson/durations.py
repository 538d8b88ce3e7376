"""Durations as people write them: `90`, `90s`, `45m`, `45min`, `1h30m`."""

from __future__ import annotations

import re

from lesson.errors import ConfigError

LONGEST_S = 366 * 86_400.0
"""More is a slip of the finger, and beyond what clocks and file names count."""
_PARTS = re.compile(r"(?:(\d+) ?h)? ?(?:(\d+) ?m(?:in)?)? ?(?:(\d+(?:\.\d+)?)(?: ?s)?)?")


def parse_duration(text: str) -> float:
    """Seconds. Raises `ConfigError` for anything that is not a positive duration."""
    seconds = _seconds(text)
    if seconds is not None and seconds > LONGEST_S:
        raise ConfigError(f"{text!r} is longer than a year")
    if not seconds:
        raise ConfigError(f"{text!r} is no duration; write 90, 90s, 45m or 1h30m")
    return seconds


def parse_offset(text: str) -> float:
    """Seconds of a duration that may be nothing, or negative (`-1.5`, `-1m30s`). Raises `ConfigError`."""
    sign, length = (-1, text.strip()[1:]) if text.strip().startswith("-") else (1, text)
    seconds = _seconds(length)
    if seconds is None:
        raise ConfigError(f"{text!r}: write seconds or a duration, for example -1.5 or 1m30s")
    return sign * seconds


def _seconds(text: str) -> float | None:
    text = text.strip().lower()
    match = _PARTS.fullmatch(text)
    if not text or match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def format_duration(seconds: float) -> str:
    """`h:mm:ss` or `m:ss`, for people."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
