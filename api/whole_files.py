"""Whether a file of a lesson is what was committed, before it is served; each is read once, until it changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TypeAlias

from lesson.errors import StorageError
from lesson.files import file_problem
from lesson.folder import LessonFolder

REMEMBERED = 8_192
"""Files: the chunks of a few lessons in all their renditions."""
_Stamp: TypeAlias = tuple[int, int, int]


class WholeFiles:
    """Remembers the size, time of change and inode of the files found whole. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._whole: OrderedDict[tuple[str, str], _Stamp] = OrderedDict()

    def is_whole(self, folder: LessonFolder, relative: str, size: int, sha256: str) -> bool:
        """Whether the file has these bytes now. Raises `LessonFormatError` for a place outside the lesson."""
        path = folder.absolute(relative)
        try:
            found = path.stat()
        except OSError:
            return False
        key, stamp = (str(path), sha256), (found.st_size, found.st_mtime_ns, found.st_ino)
        with self._lock:
            if self._whole.get(key) == stamp:
                self._whole.move_to_end(key)
                return True
        try:
            if file_problem(folder, relative, size, sha256) is not None:
                return False
        except StorageError:  # cannot be told now, so it is not served either
            return False
        with self._lock:  # what changed since it was looked at has another stamp, and is read again
            self._whole[key] = stamp
            while len(self._whole) > REMEMBERED:
                self._whole.popitem(last=False)
        return True
