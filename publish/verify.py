"""Does the store hold the lesson, byte by byte? The only thing that counts as success."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lesson.errors import IntegrityError, ObjectNotFoundError, StorageError, storage_errors
from lesson.folder import LessonFolder
from lesson.package import Object, published
from lesson.view import load_state
from publish.protocol import ObjectInfo, ObjectStore, md5_hex


def read_committed(folder: LessonFolder, relative: str, sha256: str) -> bytes:
    """The bytes of a file of the lesson. Raises `StorageError` if it is gone, `IntegrityError` if it is damaged."""
    path = folder.absolute(relative)
    with storage_errors(path):
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(f"{path}: damaged on this disk (SHA-256 differs); it cannot be published")
    return data


def read_object(folder: LessonFolder, item: Object) -> bytes:
    """The bytes an object must have. Raises as `read_committed`."""
    if item.text is not None:
        return item.text.encode()
    return read_committed(folder, item.path or "", item.sha256)


def verify_remote(folder: LessonFolder, store: ObjectStore, *, deep: bool = False) -> list[str]:
    """One line for each object of the lesson that the store does not hold as it must be.

    Sizes and MD5s come from listings (one request for a thousand objects); where a store gives none, or the local
    file is gone, or `deep` is asked for, the object is read back and its SHA-256 compared.

    Raises:
        StoreError, ConfigError: the store cannot be asked.
    """
    state = load_state(folder)
    if not state.verified:
        return [f"{folder.header.id}: not published to the end yet"]
    return [problem for _, problem in differing(folder, store, published(state), deep=deep)]


def differing(
    folder: LessonFolder, store: ObjectStore, expected: Sequence[Object], *, deep: bool = False
) -> list[tuple[Object, str]]:
    """Those of `expected` that the store lacks or holds differently, each with a line that says so."""
    prefix = folder.header.id  # the folder may have been renamed since
    held = {info.key: info for info in store.list(f"{prefix}/")}
    found: list[tuple[Object, str]] = []
    for item in expected:
        key = f"{prefix}/{item.key}"
        problem = _difference(folder, store, item, held.get(key), deep=deep)
        if problem:
            found.append((item, f"{store.url(key)}: {problem}"))
    return found


def _difference(
    folder: LessonFolder, store: ObjectStore, item: Object, info: ObjectInfo | None, *, deep: bool
) -> str | None:
    if info is None:
        return "missing in the store"
    if info.bytes != item.bytes:
        return f"{info.bytes} bytes in the store, sent were {item.bytes}"
    md5 = None if deep else _local_md5(folder, item)
    if md5 is not None and info.md5 is not None:
        return None if info.md5 == md5 else "other bytes in the store than were sent (MD5 differs)"
    try:
        data = store.get(info.key)
    except ObjectNotFoundError:
        return "missing in the store"
    same = hashlib.sha256(data).hexdigest() == item.sha256
    return None if same else "other bytes in the store than were sent (SHA-256 differs)"


def _local_md5(folder: LessonFolder, item: Object) -> str | None:
    """MD5 of the bytes as they must be, None where they are not here any more (or damaged here)."""
    try:
        return md5_hex(read_object(folder, item))
    except (StorageError, IntegrityError):
        return None
