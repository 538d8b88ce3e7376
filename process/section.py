"""The settings of a room: a frozen section that checks itself, and reaches the room's processes as one JSON argument.

Secrets are never in it, only where they are found: arguments can be read by everyone on the machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lesson.durations import parse_duration
from lesson.errors import ConfigError

Place: TypeAlias = tuple[int | str, ...]
"""Where a value stands: names of keys, and numbers within lists."""


class Section(BaseModel):
    """Some settings. Unknown keys are errors that name the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def argument(self) -> str:
        """The section as a process is told it; `parse` is its inverse."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def parse(cls, argument: str) -> Self:
        """The section a process was told. Raises `ConfigError`."""
        try:
            return cls.model_validate_json(argument)
        except ValidationError as error:
            _, what = first_problem(error, cls)
            raise ConfigError(f"{cls.__name__}: {what}") from error


def _duration(value: object) -> object:
    """Seconds of a duration such as `1h30m`; what is no text is left to the type."""
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except ConfigError as error:
        raise ValueError(str(error)) from error


Seconds = Annotated[float, BeforeValidator(_duration), Field(gt=0, allow_inf_nan=False)]
"""A setting that is a length of time, however people write it."""


def _at_home(value: object) -> object:
    """A path with the folder of an account in place of its `~`."""
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no account for {value.partition('/')[0]!r} here: write the whole path") from error


HomePath = Annotated[Path, BeforeValidator(_at_home)]
"""A setting that is a path; `~/folder` and `~account/folder` are understood as shells do."""


def key_of(place: Place) -> str:
    """`sources.0.uri`; a key that nobody can print as Python writes it."""
    return ".".join(str(part) if str(part).isprintable() else repr(part) for part in place)


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds: itself, optional, or in a list; None for plain values."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _section_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    for part in place:
        field = model.model_fields.get(str(part))
        model = (section_in(field.annotation) if field else None) or model
    return model


_PLAINLY = {
    "tuple_type": 'write a list, as in ["one", "two"]',
    "model_type": "write a table with keys of its own",
    "string_type": "write a text in quotes",
    "path_type": "write a path in quotes",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
}
"""What pydantic says to programmers, by its type of error."""


def first_problem(error: ValidationError, model: type[BaseModel]) -> tuple[Place, str]:
    """Where a section is wrong, and a line that says how; rules do not repeat what may hold a password."""
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]  # a misspelt key also shows up as a missing one
    place = problem["loc"]
    if unknown:
        known = _section_at(model, place[:-1]).model_fields
        return place, f"unknown key {key_of(place)}{nearest(str(place[-1]), known)}"
    said = _PLAINLY.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return place, f"{key_of(place)}: {' '.join(said.split())}"


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or all that is known where nothing is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"
