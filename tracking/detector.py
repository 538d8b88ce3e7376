"""What finds something in pictures: the shape that all of `tracking/detectors/` have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lesson.model import Observation, Role
from lesson.time import Ticks

Plane: TypeAlias = NDArray[np.uint8]

_MARGIN = 0.025
"""Part of the height along each edge that is not looked at: cameras burn clocks and logos into the margin."""


class Picture(Protocol):
    """A picture of a source: what a detector may ask of `media.decode.pictures.Picture`."""

    at: Ticks
    """Source ticks."""

    def gray(self, width: int, height: int) -> Plane:
        """Luma of the whole picture at this size, (height, width)."""

    def bgr(self, width: int, height: int) -> Plane:
        """The whole picture at this size as OpenCV has it, (height, width, 3)."""


class Detector(Protocol):
    """Finds one sort of thing in the pictures of one source.

    `name`: that of its file, and a version ("ink/1"): what journals call it by. A new version finds something else in
    the same pictures; lessons that an older one looked at are not looked at again. `roles`: what it makes sense of.
    `size`: width and height at which it looks. `interval`: ticks that should lie between two pictures it is shown.

    It is made for one source, with its role, and may remember what it was shown: pictures come in order, those of the
    segment before first. It costs memory and time in the observing process only; the planner never imports one.
    """

    name: str
    roles: frozenset[Role]
    size: tuple[int, int]
    interval: Ticks

    def __init__(self, role: Role) -> None: ...

    def feed(self, picture: Picture) -> Observation:
        """What it found; fields of an `Observation` that other detectors fill are left as they are by default."""


def margin_of(height: int) -> int:
    """Pixels along each edge of a picture of this height that are not looked at."""
    return round(height * _MARGIN)


def inner(gray: Plane) -> Plane:
    """The picture without its margin."""
    margin = margin_of(gray.shape[0])
    return gray[margin:-margin, margin:-margin]


def together(findings: Iterable[Observation]) -> list[Observation]:
    """What several detectors found, one observation for each picture, in order.

    Each detector fills fields of its own; where two fill the same one, the later of `findings` counts.
    """
    found: dict[Ticks, Observation] = {}
    for one in findings:
        before = found.get(one.at)
        found[one.at] = one if before is None else _joined(before, one)
    return [found[at] for at in sorted(found)]


def _joined(a: Observation, b: Observation) -> Observation:
    filled = {field.name: value for field in fields(b) if (value := getattr(b, field.name))}
    return replace(a, **{**filled, "findings": (*a.findings, *b.findings)})
