"""The first and the last lines of a journal, without reading what lies between."""

from __future__ import annotations

import os
from pathlib import Path

from lesson.errors import LessonFormatError, storage_errors
from lesson.reading import open_regular, open_to_read, read_rest
from lesson.records import Record, Unknown, decode_line

END_BYTES = 4_096
"""Enough for the last line of any journal looked at here: the longest, a shot, takes some 200 bytes."""
BEGINNING_BYTES = 16_384
"""Enough for the first chunk of a rendition, even if a few others were ready before it."""


def last_record(path: Path) -> Record | None:
    """The last line of a journal; None where it is torn, damaged, of a later version, or there is none.

    Raises `StorageError`.
    """
    lines, torn = end_of(path)
    record = decoded(lines[-1]) if lines and not torn else None
    return None if isinstance(record, Unknown) else record


def decoded(line: bytes) -> Record | Unknown | None:
    """The record of a line; None for one that is damaged."""
    try:
        return decode_line(line)
    except LessonFormatError:
        return None


def end_of(path: Path, size: int = END_BYTES) -> tuple[list[bytes], bytes]:
    """The whole lines within the last `size` bytes, without their line ends, and what follows the last line end.

    Raises `StorageError`.
    """
    with storage_errors(path):
        try:
            fd = open_regular(path)
        except FileNotFoundError:
            return [], b""
        try:
            start = max(0, os.fstat(fd).st_size - size)
            *lines, torn = os.pread(fd, size, start).split(b"\n")
        finally:
            os.close(fd)
    return lines[1:] if start else lines, torn


def beginning_of(path: Path, size: int | None = BEGINNING_BYTES) -> bytes:
    """The first `size` bytes of a file; all, if None; nothing where there is no file. Raises `StorageError`."""
    with storage_errors(path):
        try:
            with open_to_read(path) as file:
                return read_rest(file, 0, path) if size is None else file.read(size)
        except FileNotFoundError:
            return b""
