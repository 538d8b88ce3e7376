"""Spans in the order they came, found again by time without a look at all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

from lesson.time import Span, Ticks

T = TypeVar("T")


class SpanIndex(Generic[T]):
    """Items with a span each, in the order they came, which is nearly always the order of time.

    Finding what lies in a window costs the logarithm of the number of items, and the items found. Any order gives the
    right answer; the further it is from the order of time, the more is looked at.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[Span, T]] = []
        self._reach: list[Ticks] = []  # greatest end of an entry and all before it
        self._floor: list[Ticks] = []  # least start of an entry and all after it

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[tuple[Span, T]]:
        """All of them; not to be changed."""
        return self._entries

    @property
    def reach(self) -> Ticks | None:
        """Where the last of them in time ends."""
        return self._reach[-1] if self._reach else None

    def append(self, span: Span, item: T) -> None:
        self._entries.append((span, item))
        self._reach.append(max(span.end, self._reach[-1]) if self._reach else span.end)
        self._floor.append(span.start)
        for index in range(len(self._floor) - 2, -1, -1):
            if self._floor[index] <= span.start:
                break
            self._floor[index] = span.start

    def cut(self, count: int) -> None:
        """Forget all but the first `count`."""
        # their floors may be those of entries that are gone: then more is looked at, and nothing overlooked
        del self._entries[count:], self._reach[count:], self._floor[count:]

    def first_after(self, at: Ticks) -> int:
        """Position of the first that reaches beyond `at`; none before it does."""
        return bisect_right(self._reach, at)

    def last_before(self, at: Ticks) -> int:
        """One more than the position of the last that starts before `at`; none after it does."""
        return bisect_left(self._floor, at)

    def overlapping(self, window: Span) -> list[tuple[Span, T]]:
        """Those that overlap `window`, in the order they came."""
        nearby = self._entries[self.first_after(window.start) : self.last_before(window.end)]
        return [entry for entry in nearby if entry[0].overlaps(window)]
