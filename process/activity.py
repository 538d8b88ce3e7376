"""Whether a process that gives no sign of life works all the same, by what the kernel says of it (Linux's /proc).

A long step gives no sign: a chunk is encoded, a file is hashed, a disk is waited for. On a starved machine it takes
minutes. But it uses CPU time, or waits for a CPU or for a disk; a process that does none of that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOOK_EVERY_S = 1.0
_PROC = Path("/proc")
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12
"""In proc(5)'s `stat`, counted from behind the name of the program, which may hold anything."""
_WAITS = {"R", "D"}
"""For a CPU; for a disk, a page of swapped memory or a network file system."""
_WAITS_FOR_FUSE = "request_wait_answer"
"""File systems of a process (NTFS on a USB disk) are waited for in a state that looks like sleep."""


@dataclass(frozen=True, slots=True)
class Activity:
    """`ticks`: CPU time used since its start, in the kernel's ticks. `waits`: a thread waits for CPU or disk now."""

    ticks: int
    waits: bool


def activity(pid: int, proc: Path = _PROC) -> Activity | None:
    """What a process is doing now; None where nobody can tell."""
    try:
        whole = _fields(proc / str(pid))
        waits = any(_waits(thread) for thread in (proc / str(pid) / "task").iterdir())
        return Activity(int(whole[_USER_TICKS]) + int(whole[_SYSTEM_TICKS]), waits)
    except (OSError, ValueError, IndexError):  # it has ended, or this is no Linux
        return None


def _waits(thread: Path) -> bool:
    if _fields(thread)[_STATE] in _WAITS:
        return True
    try:
        return (thread / "wchan").read_text() == _WAITS_FOR_FUSE
    except OSError:  # not shown here
        return False


def _fields(of: Path) -> list[str]:
    return (of / "stat").read_text(errors="replace").rpartition(")")[2].split()


@dataclass(slots=True)
class Standstill:
    """How long a process does nothing. Pure: told the time; `look` is asked once a second while it gives no sign."""

    look: Callable[[], Activity | None]
    _since: float | None = field(default=None, init=False)
    _ticks: int = field(default=0, init=False)
    _looked: float = field(default=0.0, init=False)

    def stirred(self) -> None:
        """It has given a sign of life."""
        self._since = None

    def seconds(self, now: float) -> float:
        """For how long at least it has neither given a sign of life nor worked; 0.0 where nobody can tell."""
        if self._since is not None and now - self._looked < LOOK_EVERY_S:
            return self._looked - self._since
        self._looked = now
        seen = self.look()
        if seen is None:
            self._since = None
            return 0.0
        if self._since is None or seen.waits or seen.ticks != self._ticks:
            self._since, self._ticks = now, seen.ticks
        return now - self._since
