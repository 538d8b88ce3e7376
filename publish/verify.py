"""Does the store hold the lesson, byte by byte? The only thing that counts as success."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lesson.errors import IntegrityError, LessonFormatError, ObjectNotFoundError, StorageError, storage_errors
from lesson.folder import LessonFolder
from lesson.glance import NOTHING
from lesson.package import Object, published
from lesson.verify import missing_chunks
from lesson.view import LessonView
from publish.body import Body, FileBody, HeldBody, md5_of, sha256_of
from publish.in_parts import etag_in_parts
from publish.protocol import ObjectInfo, ObjectStore


def committed_body(folder: LessonFolder, relative: str, sha256: str) -> FileBody:
    """A file of the lesson, found whole.

    Raises `StorageError` if it is gone, `IntegrityError` if it is damaged, `LessonFormatError` if it is no file.
    """
    path = folder.absolute(relative)
    with storage_errors(path):
        body = FileBody(path, 0, path.stat().st_size)
    if sha256_of(body) != sha256:
        raise IntegrityError(f"{path}: damaged on this disk (SHA-256 differs); it cannot be published")
    return body


def object_body(folder: LessonFolder, item: Object) -> Body:
    """The bytes an object must have. Raises as `committed_body`."""
    if item.text is not None:
        return HeldBody(item.text.encode())
    return committed_body(folder, item.path or "", item.sha256)


def verify_remote(folder: LessonFolder, store: ObjectStore, *, deep: bool = False) -> list[str]:
    """One line for each object of the lesson that the store does not hold as it must be.

    Sizes and MD5s come from listings (one request for a thousand objects); where a store gives none, or the local
    file is gone, or `deep` is asked for, the object is read back and its SHA-256 compared.

    Raises:
        StoreError, ConfigError: the store cannot be asked.
    """
    view = LessonView(folder)
    view.poll()
    state = view.state
    if state.empty:
        return [f"{folder.header.id}: {NOTHING}, so nothing is published"]
    if not state.verified:
        return [f"{folder.header.id}: not published to the end yet"]
    if not state.encoded:
        said = "published, but this disk does not know all of it any more"
        hurt = [*view.damage, *missing_chunks(state)] or ["files of `enc/` are damaged, and are to be made again"]
        return [f"{folder.header.id}: {said}: {one}" for one in hurt]
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


def holds(folder: LessonFolder, store: ObjectStore, item: Object) -> bool:
    """Whether the store holds an object, read back and compared by its SHA-256. Raises `StoreError`, `ConfigError`."""
    try:
        info = store.head(f"{folder.header.id}/{item.key}")
    except ObjectNotFoundError:
        return False
    return _difference(folder, store, item, info, deep=True) is None


def _difference(
    folder: LessonFolder, store: ObjectStore, item: Object, info: ObjectInfo | None, *, deep: bool
) -> str | None:
    """In what way an object is not as it must be, given what the store says of it (None: it has none); None: in none.

    Raises `StoreError`.
    """
    if info is None:
        return "missing in the store"
    if info.bytes != item.bytes:
        return f"{info.bytes} bytes in the store, sent were {item.bytes}"
    same = None if deep else _same_as_here(folder, item, info)
    if same is not None:
        return None if same else "other bytes in the store than were sent (MD5 differs)"
    digest = hashlib.sha256()
    try:
        for block in store.blocks(info.key):
            digest.update(block)
    except ObjectNotFoundError:
        return "missing in the store"
    same = digest.hexdigest() == item.sha256
    return None if same else "other bytes in the store than were sent (SHA-256 differs)"


def _same_as_here(folder: LessonFolder, item: Object, info: ObjectInfo) -> bool | None:
    """Whether the store's MD5, or its ETag of an object in parts, is that of the bytes as they must be.

    None where that cannot be told: the store knows neither, or the bytes are not here any more (or damaged here).
    """
    in_parts = (info.etag or "").count("-") == 1
    if info.md5 is None and not in_parts:
        return None
    try:
        body = object_body(folder, item)
        if info.md5 is not None:
            return info.md5 == md5_of(body)
        return True if info.etag == etag_in_parts(body) else None  # parts of another size have another ETag
    except (StorageError, IntegrityError, LessonFormatError):
        return None
