"""What the conductor tells those who stand by, as lines of the memory that they share. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """Record this source in the lesson at the path `lesson`, from `since_ns` (CLOCK_MONOTONIC) on."""

    source: str
    lesson: str
    since_ns: int


def order_lines(orders: Iterable[Order]) -> list[bytes]:
    """The orders, a line each."""
    return [json.dumps(asdict(order)).encode() + b"\n" for order in orders]


def orders_in(lines: Iterable[bytes]) -> list[Order]:
    """The inverse of `order_lines`."""
    return [Order(**json.loads(line)) for line in lines]
