"""The one protocol every object store answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_OBJECT_BYTES = 64 << 20
"""An object goes in one request, so that its ETag is its MD5; a chunk of the top rung is below 1 MB."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object. `md5`: hex digest of the stored bytes, None where the store cannot tell
    without reading them.
    """

    key: str
    bytes: int
    md5: str | None = None


class ObjectStore(Protocol):
    """Keys are `/`-separated relative paths without `.` parts; all below the place the store was opened at.

    Every method raises `StoreError` when the store cannot be reached or fails (trying again may help) and
    `ConfigError` when it refuses for good (credentials, permissions).
    """

    def put(self, key: str, data: bytes, *, content_type: str, cache_control: str) -> None:
        """Store `data`, replacing what was there; returns only after the store has confirmed it by checksum.

        Readers see the old bytes or the new, never a mix, where the server keeps to S3's promise (docs/adr/0007 names
        one that does not). Raises `IntegrityError` if other bytes were stored.
        """

    def get(self, key: str) -> bytes:
        """The bytes of an object. Raises `ObjectNotFoundError`."""

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


def checked_key(key: str) -> str:
    """`key` itself. Raises `ValueError` if it could leave the store or be read in two ways."""
    if not key or any(part in {"", ".", ".."} for part in key.split("/")) or "\\" in key or "\0" in key:
        raise ValueError(f"{key!r} is no object key")
    return key
