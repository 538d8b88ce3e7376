"""Hours of the day, as a setting writes them."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.settings import compose
from lesson.errors import ConfigError
from lesson.hours import parse_hours, within

MINUTES = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@given(start=MINUTES, end=MINUTES, now=MINUTES)
def test_a_minute_is_within_if_it_lies_between_around_the_clock(start: int, end: int, now: int) -> None:
    length = (end - start) % 1440 or 1440
    inside = (now - start) % 1440 < length
    assert within([f"{clock(start)}-{clock(end)}"], time(now // 60, now % 60)) == inside


def test_midnight_may_be_written_both_ways() -> None:
    assert parse_hours("18:00-24:00") == parse_hours("18:00 – 00:00")


def test_several_are_added_and_none_is_always() -> None:
    assert within(["07:30-12:00", "13:30-18:00"], time(14))
    assert not within(["07:30-12:00", "13:30-18:00"], time(12, 30))
    assert within([], time(3))


@pytest.mark.parametrize("text", ["", "7-12", "07:30", "25:00-26:00", "07:60-08:00", "morning", "07:30-12:00-13:00"])
def test_anything_else_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match="07:30-12:00"):
        compose({"capture": {"standby_hours": [text]}})
