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

    Decoders of many threads free their pictures in arenas of those threads, which keep what they held at most: of a
    process that opens one 1080p decoder after the other, 50 MB (measured: 189 MB without, 140 MB with).
    """
    if _trim is not None:
        _trim(0)
