"""Whose failure it is when something does not get to a store: its own or the store's. A pure rule over tries in order.

What became of the others tells. An object that fails again though another one has got through since it failed first,
fails by itself: a server's disk has a bad spot, or something on the way does not like its bytes. Nothing shows that of
any other failure, so it is the store's (or the line's): also while only one object waits, and always where no
connection came about. What fails while the store is down is no news of the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SURE_AFTER = 3
"""Failures in a row, some 3 s, after which something is broken and not just slow."""


class Whose(Enum):
    """What a failure is of."""

    OBJECT = "object"
    STORE = "store"


@dataclass(slots=True)
class _Failing:
    """An object that was tried and did not get through since."""

    key: str
    overtaken: bool = False  # another object has got through since
    failures: int = 0  # its own: since it was overtaken


class Blame:
    """What the tries so far say. Objects are known by lesson and key; of a lesson the last one that failed counts."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}
        self._store_failures = 0

    @property
    def store_is_down(self) -> bool:
        """Whether the store failed several times, and has taken nothing since."""
        return self._store_failures >= SURE_AFTER

    def is_stuck(self, lesson: str) -> bool:
        """Whether an object of the lesson failed several times by itself."""
        one = self._failing.get(lesson)
        return one is not None and one.failures >= SURE_AFTER

    def worked(self, lesson: str, key: str) -> None:
        """An object got through."""
        self._store_failures = 0
        if lesson in self._failing and self._failing[lesson].key == key:
            del self._failing[lesson]
        for one in self._failing.values():
            one.overtaken = True

    def failed(self, lesson: str, key: str, *, reached: bool = True) -> Whose:
        """An object did not get through. `reached`: there was a connection to the store."""
        if reached and not self.store_is_down:
            one = self._failing.get(lesson)
            if one is None or one.key != key:
                one = self._failing[lesson] = _Failing(key)
            if one.overtaken:
                one.failures += 1
                return Whose.OBJECT
        self._store_failures += 1
        return Whose.STORE

    def forget(self, lesson: str) -> None:
        """Nothing of the lesson waits any more."""
        self._failing.pop(lesson, None)
