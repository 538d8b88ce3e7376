"""A journal line in which one byte is not what was written: its CRC-32 tells which, and what it was. Pure.

A CRC is linear: what one wrong byte does to it depends on the byte's error and its distance from the end alone. So the
difference between the CRC that the line has and the one it should have is followed backwards, byte by byte, until it is
what a single byte can do (the table of the CRC). That a wrong line fits by chance has a probability of its length in
2^32, and what comes out must still be a line that says something.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from lesson.errors import LessonFormatError
from lesson.records import Record, Unknown, decode_line, line_parts

LONGEST = 1 << 16
"""Bytes; longer lines than any of ours are something else."""


def _table() -> list[int]:
    """What a single byte does to the register of the CRC-32 of ISO 3309, as zlib has it."""
    return [zlib.crc32(bytes([value])) ^ zlib.crc32(b"\0") for value in range(256)]


_TABLE = _table()
_ERROR_OF = {effect: error for error, effect in enumerate(_TABLE) if error}
_INDEX_OF_TOP = {effect >> 24: index for index, effect in enumerate(_TABLE)}


def mended(line: bytes) -> Record | None:
    """The record of a damaged line, if one byte of it is wrong, and no other way to mend it says anything."""
    found = [record for candidate in _candidates(line) if (record := _record(candidate)) is not None]
    return found[0] if len(found) == 1 else None


def _record(line: bytes) -> Record | None:
    try:
        record = decode_line(line)
    except LessonFormatError:
        return None
    return None if isinstance(record, Unknown) else record


def _candidates(line: bytes) -> Iterator[bytes]:
    if len(line) > LONGEST:
        return
    body, tail, wanted_tail = line_parts(line)
    if sum(a != b for a, b in zip(tail, wanted_tail, strict=False)) == 1 and len(tail) == len(wanted_tail):
        yield body + wanted_tail  # the wrong byte is one of the CRC's own
        return
    digits = tail[-10:-2]
    try:
        difference = zlib.crc32(body) ^ int(digits, 16)
    except ValueError:
        return
    for distance in range(len(body)):
        error = _ERROR_OF.get(difference)
        if error is not None:
            at = len(body) - 1 - distance
            yield body[:at] + bytes([body[at] ^ error]) + body[at + 1 :] + tail
        index = _INDEX_OF_TOP[difference >> 24]
        difference = ((difference ^ _TABLE[index]) << 8 & 0xFFFFFFFF) | index
