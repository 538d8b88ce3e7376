from __future__ import annotations

import pytest

from api.local_time import clock_text, local_text


def test_wall_times_are_shown_in_the_time_zone_of_the_room() -> None:
    assert local_text("2026-11-02T18:30:00.000+00:00", "Asia/Shanghai") == "2026-11-03 02:30"
    assert local_text("2026-11-02T18:30:00.000+00:00", "Asia/Shanghai", time_only=True) == "02:30"


@pytest.mark.parametrize("zone", ["UTC", "No/Such_Place", "", "../../etc/passwd"])
def test_an_unknown_zone_is_utc(zone: str) -> None:
    assert local_text("2026-11-02T18:30:00+00:00", zone) == "2026-11-02 18:30"


def test_what_is_no_time_is_not_an_error() -> None:
    assert local_text(None, "UTC") == "–"
    assert local_text("soon", "UTC") == "soon"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3600, "1:00:00"), (36_061, "10:01:01"), (-3, "00:00")],
)
def test_lengths(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
