"""Bytes that survive a power cut: write, fsync the file, rename, fsync the folder, in that order."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lesson.errors import storage_errors

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of fallocate(2)


def sync_file(path: Path) -> None:
    """Flush the data of an existing file to the disk. Raises `StorageError`."""
    with storage_errors(path):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, so that a new file is found after a power cut."""
    with storage_errors(path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_new(files: Mapping[Path, bytes], *, within: Path) -> None:
    """Write files that nobody has written before, and make the folders between them and `within`, which is there.

    They are seen in this order, and durable when this returns: all files are flushed at once, then all folders, as a
    slow disk takes its time for each. Raises `StorageError`.
    """
    for path, data in files.items():
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    folders = {folder for path in files for folder in path.parents if folder.is_relative_to(within)}
    with ThreadPoolExecutor(max(len(files), len(folders)), thread_name_prefix="sync") as pool:
        for sync, paths in ((sync_file, list(files)), (sync_folder, list(folders))):
            for _ in pool.map(sync, paths):
                pass


def make_folder(path: Path, *, most: int | None = None) -> None:
    """Create `path` and its parents durably; an existing folder is fine.

    `most`: folders that may be missing. Where more are, the disk they were on is gone. Raises `StorageError`.
    """
    missing: list[Path] = []
    with storage_errors(path):
        while not path.is_dir():
            if path.exists():  # `mkdir` would say that it exists, which helps nobody
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            missing.append(path)
            path = path.parent
        if most is not None and len(missing) > most:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in reversed(missing):
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def reserve(path: Path, size: int) -> None:
    """Keep room for `size` bytes of an existing file without making it longer; where that cannot be done, nothing."""
    try:
        allocate = ctypes.CDLL(None, use_errno=True).fallocate64
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except (OSError, AttributeError):  # another system than Linux
        return
    try:
        allocate(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size))
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace the file at `path` by `data`: readers and power cuts see the old bytes or the new, never a mix.

    Blocks are written as they come; if getting them raises, the old file stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with storage_errors(path), beside.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        with storage_errors(path):
            beside.replace(path)
    except BaseException:
        with suppress(OSError):  # a disk that is read-only by now: what went wrong first is what counts
            beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
