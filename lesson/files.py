"""Whether a file of a lesson is still what was committed."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from lesson.errors import LessonFormatError, StorageError, storage_errors
from lesson.folder import LessonFolder
from lesson.reading import open_to_read

_BLOCK = 1 << 20
_BOX = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Troubles of whoever reads: they say nothing about a file."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex, read in blocks. Raises `OSError`, `StorageError` for anything but a regular file."""
    digest = hashlib.sha256()
    with open_to_read(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def file_problem(folder: LessonFolder, relative: str, size: int, sha256: str | None) -> str | None:
    """What is wrong with a file that was committed with this size and SHA-256 (None: not compared); None: nothing.

    Raises `StorageError` where it cannot be told.
    """
    try:
        path = folder.absolute(relative)
        found = path.stat().st_size
        if found != size:
            return f"{found} bytes, committed were {size}"
        if sha256 is not None and file_sha256(path) != sha256:
            return "its bytes are not those that were committed (SHA-256 differs)"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        if error.errno in _BOX:
            with storage_errors(path):
                raise
        return str(error)
    except (LessonFormatError, StorageError) as error:
        return str(error)
    return None
