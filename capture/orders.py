"""What the conductor tells those who stand by, as lines of the memory that they share. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

_ASKED = "look_asked_ns"


@dataclass(frozen=True, slots=True)
class Order:
    """Record this source in the lesson at the path `lesson`, from `since_ns` (CLOCK_MONOTONIC) on."""

    source: str
    lesson: str
    since_ns: int


def order_lines(orders: Iterable[Order]) -> list[bytes]:
    """The orders, a line each."""
    return [json.dumps(asdict(order)).encode() + b"\n" for order in orders]


def look_asked(at_ns: int) -> list[bytes]:
    """That somebody wants to see what every feed delivers, and asked for it at this moment (CLOCK_MONOTONIC)."""
    return [json.dumps({_ASKED: at_ns}).encode() + b"\n"]


def orders_in(lines: Iterable[bytes]) -> list[Order]:
    """The inverse of `order_lines`."""
    return [Order(**fields) for fields in map(json.loads, lines) if _ASKED not in fields]


def asked_in(lines: Iterable[bytes]) -> int:
    """The inverse of `look_asked`; 0 where nobody asked."""
    return max((int(fields.get(_ASKED, 0)) for fields in map(json.loads, lines)), default=0)
