from __future__ import annotations

import pytest

from api.languages import LANGUAGES
from api.local_time import clock_text
from api.translation import translation

WALL = "2026-11-02T18:30:00.000+00:00"  # half past two of the next day in Shanghai


@pytest.mark.parametrize(
    ("code", "date", "time"),
    [
        ("en", "3 Nov 2026, 02:30", "02:30"),
        ("zh", "2026年11月3日 02:30", "02:30"),
        ("bo", "2026-11-03 02:30", "02:30"),
        ("ru", "3 нояб. 2026\N{NO-BREAK SPACE}г., 02:30", "02:30"),
        ("uz", "3-noy, 2026, 02:30", "02:30"),
    ],
)
def test_instants_are_told_on_the_clock_of_the_room_as_the_language_does(code: str, date: str, time: str) -> None:
    spoken = translation(code)
    assert spoken.date_and_time(WALL, "Asia/Shanghai") == date
    assert spoken.time_of_day(WALL, "Asia/Shanghai") == time


@pytest.mark.parametrize("zone", ["UTC", "No/Such_Place", "", "../../etc/passwd"])
def test_an_unknown_zone_is_utc(zone: str) -> None:
    assert translation("en").date_and_time("2026-11-02T18:30:00+00:00", zone) == "2 Nov 2026, 18:30"


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_no_time_is_not_an_error(code: str) -> None:
    assert translation(code).date_and_time(None, "UTC") == "–"
    assert translation(code).date_and_time("soon", "UTC") == "soon"
    assert translation(code).time_of_day("soon", "UTC") == "soon"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3600, "1:00:00"), (36_061, "10:01:01"), (-3, "00:00")],
)
def test_places_in_a_lesson(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("code", "seconds", "text"),
    [
        ("en", -1, "0 seconds"),
        ("en", 59.7, "1 minute"),
        ("en", 125, "2 minutes 5 seconds"),
        ("en", 599.4, "9 minutes 59 seconds"),
        ("en", 2_698, "45 minutes"),
        ("en", 3_590, "1 hour"),
        ("en", 3_725, "1 hour 2 minutes"),
        ("zh", 2_698, "45 分钟"),
        ("bo", 2_698, "སྐར་མ་ 45"),
        ("ru", 0, "0 секунд"),
        ("ru", 81, "1 минута 21 секунда"),
        ("ru", 7_500, "2 часа 5 минут"),
        ("ru", 75_600, "21 час"),
        ("uz", 7_500, "2 soat 5 daqiqa"),
    ],
)
def test_lengths_are_told_in_words(code: str, seconds: float, text: str) -> None:
    assert translation(code).length(seconds) == text
