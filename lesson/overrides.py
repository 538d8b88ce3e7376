"""What a curator may want otherwise, as values. A new kind is one class here and its line in `OVERRIDES`.

An override says what is shown instead over some stretch, or what is left of the lesson; all else stays as planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from lesson.model import Layout
from lesson.time import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What the programme shows over `span` (lesson ticks) instead of what was planned."""

    span: Span
    layout: Layout
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One wish of a curator; by itself it changes nothing. Times are lesson ticks."""

    def shown(self) -> Replacement | None:
        """What the programme shows instead, and where."""
        return None

    def kept(self, lesson: Span) -> Span:
        """What is left of the lesson."""
        return lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideShot(Override):
    """Over `span` the programme shows these sources in this layout."""

    span: Span
    layout: Layout
    sources: tuple[str, ...]

    def shown(self) -> Replacement | None:
        return Replacement(span=self.span, layout=self.layout, sources=self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim(Override):
    """Only `span` is the lesson."""

    span: Span

    def kept(self, lesson: Span) -> Span:
        return lesson.intersection(self.span) or Span(lesson.start, lesson.start)


OVERRIDES: dict[str, type[Override]] = {cls.__name__: cls for cls in (OverrideShot, Trim)}
"""By the name that stands in journals."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(OVERRIDES[name])


def read_overrides(found: Any) -> tuple[Override, ...]:
    """Overrides out of a journal line. Raises `ValueError` for one this version does not know."""
    return tuple(_read(one) for one in found)


def _read(found: Any) -> Override:
    if isinstance(found, Override):
        return found
    if not isinstance(found, dict) or (kind := str(found.get("type"))) not in OVERRIDES:
        raise ValueError("an override that this version does not know")
    read: Override = _adapter(kind).validate_python({name: value for name, value in found.items() if name != "type"})
    return read


def write_overrides(overrides: Sequence[Override]) -> list[dict[str, Any]]:
    """Overrides as a journal line has them."""
    return [
        {"type": type(one).__name__, **_adapter(type(one).__name__).dump_python(one, mode="json")} for one in overrides
    ]
