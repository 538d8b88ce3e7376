"""`CLASSREEL_…`: a variable of the environment for every setting, whatever room declares it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lesson.errors import ConfigError
from process.beat import BEAT_ENV
from process.parentage import SUPERVISOR_ENV
from process.section import Place, key_of, nearest, section_in

PREFIX = "CLASSREEL_"
_OWN = {"CLASSREEL_CONFIG", SUPERVISOR_ENV, BEAT_ENV}


def variable(place: Place) -> str:
    """`CLASSREEL_STORE_URL` for `store.url`."""
    return PREFIX + "_".join(map(str, place)).upper()


def places(model: type[BaseModel], above: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Every place of a value in a section and the tables in it; the flag says that it holds a list or a table."""
    for key, field in model.model_fields.items():
        place, inner = (*above, key), section_in(field.annotation)
        listed = any(get_origin(one) is tuple for one in (field.annotation, *get_args(field.annotation)))
        yield place, listed or inner is not None
        if inner is not None and not listed:
            yield from places(inner, place)


def variables(model: type[BaseModel]) -> dict[Place, Any]:
    """What the environment says, by place; tables before what is in them.

    Raises:
        ConfigError: an unknown variable, or one that should hold a list or a table and is no JSON.
    """
    known = {variable(place): (place, structured) for place, structured in places(model)}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known and name not in _OWN:
            raise ConfigError(f"environment: unknown key {name}{nearest(name, {*known, *_OWN})}")
    return {
        place: _structure(place, os.environ[name]) if structured else os.environ[name]
        for name, (place, structured) in known.items()
        if name in os.environ
    }


def _structure(place: Place, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"environment: {variable(place)}: {key_of(place)}: {error}; write it as JSON") from error
