"""Is the disk of the lessons there, has it room, and does it take what is written? Asked of the disk, not of a journal.

What is remembered of the root when it was first seen tells it from the bare folder that a disk which was pulled leaves.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lesson.box import Fault
from lesson.errors import StorageError, storage_errors
from lesson.lifecycle import START_LOCK

LOCK = ".box"
"""The file in the root that its box keeps locked; the bare folder below a disk has none."""
TRIAL = ".trial"
TRIAL_BYTES = b"classreel"
LESSON_BYTES = 5_000_000_000
"""About one lesson of 45 minutes with three sources of 4 Mbit/s."""

Findings: TypeAlias = Mapping[Fault, str]
"""What is wrong with the disk, by code: a line each for people at this box."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Free bytes on the disk of the lessons, of `total`; `low` when another lesson may not fit."""

    free: int
    low: bool
    total: int = 0


def space_for(root: Path) -> DiskSpace:
    """Room on the disk that `root` lies on, or will. Raises `StorageError`."""
    with storage_errors(root):
        place = next(path for path in (root, *root.absolute().parents) if path.exists())
        usage = shutil.disk_usage(place)
    return DiskSpace(usage.free, usage.free < min(LESSON_BYTES, usage.total // 10), usage.total)


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


class RootAsFound:
    """The root as its conductor found it; `known` None: as it is found at the first trial."""

    def __init__(self, root: Path, known: RootIdentity | None = None) -> None:
        self.path = root
        self._known = known

    def demand(self) -> None:
        """Raises `DiskGoneError` when nothing may be made in the root."""
        demand_same(self.path, self._known)

    def trial(self) -> Findings:
        """For a `DiskProbe`: writes in place, a block that takes no journal of the file system's and no new space."""
        self.demand()
        with storage_errors(self.path):
            try:
                self.path.stat()
            except FileNotFoundError:  # its conductor makes it
                return {}
        os.close(self._open(START_LOCK))  # a press needs it
        trial = self._open(TRIAL)
        try:
            with storage_errors(self.path):
                os.pwrite(trial, TRIAL_BYTES, 0)
                os.fdatasync(trial)
        finally:
            os.close(trial)
        if self._known is None and (self.path / LOCK).exists():
            self._known = identity_of(self.path)
        return {}

    def _open(self, name: str) -> int:
        path = self.path / name
        with storage_errors(path):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)


class DiskProbe:
    """Tries the disk when it is asked, in a thread of its own, which it may hang as long as it likes. Safe for threads.

    `trial`: what it finds; raises `StorageError` for what the disk refuses. What it found holds for `every_s`, what is
    wrong for `again_s`; one that takes longer than `hangs_s` is a fault by itself. Who asks waits up to `patience_s`.
    """

    def __init__(
        self, root: Path, trial: Callable[[], Findings], *, every_s: float, again_s: float, hangs_s: float,
        patience_s: float = 0.0,
    ) -> None:  # fmt: skip
        self._root = root
        self._trial = trial
        self._every_s, self._again_s, self._hangs_s, self._patience_s = every_s, again_s, hangs_s, patience_s
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._began = 0.0
        self._ended: float | None = None
        self._found: Findings = {}

    @property
    def answered(self) -> bool:
        """Whether any trial has ended."""
        return self._ended is not None

    def faults(self) -> Findings:
        """What the newest trial found, or that the running one takes too long."""
        with self._lock:
            if self._running is None and self._is_due():
                self._began = time.monotonic()
                self._running = threading.Thread(target=self._run, name="disk-probe", daemon=True)
                self._running.start()
            running = self._running
        if running is not None:
            running.join(max(0.0, self._began + self._patience_s - time.monotonic()))
        with self._lock:
            waited_s = time.monotonic() - self._began
            if self._running is not None and waited_s > self._hangs_s:
                return {Fault.DISK_SLOW: f"{self._root}: no answer for {waited_s:.0f} s"}
            return self._found

    def _is_due(self) -> bool:
        rests_s = self._again_s if self._found else self._every_s
        return self._ended is None or time.monotonic() - self._ended > rests_s

    def _run(self) -> None:
        try:
            found = self._trial()
        except StorageError as error:
            found = {Fault.DISK_REFUSES: str(error)}
        with self._lock:
            self._found, self._ended, self._running = found, time.monotonic(), None
