"""What is to be stored, read block by block: however large an object is, no more of it than a block lies in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lesson.errors import IntegrityError, storage_errors
from lesson.reading import open_to_read

BLOCK = 64 << 10


@dataclass(frozen=True, slots=True)
class FileBody:
    """`length` bytes of the file at `path` from `offset` on."""

    path: Path
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """The bytes in order. Raises `StorageError` if the file cannot be read, `IntegrityError` if it is too short."""
        with storage_errors(self.path), open_to_read(self.path) as file:
            file.seek(self.offset)
            left = self.length
            while left:
                block = file.read(min(left, BLOCK))
                if not block:
                    raise IntegrityError(f"{self.path}: damaged on this disk ({left} bytes are missing at its end)")
                left -= len(block)
                yield block

    def part(self, offset: int, length: int) -> FileBody:
        """`length` bytes from `offset` on; fewer at the end."""
        return FileBody(self.path, self.offset + offset, max(0, min(length, self.length - offset)))


@dataclass(frozen=True, slots=True)
class HeldBody:
    """Bytes that are in memory anyway: a playlist, a manifest."""

    data: bytes = field(repr=False)

    @property
    def length(self) -> int:
        return len(self.data)

    def blocks(self) -> Iterator[bytes]:
        """The bytes in order."""
        for start in range(0, len(self.data), BLOCK):
            yield self.data[start : start + BLOCK]

    def part(self, offset: int, length: int) -> HeldBody:
        """`length` bytes from `offset` on; fewer at the end."""
        return HeldBody(self.data[offset : offset + length])


Body: TypeAlias = FileBody | HeldBody


class BodyReader:
    """A body as a file that can be read once, as HTTP clients take it; calls `read` each time it is read from."""

    def __init__(self, body: Body, *, read: Callable[[], None] = lambda: None) -> None:
        self._blocks = body.blocks()
        self._rest = b""
        self._heard = read

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes (negative: all), empty at the end. Raises as `blocks`."""
        self._heard()
        if size < 0:
            rest, self._rest = self._rest, b""
            return b"".join([rest, *self._blocks])
        if not self._rest:
            self._rest = next(self._blocks, b"")
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def md5_of(body: Body) -> str:
    """MD5 as S3's ETag has it: a checksum against damage, not against malice (manifests carry SHA-256)."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in body.blocks():
        digest.update(block)
    return digest.hexdigest()


def sha256_of(body: Body) -> str:
    """SHA-256 in hex, as the journals have it."""
    digest = hashlib.sha256()
    for block in body.blocks():
        digest.update(block)
    return digest.hexdigest()
