from __future__ import annotations

import pytest

from classroom.durations import format_duration, parse_duration
from lesson.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("45m", 2700), ("1h30m", 5400), ("2h", 7200), ("1.5", 1.5)]
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "h", "10x", "1m1h", "ten", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3600, "1:00:00"), (59.6, "1:00")])
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
