from __future__ import annotations

import pytest

from lesson.durations import format_duration, parse_duration, parse_offset
from lesson.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("45m", 2700),
        ("1h30m", 5400),
        ("2h", 7200),
        ("1.5", 1.5),
        ("45min", 2700),
        ("1h30min", 5400),
        ("1 h 30 min", 5400),
        ("2 min 5 s", 125),
        ("45 M", 2700),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "h", "10x", "1m1h", "ten", "s", "min", "45mi", "1  h", "4 5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["8785h", "99999999999999999999h", "9" * 400])
def test_what_is_longer_than_a_year_is_a_slip(text: str) -> None:
    with pytest.raises(ConfigError, match="longer than a year"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3600, "1:00:00"), (59.6, "1:00")])
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("-1.5", -1.5), ("1m30s", 90), (" -1h", -3600), ("45m", 2700)])
def test_offsets_may_be_nothing_or_earlier(text: str, seconds: float) -> None:
    assert parse_offset(text) == seconds


@pytest.mark.parametrize("text", ["", "-", "--1", "nan", "inf", "soon", "1m1h", "+1"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write seconds or a duration"):
        parse_offset(text)
