"""A folder on a local or mounted disk as object store: the embedded default, needs no server."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesson.durable import make_folder, write_atomic
from lesson.errors import IntegrityError, ObjectNotFoundError, StorageError, StoreError, storage_errors
from publish.protocol import ObjectInfo, checked_key, md5_hex

_BLOCK = 1 << 20
_CUT_SHORT = re.compile(r"\..+\.\d+\.tmp")
"""What `write_atomic` leaves behind when the process dies in the middle of it: no object."""


@contextmanager
def _store_errors() -> Iterator[None]:
    """A store's disk being full or gone is the store failing: the lesson itself is safe and waits."""
    try:
        yield
    except StorageError as error:
        raise StoreError(f"store {error}") from error


class FolderStore:
    """Objects are files below `root`. A file becomes visible whole (rename) and is durable when `put` returns."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def put(self, key: str, data: bytes, *, content_type: str, cache_control: str) -> None:  # noqa: ARG002 - files have neither
        path = self._path(key)
        with _store_errors():
            make_folder(path.parent)
            write_atomic(path, data)
        if self.head(key).md5 != md5_hex(data):
            raise IntegrityError(f"{path}: the disk gives back other bytes than were written")

    def get(self, key: str) -> bytes:
        path = self._path(key)
        try:
            with _store_errors(), storage_errors(path):
                return path.read_bytes()
        except StoreError as error:
            raise self._missing(path, error) from error

    def head(self, key: str) -> ObjectInfo:
        path = self._path(key)
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with _store_errors(), storage_errors(path), path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
        except StoreError as error:
            raise self._missing(path, error) from error
        return ObjectInfo(key, size, digest.hexdigest())

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: list[ObjectInfo] = []
        with _store_errors(), storage_errors(self.root):
            for folder, _, names in os.walk(self.root):
                for name in names:
                    path = Path(folder, name)
                    key = path.relative_to(self.root).as_posix()
                    if key.startswith(prefix) and not _CUT_SHORT.fullmatch(name):
                        found.append(ObjectInfo(key, path.stat().st_size))
        yield from sorted(found, key=lambda info: info.key)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _store_errors(), storage_errors(path):
            path.unlink(missing_ok=True)

    def url(self, key: str) -> str:
        return self._path(key).resolve().as_uri()

    @staticmethod
    def _missing(path: Path, error: StoreError) -> StoreError:
        return error if path.is_file() else ObjectNotFoundError(f"{path}: no such object")
