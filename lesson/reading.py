"""Opening and reading a lesson's files, whatever lies in their place.

Bad disks, their repair and people leave pipes, devices and files of absurd sizes where a small file was: opening such a
pipe waits for ever, and reading such a file takes all memory. Both are errors of that one file instead.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from lesson.errors import StorageError

MOST_BYTES = 256 << 20
"""No file that is read as a whole comes near: after four hours a rendition's journal has some 2 MB, the evidence of a
detector some 50 MB."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file. Raises `OSError`, or `StorageError` for anything else."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise StorageError(f"{path}: not a regular file; move it away")


def open_to_read(path: Path) -> BinaryIO:
    """As `path.open("rb")`, of regular files only. Raises like `open_regular`."""
    return os.fdopen(open_regular(path), "rb")


def read_rest(file: BinaryIO, start: int, path: Path) -> bytes:
    """Everything from byte `start` on, but for holes at the end, which nobody ever wrote.

    Raises `OSError`, or `StorageError` where that is more than `MOST_BYTES`.
    """
    size = os.fstat(file.fileno()).st_size
    if size - start > MOST_BYTES:
        size = _written(file.fileno(), start, size)
        if size - start > MOST_BYTES:
            raise StorageError(f"{path}: {size} bytes, more than it can have")
    file.seek(start)
    return file.read(max(0, size - start))


def read_whole(path: Path) -> bytes:
    """A file that is small by its nature. Raises `OSError`, or `StorageError` like `read_rest`."""
    with open_to_read(path) as file:
        return read_rest(file, 0, path)


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """A file that people write. Raises `OSError`, or `StorageError` where it is no file or has more bytes."""
    with open_to_read(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise StorageError(f"{path}: more than {most_bytes} bytes")
    return data


def _written(fd: int, start: int, size: int) -> int:
    """Where the last stretch ends that was ever written; `size` where the file system does not tell."""
    end = at = start
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole from here on
            return end
        end = at = os.lseek(fd, at, os.SEEK_HOLE)
    return end
