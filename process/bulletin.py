"""What processes of a box say to each other without the disk: that they go round, and a few lines, in shared memory.

The conductor says to the pages what is wrong: their journal may lie on a disk that answers nobody, and a conductor that
hangs writes nothing. Who holds a feed says what it delivers, and the pages that somebody wants to see it. Linux;
elsewhere there is no such memory, and the pages know the journal only.
"""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<qII")
"""Monotonic nanoseconds of the last beat, length and CRC-32 of the text that follows."""
_TRIES = 5
"""A reader may come in the middle of a write."""


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What was read: `age_s`, seconds since the writer last went round, and its lines (None: not readable now)."""

    age_s: float
    lines: tuple[bytes, ...] | None


class BulletinWriter:
    """The one writer. `path` is where other processes of this account find it while the one lives that made it.

    `at`: memory that another process made and does not write to itself; where that one is gone nothing is said.
    """

    def __init__(self, at: Path | None = None) -> None:
        self._body = b""
        if at is None:
            self._fd = os.memfd_create("classreel-bulletin") if sys.platform == "linux" else -1
            self.path = Path(f"/proc/{os.getpid()}/fd/{self._fd}") if self._fd >= 0 else None
        else:
            self._fd, self.path = -1, at
            with suppress(OSError):
                self._fd = os.open(at, os.O_RDWR | os.O_CLOEXEC)
        self.write(())

    def write(self, lines: Iterable[bytes]) -> None:
        """Say these lines, each with its newline, and that this process goes on."""
        if self._fd < 0:
            return
        body = b"".join(lines)
        head = _HEAD.pack(time.monotonic_ns(), len(body), zlib.crc32(body))
        if body == self._body:
            os.pwrite(self._fd, head, 0)
        else:
            os.pwrite(self._fd, head + body, 0)
            self._body = body

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class BulletinReader:
    """Reads at `path`, which is opened once."""

    def __init__(self, path: Path) -> None:
        self._fd = -1
        with suppress(OSError):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> Bulletin | None:
        """What stands there; None when it cannot be opened."""
        if self._fd < 0:
            return None
        for _ in range(_TRIES):
            beat_ns, length, crc = _HEAD.unpack(os.pread(self._fd, _HEAD.size, 0))
            body = os.pread(self._fd, length, _HEAD.size)
            if zlib.crc32(body) == crc:
                return Bulletin(_since(beat_ns), tuple(body.splitlines(keepends=True)))
        return Bulletin(_since(beat_ns), None)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class LookRequests:
    """What the pages ask of the conductor, in memory that it makes and reads and they write."""

    def __init__(self) -> None:
        self._memory = BulletinWriter()
        self.path = self._memory.path
        self._reader = BulletinReader(self.path) if self.path is not None else None

    def look_asked_ns(self) -> int:
        """When somebody last wanted to see what the feeds deliver (CLOCK_MONOTONIC); 0: never."""
        read = self._reader.read() if self._reader is not None else None
        return max((int(line) for line in (read and read.lines) or ()), default=0)

    def close(self) -> None:
        self._memory.close()


def ask_for_look(look_requests: BulletinWriter) -> int:
    """Say that somebody wants to see now what the feeds deliver; when that is (CLOCK_MONOTONIC, ns)."""
    now_ns = time.monotonic_ns()
    look_requests.write([b"%d\n" % now_ns])
    return now_ns


def _since(beat_ns: int) -> float:
    return max(0.0, (time.monotonic_ns() - beat_ns) / 1e9)
