"""docs/settings.md against the settings themselves: every key, its variable and its default, and nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from classroom.environment import places, variable
from classroom.settings import Settings
from lesson.durations import parse_duration
from process.section import section_in
from tests.kit.places import ROOT

ROW = re.compile(
    r"^\| `(?P<key>[\w.]+)` \| (?P<variable>\S+) \| (?P<default>[^|]+) \| (?P<what>[^|]+) \|$", re.MULTILINE
)
ROWS = {row["key"]: row for row in ROW.finditer((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))}
DEPENDS_ON_THE_MACHINE = {"root", "encode.workers"}


def fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key with its field, in tables and in lists of tables."""
    for key, field in model.model_fields.items():
        yield above + key, field
        if inner := section_in(field.annotation):
            yield from fields(inner, f"{above}{key}.")


FIELDS = dict(fields(Settings))


def test_every_key_has_its_line_and_every_line_its_key() -> None:
    assert set(ROWS) == set(FIELDS)


def test_the_variables_are_those_that_are_read() -> None:
    read = {".".join(map(str, place)): variable(place) for place, _ in places(Settings)}
    assert {key: row["variable"].strip("`") for key, row in ROWS.items() if row["variable"] != "–"} == read
    assert set(Counter(read.values()).values()) == {1}, "two settings share a variable"


@pytest.mark.parametrize("key", sorted(set(FIELDS) - DEPENDS_ON_THE_MACHINE - {"store.url"}))
def test_the_defaults_are_the_ones_in_force(key: str) -> None:
    said, default = ROWS[key]["default"].strip("` "), FIELDS[key].default
    if key == "max_lesson":
        assert parse_duration(said) == default
    elif default is PydanticUndefined:
        assert said == "required"
    elif default is None or isinstance(default, BaseModel):
        assert said == "–"
    else:
        assert said == (default if isinstance(default, str) else json.dumps(default))


def test_the_commented_example_uses_known_keys_only() -> None:
    example = (ROOT / "deploy" / "classroom.toml").read_text(encoding="utf-8")
    commented = re.findall(r"^# (\w+) = ", example, re.MULTILINE)
    assert commented
    assert set(commented) <= {key.rpartition(".")[2] for key in FIELDS}
