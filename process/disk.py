"""Is the disk of the lessons there, and does it take what is written? Asked of the disk itself, not of a journal on it.

What is remembered of the root when it was first seen tells it from the bare folder that a disk which was pulled leaves.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

from lesson.box import Fault
from lesson.clock import Moment
from lesson.errors import StorageError, storage_errors
from lesson.lifecycle import START_LOCK
from lesson.records import FaultRaised

LOCK = ".box"
"""The file in the root that its box keeps locked; the bare folder below a disk has none."""
EVERY_S = 2.0
"""A look is believed for so long."""
PATIENCE_S = 1.0
"""Who asks waits so long for a new one: sound disks and cards answer within 1 to 50 ms."""
HANGS_S = 5.0
_TRIAL = b"classreel"


class RootIdentity(NamedTuple):
    """Numbers of the root's device and inode, and of the inode of its lock file."""

    device: int
    inode: int
    lock_inode: int


def identity_of(root: Path) -> RootIdentity:
    """What tells this root from another. Raises `StorageError`."""
    with storage_errors(root):
        found = root.stat()
        return RootIdentity(found.st_dev, found.st_ino, (root / LOCK).stat().st_ino)


def demand_same(root: Path, known: RootIdentity | None) -> None:
    """Raises `StorageError` when another folder is where the root was, or none; a disk that came back is the same.

    A disk that is mounted again may have another device number, but has its lock file.
    """
    if known is None:
        return
    try:
        found = root.stat()
        if (found.st_dev, found.st_ino) == (known.device, known.inode):
            return
        if (root / LOCK).stat().st_ino == known.lock_inode:
            return
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        with storage_errors(root):
            raise
    raise DiskGoneError(f"{root}: the disk is gone; what is there now is another folder")


class DiskGoneError(StorageError):
    """The root is not the one it was: nothing may be made there."""


class DiskLook:
    """Looks when it is asked, in a thread of its own: the disk may hang it as long as it likes. Safe for threads.

    `known`: the root as the conductor found it. None: as it is found at the first look.
    """

    def __init__(self, root: Path, known: RootIdentity | None = None) -> None:
        self._root = root
        self._known = known
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._began = 0.0
        self._looked: float | None = None
        self._found: FaultRaised | None = None

    def demand(self) -> None:
        """Raises `DiskGoneError` when nothing may be made in the root."""
        demand_same(self._root, self._known)

    def fault(self) -> FaultRaised | None:
        """What is wrong with the disk, by a look that is at most `EVERY_S` old, or has not ended yet."""
        with self._lock:
            if self._running is None and (self._looked is None or time.monotonic() - self._looked > EVERY_S):
                self._began = time.monotonic()
                self._running = threading.Thread(target=self._look, name="disk-look", daemon=True)
                self._running.start()
            running = self._running
        if running is not None:
            running.join(max(0.0, self._began + PATIENCE_S - time.monotonic()))
        with self._lock:
            waited_s = time.monotonic() - self._began
            if self._running is not None and waited_s > HANGS_S:
                return _fault(Fault.DISK_SLOW, f"{self._root}: no answer for {waited_s:.0f} s", self._found)
            return self._found

    def _look(self) -> None:
        try:
            self._try()
            said = None
        except StorageError as error:
            said = str(error)
        with self._lock:
            self._found = _fault(Fault.DISK_REFUSES, said, self._found) if said else None
            self._looked, self._running = time.monotonic(), None

    def _try(self) -> None:
        demand_same(self._root, self._known)
        with storage_errors(self._root):
            try:
                self._root.stat()
            except FileNotFoundError:  # its conductor makes it
                return
        os.close(self._open(START_LOCK))  # a press needs it
        trial = self._open(".trial")
        try:
            _write(trial, self._root)
        finally:
            os.close(trial)
        if self._known is None and (self._root / LOCK).exists():
            self._known = identity_of(self._root)

    def _open(self, name: str) -> int:
        path = self._root / name
        with storage_errors(path):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)


def _write(fd: int, root: Path) -> None:
    """In place: a block of its own that takes no journal of the file system's and no new space."""
    with storage_errors(root):
        os.pwrite(fd, _TRIAL, 0)
        os.fdatasync(fd)


def _fault(code: Fault, detail: str, before: FaultRaised | None) -> FaultRaised:
    at = before.at if before is not None and before.code == code.value else Moment.now()
    return FaultRaised(code=code.value, about="disk", at=at, detail=detail)
