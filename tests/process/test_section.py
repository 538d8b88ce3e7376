"""A room's settings: refused with a line that helps, and the same on the other side of a process's arguments."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from lesson.errors import ConfigError
from process.section import Seconds, Section, nearest


class Zone(Section):
    name: str
    corners: tuple[tuple[float, float], ...] = ()


class Watching(Section):
    pause: Seconds = 90.0
    zones: tuple[Zone, ...] = ()
    main: Zone | None = None


def test_a_process_is_told_what_was_set() -> None:
    told = Watching(pause=1.5, zones=(Zone(name="desk", corners=((0, 0), (1, 0.5))),))
    assert Watching.parse(told.argument()) == told
    assert Watching.parse(Watching().argument()) == Watching()
    assert "main" not in json.loads(told.argument())


@pytest.mark.parametrize(("text", "seconds"), [('"1h30m"', 5400), ("90", 90), ('"45s"', 45), ('"2"', 2)])
def test_times_are_taken_as_people_write_them(text: str, seconds: float) -> None:
    assert Watching.parse(f'{{"pause": {text}}}').pause == seconds


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ('{"pase": 1}', "Watching: unknown key pase; did you mean pause?"),
        ('{"zones": [{"nam": "a"}]}', "Watching: unknown key zones.0.nam; did you mean name?"),
        ('{"main": {"name": "a", "edges": []}}', "unknown key main.edges; known are corners, name"),
        ('{"pause": "1x"}', "Watching: pause: '1x' is no duration; write 90, 90s, 45m or 1h30m"),
        ('{"pause": 0}', "pause: Input should be greater than 0"),
        ('{"zones": [{"name": 3}]}', "zones.0.name: write a text in quotes"),
        ("{", "Invalid JSON"),
    ],
)
def test_what_is_wrong_is_one_line(argument: str, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Watching.parse(argument)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_section_never_changes() -> None:
    with pytest.raises(ValidationError):
        Watching().pause = 3.0  # type: ignore[misc]


def test_the_nearest_name_is_offered_else_all() -> None:
    assert nearest("rooot", {"root", "room"}) == "; did you mean root?"
    assert nearest("x", {"b", "a"}) == "; known are a, b"
