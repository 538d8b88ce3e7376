"""A folder on a local or mounted disk as object store: the embedded default, needs no server."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lesson.durable import make_folder, sync_folder, write_atomic
from lesson.errors import IntegrityError, ObjectNotFoundError, StorageError, StoreError, storage_errors
from publish.body import BLOCK, Body, FileBody, md5_of
from publish.protocol import ObjectInfo, Part, Upload, checked_key, md5_hex

PARTS = ".parts"
"""Below a store's root, where the parts of uploads lie: `.parts/<upload>/000001`."""
_UPLOAD = re.compile(r"[0-9a-f]{48}")
_CUT_SHORT = re.compile(r"\..+\.\d+\.tmp")
"""What `write_atomic` leaves behind when the process dies in the middle of it: no object."""


@contextmanager
def _store_errors() -> Iterator[None]:
    """A store's disk being full or gone is the store failing: the lesson itself is safe and waits."""
    try:
        yield
    except StorageError as error:
        raise StoreError(f"store {error}") from error


def _read(body: Body) -> Iterator[bytes]:
    """The blocks of a body; that it cannot be read is no trouble of the store's disk."""
    try:
        yield from body.blocks()
    except StorageError as error:
        raise IntegrityError(str(error)) from error


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    with _store_errors():
        make_folder(path.parent)
        write_atomic(path, blocks)


def _stored(path: Path) -> FileBody:
    """The bytes at `path` as they are now. Raises `ObjectNotFoundError`."""
    try:
        with _store_errors(), storage_errors(path):
            return FileBody(path, 0, path.stat().st_size)
    except StoreError as error:
        raise error if path.is_file() else ObjectNotFoundError(f"{path}: no such object") from error


class FolderParts:
    """Parts are files in a folder of their own until they are written into one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def start(self, key: str, *, content_type: str, cache_control: str) -> Upload:  # noqa: ARG002 - files have neither
        upload = Upload(key, _key_sign(checked_key(key)) + secrets.token_hex(16))
        with _store_errors():
            make_folder(self._root / PARTS / upload.id)
        return upload

    def _folder(self, upload: Upload) -> Path:
        folder = self._root / PARTS / upload.id
        known = _UPLOAD.fullmatch(upload.id) and upload.id.startswith(_key_sign(upload.key))
        if not known or not folder.is_dir():
            raise ObjectNotFoundError(f"{self._root / upload.key}: no such upload")
        return folder

    def put_part(self, upload: Upload, number: int, body: Body) -> Part:
        path = self._folder(upload) / f"{number:06d}"
        _write(path, _read(body))
        part = _part(path)
        if part.etag != md5_of(body):
            raise IntegrityError(f"{path}: the disk gives back other bytes than were written")
        return part

    def parts(self, upload: Upload) -> list[Part]:
        with _store_errors(), storage_errors(self._root):
            paths = sorted(path for path in self._folder(upload).iterdir() if not _CUT_SHORT.fullmatch(path.name))
        return [_part(path) for path in paths]

    def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        path = self._root / checked_key(upload.key)
        parts = sorted(parts, key=lambda part: part.number)
        try:
            folder = self._folder(upload)
        except ObjectNotFoundError:
            if _consists_of(path, parts):  # the process that completed it died before it could say so
                return
            raise
        bodies = [_stored(folder / f"{part.number:06d}") for part in parts]
        _write(path, (block for body in bodies for block in body.blocks()))
        if not _consists_of(path, parts):
            raise IntegrityError(f"{path}: the disk gives back other bytes than were written")
        self._remove(folder)

    def abort(self, upload: Upload) -> None:
        try:
            self._remove(self._folder(upload))
        except ObjectNotFoundError:
            return

    @staticmethod
    def _remove(folder: Path) -> None:
        with _store_errors(), storage_errors(folder):
            shutil.rmtree(folder)
            sync_folder(folder.parent)


def _key_sign(key: str) -> str:
    """The beginning of the ids of all uploads of a key, 16 hex digits."""
    return md5_hex(key.encode(errors="surrogateescape"))[:16]


def _part(path: Path) -> Part:
    body = _stored(path)
    with _store_errors():
        return Part(int(path.name), body.length, md5_of(body))


def _consists_of(path: Path, parts: Sequence[Part]) -> bool:
    """Whether the file at `path` is these parts, one after the other."""
    try:
        whole = _stored(path)
    except ObjectNotFoundError:
        return False
    offset = 0
    for part in parts:
        if md5_of(whole.part(offset, part.bytes)) != part.etag:
            return False
        offset += part.bytes
    return offset == whole.length


class FolderStore:
    """Objects are files below `root`. A file becomes visible whole (rename) and is durable when `put` returns."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.in_parts = FolderParts(root)

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:  # noqa: ARG002 - files have neither
        path = self._path(key)
        _write(path, _read(body))
        if self.head(key).md5 != md5_of(body):
            raise IntegrityError(f"{path}: the disk gives back other bytes than were written")

    def get(self, key: str) -> bytes:
        return b"".join(self.blocks(key))

    def blocks(self, key: str) -> Iterator[bytes]:
        """As the file was when the first block was read, even if it is replaced meanwhile."""
        path = self._path(key)
        try:
            with _store_errors(), storage_errors(path), path.open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
        except StoreError as error:
            raise error if path.is_file() else ObjectNotFoundError(f"{path}: no such object") from error

    def head(self, key: str) -> ObjectInfo:
        digest, size = hashlib.md5(usedforsecurity=False), 0
        for block in self.blocks(key):
            digest.update(block)
            size += len(block)
        return ObjectInfo(key, size, digest.hexdigest(), digest.hexdigest())

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: list[ObjectInfo] = []
        with _store_errors(), storage_errors(self.root):
            for folder, folders, names in os.walk(self.root):
                if Path(folder) == self.root and PARTS in folders:
                    folders.remove(PARTS)
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
