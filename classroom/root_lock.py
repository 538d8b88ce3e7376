"""The root of a box: locked against other boxes, and known again when its disk went and came back."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lesson.durable import make_folder
from lesson.errors import ConfigError, storage_errors
from process.disk import LOCK, DiskGoneError, RootIdentity, demand_same, identity_of


class RootLock:
    """Keeps other boxes from a root. `identity`: the root as it was when it was first locked.

    `url`: where this box can be asked; it stands in the locked file.
    """

    def __init__(self, root: Path, url: str = "") -> None:
        self.identity: RootIdentity | None = None
        self._root = root
        self._url = url
        self._fd = -1

    def take(self) -> None:
        """Lock the root, unless it is locked and still there.

        Raises:
            ConfigError: another box has it.
            StorageError: the disk refuses; a `DiskGoneError` when another folder is in the place of the root.
        """
        try:
            demand_same(self._root, self.identity)
        except DiskGoneError:
            self.close()
            raise
        if self._fd >= 0:
            return
        if self.identity is None:
            make_folder(self._root)
        with storage_errors(self._root):
            lock = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ConfigError(
                f"{self._root}: another classreel serves these lessons: end it, or set another root"
            ) from error
        self._fd = lock
        self._write(self._url)
        self.identity = identity_of(self._root)

    def _write(self, text: str) -> None:
        """Of use, and no more: a disk that takes nothing must not keep the box from its root."""
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)

    def close(self) -> None:
        if self._fd >= 0:
            self._write("")
            os.close(self._fd)
            self._fd = -1
