"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _trimmer() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library than glibc
        return None
    return trim


_trim = _trimmer()


def give_back() -> None:
    """Have the allocator return what it holds free; elsewhere than on glibc nothing.

    Decoders of many threads free their pictures in arenas of those threads, which keep them: a process that opens one
    decoder after the other grows by a hundred megabytes and more, though nothing of it is in use.
    """
    if _trim is not None:
        _trim(0)
