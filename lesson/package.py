"""What a lesson publishes: the one inventory of its objects, by their keys below the lesson's prefix in a store.

What to send, what to compare, the manifest and playback on the LAN all read it; no other place derives a key, a content
type or how long an object may be cached. A new kind of object is one function and one line in `KINDS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from lesson.hls import INDEX, MEDIA_TYPES, PLAYLIST_TYPE, file_key, media_playlist, multivariant_playlist, playlist_key
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.state import LessonState

IMMUTABLE = "public, max-age=31536000, immutable"
CHANGING = "no-cache"
SETTLED = "public, max-age=300"
MANIFEST = "manifest.json"
MANIFEST_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object: the bytes of `text`, or of the file at `path` (relative to the lesson folder).

    `tier`: how soon a thin line should carry it: 0 is the base layer (voice and lowest rung), then each higher rung.
    """

    key: str
    bytes: int
    sha256: str
    content_type: str
    cache_control: str
    tier: int = 0
    path: str | None = None
    text: str | None = field(default=None, repr=False)


Inventory: TypeAlias = Callable[[LessonState], Iterator[Object]]
"""All objects of one kind that a lesson has, once it is encoded to its end."""


def objects(state: LessonState) -> list[Object]:
    """Everything a lesson publishes but its manifest, which lists them.

    Raises:
        ValueError: it is not encoded yet.
    """
    return [found for kind in KINDS for found in kind(state)]


def published(state: LessonState) -> list[Object]:
    """Everything that a lesson has in the store: `objects`, and the manifest as it was sent. Raises as `objects`."""
    sent = state.objects.get(MANIFEST)
    return objects(state) + ([manifest_object(bytes=sent.bytes, sha256=sent.sha256)] if sent else [])


def manifest_object(*, bytes: int, sha256: str) -> Object:
    """The manifest, whose bytes are in the lesson folder."""
    return Object(
        key=MANIFEST, bytes=bytes, sha256=sha256, content_type=MANIFEST_TYPE, cache_control=CHANGING, path=MANIFEST
    )


def text_object(key: str, text: str, content_type: str, cache_control: str, *, tier: int = 0) -> Object:
    """An object whose bytes are derived from the journals."""
    data = text.encode()
    return Object(
        key=key,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type=content_type,
        cache_control=cache_control,
        tier=tier,
        text=text,
    )


def tiers(state: LessonState) -> list[list[Rendition]]:
    """Renditions by importance: the base layer (audio and lowest rung), then one tier for each higher rung."""
    audio = [r for r in state.ladder if r.kind is Kind.AUDIO]
    video = [r for r in state.ladder if r.kind is Kind.VIDEO]
    video.sort(key=lambda r: (r.width * r.height, r.maxrate))
    return [audio + video[:1], *([rung] for rung in video[1:])]


def init_object(state: LessonState, rendition: Rendition, tier: int = 0) -> Object | None:
    """The initialisation segment of a rendition, once it is started."""
    started = state.renditions[rendition.name].started
    if started is None:
        return None
    return _file(rendition, started.init_path, started.init_bytes, started.init_sha256, tier)


def chunk_object(rendition: Rendition, chunk: ChunkRecord, tier: int = 0) -> Object:
    """A chunk of a rendition."""
    return _file(rendition, chunk.path, chunk.bytes, chunk.sha256, tier)


def media_object(state: LessonState, rendition: str, *, chunks: int, final: bool, tier: int = 0) -> Object:
    """The playlist of a rendition that names `chunks` chunks. Raises as `lesson.hls.media_playlist`."""
    text = media_playlist(state, rendition, chunks=chunks, final=final)
    return text_object(
        playlist_key(rendition, state.edition.number), text, PLAYLIST_TYPE, SETTLED if final else CHANGING, tier=tier
    )


def index_object(state: LessonState, *, names: Collection[str] | None = None, final: bool) -> Object:
    """The playlist a player opens. Raises as `lesson.hls.multivariant_playlist`."""
    text = multivariant_playlist(state, names=names, final=final)
    return text_object(INDEX, text, PLAYLIST_TYPE, SETTLED if final else CHANGING)


def media_file(state: LessonState, key: str) -> Object | None:
    """The initialisation segment or chunk of this key, of any edition, if a journal names it."""
    name, _, file = key.partition("/")
    if name not in state.renditions:
        return None
    rendition = state.header.rendition(name)
    number, _, digest = file.partition(".")[0].partition("-")
    index = int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else -1
    for edition in map(state.seen_as, state.editions):
        chunk = edition.renditions[name].chunks.get(index)
        found = [init_object(edition, rendition), chunk_object(rendition, chunk) if chunk else None]
        if match := next((one for one in found if one and one.key == key), None):
            return match
    damaged = {file_key(name, path): chunk for path, chunk in state.renditions[name].damaged.items()}
    return _made_again(state, rendition, damaged[key], digest) if key in damaged else None


def _made_again(state: LessonState, rendition: Rendition, index: int | None, digest: str) -> Object | None:
    """What has taken the place of a damaged file: made of the same, as the digest in its name says."""
    for edition in map(state.seen_as, state.editions):
        progress = edition.renditions[rendition.name]
        if index is None:
            if progress.started and progress.started.init_sha256.startswith(digest[:NAME_DIGITS]):
                return init_object(edition, rendition)
        elif (chunk := progress.chunks.get(index)) and chunk.inputs.startswith(digest[:NAME_DIGITS]):
            return chunk_object(rendition, chunk)
    return None


def other_object(state: LessonState, key: str) -> Object | None:
    """What a lesson that is encoded publishes under this key besides media: whatever kinds there are."""
    if not state.encoded or state.empty:
        return None
    return next((one for one in objects(state) if one.key == key), None)


NAME_DIGITS = 6
"""Of a digest, in the name of a file; more where they would name two things."""
_DIGITS = 10
"""No chunk has a number so long; Python refuses to read very long ones."""


def _files(state: LessonState) -> Iterator[Object]:
    tier_of = {rendition.name: tier for tier, group in enumerate(tiers(state)) for rendition in group}
    for rendition in state.ladder:
        progress, tier = state.renditions[rendition.name], tier_of[rendition.name]
        if init := init_object(state, rendition, tier):
            yield init
        for chunk in progress.named(progress.leading):
            yield chunk_object(rendition, chunk, tier)


def _playlists(state: LessonState) -> Iterator[Object]:
    for tier, group in enumerate(tiers(state)):
        for rendition in group:
            chunks = state.renditions[rendition.name].leading
            yield media_object(state, rendition.name, chunks=chunks, final=True, tier=tier)


def ended_playlists(state: LessonState) -> Iterator[Object]:
    """The playlists that were in the store when their renditions were left out of the edition: they end where they are.

    The media they name stays as it is, until collected.
    """
    for one in state.edition.left_out:
        progress, sent = state.renditions[one.name], state.playlists.get(playlist_key(one.name, state.edition.number))
        chunks = min(sent.chunks, progress.leading) if sent and progress.started else 0
        if chunks:
            yield media_object(state, one.name, chunks=chunks, final=True)


def _index(state: LessonState) -> Iterator[Object]:
    yield index_object(state, final=True)


def _file(rendition: Rendition, path: str, size: int, sha256: str, tier: int) -> Object:
    return Object(
        key=file_key(rendition.name, path),
        bytes=size,
        sha256=sha256,
        content_type=MEDIA_TYPES[rendition.kind],
        cache_control=IMMUTABLE,
        tier=tier,
        path=path,
    )


KINDS: list[Inventory] = [_files, _playlists, ended_playlists, _index]
"""In the order in which they are to be in the store: what names others comes after them."""
