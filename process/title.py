"""What `ps` shows of a forked process: its own command instead of the one it was forked from (Linux)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

_STAT_ARG_START = 47
"""Field 48 of /proc/PID/stat, 49 is its end (proc(5)); counted from 0."""


def show_command(argv: Sequence[str]) -> None:
    """Write `argv` over the arguments this process was started with, cut to the room there is.

    Tools and people find a process by its arguments; where the kernel does not tell where they lie, nothing is done.
    """
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        fields = stat.rpartition(")")[2].split()  # the name before may hold anything; the next field is number 3
        start, end = (int(fields[index - 2]) for index in (_STAT_ARG_START, _STAT_ARG_START + 1))
    except (OSError, ValueError, IndexError):
        return
    if 0 < start < end:
        room = end - start
        text = b"".join(part.encode(errors="surrogateescape") + b"\0" for part in argv)[: room - 1]
        ctypes.memmove(start, text.ljust(room, b"\0"), room)
