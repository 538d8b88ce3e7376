"""A helper thread that has the kernel write the open segment to the disk twice a second.

Without it a power cut takes what the page cache holds, up to half a minute; fsync in the recording thread would stop
it while a slow disk works.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from lesson.errors import StorageError, storage_errors

INTERVAL_S = 0.5


class BackgroundSync:
    """Syncs whatever files it is told to watch. A failed fsync is raised by the next `check`, never swallowed:
    after it the kernel may report success though the data is gone.
    """

    def __init__(self) -> None:
        self._paths: tuple[Path, ...] = ()
        self._problem: StorageError | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def watch(self, *paths: Path) -> None:
        """Sync these files from now on, instead of those before."""
        self._paths = paths

    def check(self) -> None:
        """Raises `StorageError` if the disk refused a sync since the last check."""
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            for path in self._paths:
                try:
                    self._sync(path)
                except StorageError as error:
                    self._problem = error

    @staticmethod
    def _sync(path: Path) -> None:
        with storage_errors(path):
            try:
                fd = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                return  # not created yet
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
