"""Every kind of fact that the journals in `pub/` may hold, as values; their text form is in `lesson.records`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStarted:
    """Objects of this lesson go below `url` (without credentials), the lesson's own prefix in the store."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStored:
    """The store confirmed by checksum that `key` (relative to the lesson's prefix) holds these bytes."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDamaged:
    """The file at `path` is not any more what was committed, and the store does not hold it: it has to be made again.

    `chunk`: its number; None: it was the initialisation segment of the rendition. `problem` is for people. The one kind
    of line in `pub/damage.jsonl`.
    """

    rendition: str
    path: str
    problem: str
    chunk: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadStarted:
    """The object `key` of these bytes is being sent in parts; `upload`: the store's name for the undertaking."""

    key: str
    upload: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStored:
    """The store confirmed by checksum that it holds part `number` (from 1) of an upload; `etag`: its MD5 in hex."""

    key: str
    upload: str
    number: int
    bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPublished:
    """A playlist naming the first `chunks` chunks of its rendition (`index.m3u8`: that many of them) is in the store.

    `final`: it is VOD.
    """

    key: str
    chunks: int
    final: bool
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every object of an edition of the finished lesson was compared with the store by checksum: it is safe.

    `url`: where, as in `PublishStarted`, so that the last line of the journal tells it.
    """

    objects: int
    bytes: int
    manifest_sha256: str
    url: str | None = None
    edition: int = 0
