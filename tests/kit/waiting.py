"""Waiting for things to happen, with a deadline instead of a hopeful sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


def wait_until(condition: Callable[[], T], deadline_s: float, *, what: str = "", poll_s: float = _POLL_S) -> T:
    """Call `condition` until it is true, and give its value.

    Raises `AssertionError` naming `what` (by default the condition) when `deadline_s` seconds were not enough.
    """
    end = time.monotonic() + deadline_s
    while True:
        late = time.monotonic() >= end  # looked at before the condition: it always gets one try after the deadline
        value = condition()
        if value:
            return value
        if late:
            name = what or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"not within {deadline_s:g} s: {name}")
        time.sleep(poll_s)
