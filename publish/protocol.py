"""The protocols every object store answers: whole objects, and objects that are sent in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from publish.body import Body

MAX_WHOLE_BYTES = 8 << 20
"""A larger object goes in parts. One request holds so much in memory; a chunk of the top rung is below 1 MB."""
MIN_PART_BYTES = 5 << 20
"""S3 refuses smaller parts, but for the last one."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object without reading it. `md5`: hex digest of the stored bytes, None where the store
    cannot tell. `etag`: of an object sent in parts what `etag_of_parts` gives, elsewhere mostly the same as `md5`.
    """

    key: str
    bytes: int
    md5: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is being sent in parts; `id` is the store's name for the undertaking."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store confirmed: its number (from 1), its size, and its ETag, which is its MD5 in hex."""

    number: int
    bytes: int
    etag: str


class PartStore(Protocol):
    """Objects sent in parts, each of at least `MIN_PART_BYTES` but the last: what was sent stays sent when the line
    breaks or the process dies, and becomes an object only when all are there. An upload that nobody completes or
    aborts takes room for ever.

    Every method raises as `ObjectStore`, and `ObjectNotFoundError` where the store does not know the upload (any more).
    """

    def start(self, key: str, *, content_type: str, cache_control: str) -> Upload:
        """Begin; there is no object yet."""

    def put_part(self, upload: Upload, number: int, body: Body) -> Part:
        """Store a part, replacing what was sent under its number; returns only after the store has confirmed it by
        checksum. Raises `IntegrityError` if other bytes were stored.
        """

    def parts(self, upload: Upload) -> list[Part]:
        """The parts held, in order; one that was sent twice may be missing."""

    def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make `parts`, in the order of their numbers, the object: readers see it whole or not at all.

        Raises `IntegrityError` if the store holds something else afterwards. Completing once more what is complete, as
        after a lost reply, changes nothing.
        """

    def abort(self, upload: Upload) -> None:
        """Give the parts up; an upload that is not there is given up already."""


class ObjectStore(Protocol):
    """Keys are `/`-separated relative paths without `.` parts; all below the place the store was opened at.

    Every method raises `StoreError` when the store cannot be reached or fails (trying again may help) and
    `ConfigError` when it refuses for good (credentials, permissions).
    """

    @property
    def in_parts(self) -> PartStore:
        """The same store, for objects above `MAX_WHOLE_BYTES`."""

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
        """Store `body`, at most `MAX_WHOLE_BYTES`, replacing what was there; returns only after the store has
        confirmed it by checksum.

        Readers see the old bytes or the new, never a mix, where the server keeps to S3's promise (docs/adr/0007 names
        one that does not). Raises `IntegrityError` if other bytes were stored, or `body` could not be read to its end.
        """

    def get(self, key: str) -> bytes:
        """The bytes of an object that was put whole. Raises `ObjectNotFoundError`."""

    def blocks(self, key: str) -> Iterator[bytes]:
        """The bytes of an object of any size, in order. Raises `ObjectNotFoundError`."""

    def head(self, key: str) -> ObjectInfo:
        """Size and, where it can be had, MD5 of an object. Raises `ObjectNotFoundError`."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with `prefix`, in the order of their keys."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""

    def url(self, key: str) -> str:
        """Where a reader finds the object; free of credentials."""


def md5_hex(data: bytes) -> str:
    """MD5 as S3's ETag has it: a checksum against damage, not against malice (manifests carry SHA-256)."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def etag_of_parts(etags: Sequence[str]) -> str:
    """The ETag S3 gives an object that was sent in parts with these ETags (MD5s in hex)."""
    return f"{md5_hex(b''.join(map(bytes.fromhex, etags)))}-{len(etags)}"


def checked_key(key: str) -> str:
    """`key` itself. Raises `ValueError` if it could leave the store or be read in two ways."""
    if not key or any(part in {"", ".", ".."} for part in key.split("/")) or "\\" in key or "\0" in key:
        raise ValueError(f"{key!r} is no object key")
    return key
