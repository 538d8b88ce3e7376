"""What to send next: a pure rule from the state of a lesson to one instruction, without any input or output.

Order, so that a thin line carries what matters first:

1. the base layer (audio and the lowest rung) chunk by chunk, then each higher rung;
2. media before the playlist that names it;
3. a playlist as soon as nothing else waits; while media waits, only when its own bytes are at most an eighth of the
   new media it names (an EVENT playlist grows with the lesson: sent for each chunk it would take as much of a
   64 kbit/s line as the voice);
4. `index.m3u8` when the base layer can be played, and again when a rung joins, catches up or falls behind;
5. once everything is encoded and sent: VOD playlists with measured bit rates, then the seal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from lesson.errors import UnusableMediaError
from lesson.hls import INDEX, MEDIA_TYPES, PLAYLIST_TYPE, media_playlist, multivariant_playlist
from lesson.model import Kind, Rendition
from lesson.state import LessonState

PLAYLIST_SHARE = 8
"""While media waits, a playlist may take one byte for this many bytes of new media it names."""
PLAYLIST_HEAD_BYTES, PLAYLIST_ENTRY_BYTES = 200, 25
"""Length of a media playlist: its tags, and `#EXTINF` and URI of each chunk (tested against the text)."""
MAX_LAG_CHUNKS = 3
"""A rung further behind the base layer than this is not named while live: a player that picks it would stall."""

IMMUTABLE = "public, max-age=31536000, immutable"
CHANGING = "no-cache"
SETTLED = "public, max-age=300"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFile:
    """Store a file of the lesson folder under `key`. `path` is relative to the lesson."""

    key: str
    path: str
    bytes: int
    sha256: str
    content_type: str
    cache_control: str = IMMUTABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPlaylist:
    """Store a playlist naming `chunks` chunks (of `index.m3u8`: renditions)."""

    key: str
    text: str = field(repr=False)
    chunks: int
    final: bool
    content_type: str = PLAYLIST_TYPE

    @property
    def cache_control(self) -> str:
        return SETTLED if self.final else CHANGING

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seal:
    """Everything is stored: write the manifest, compare every object with the store."""


Step: TypeAlias = PutFile | PutPlaylist | Seal


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far one rendition is: chunks encoded, stored and named by its playlist in the store."""

    rendition: Rendition
    encoded: int
    stored: int
    published: int
    settled: bool  # its VOD playlist is in the store


def next_step(state: LessonState) -> Step | None:
    """The next thing to do, None while there is nothing (more is being encoded, or all is verified).

    Raises:
        UnusableMediaError: the lesson ended without anything recorded.
    """
    if state.verified:
        return None
    if state.final and state.frozen_until == 0:
        raise UnusableMediaError(f"{state.header.id}: nothing was recorded, so there is nothing to publish")
    tiers = _tiers(state)
    media = next(_media(state, tiers), None)
    playlist = next(_playlists(state, tiers, waiting=media), None)
    if playlist or media:
        return playlist or media
    return Seal() if _all_settled(state) else None


def stored_files(state: LessonState) -> Iterator[PutFile]:
    """Every initialisation segment and chunk there is so far, whether stored or not, in the order of the ladder."""
    for rendition in state.header.ladder:
        progress = state.renditions[rendition.name]
        if started := progress.started:
            yield _put(rendition, started.init_path, started.init_bytes, started.init_sha256)
        for index in range(progress.leading):
            yield _chunk(state, rendition, index)


def _tiers(state: LessonState) -> list[list[_Progress]]:
    """The base layer (audio and lowest rung), then one tier for each higher rung."""
    audio = [r for r in state.header.ladder if r.kind is Kind.AUDIO]
    video = [r for r in state.header.ladder if r.kind is Kind.VIDEO]
    video.sort(key=lambda r: (r.width * r.height, r.maxrate))
    groups = [audio + video[:1], *([rung] for rung in video[1:])]
    return [[_progress(state, rendition) for rendition in group] for group in groups]


def _progress(state: LessonState, rendition: Rendition) -> _Progress:
    progress = state.renditions[rendition.name]
    playlist = state.playlists.get(f"{rendition.name}/{INDEX}")
    published = playlist.chunks if playlist else 0
    encoded = progress.leading if progress.started else 0
    stored = published  # what a playlist names is stored
    if progress.started and _key(rendition, progress.started.init_path) in state.objects:
        while stored < encoded and _key(rendition, progress.chunks[stored].path) in state.objects:
            stored += 1
    return _Progress(rendition, encoded, stored, published, playlist is not None and playlist.final)


def _media(state: LessonState, tiers: list[list[_Progress]]) -> Iterator[PutFile]:
    """Files to be sent, most important first."""
    for tier in tiers:
        waiting = [(p.stored, order, p) for order, p in enumerate(tier) if p.stored < p.encoded]
        for stored, _, progress in sorted(waiting, key=lambda entry: entry[:2]):
            rendition = progress.rendition
            started = state.renditions[rendition.name].started
            if started and _key(rendition, started.init_path) not in state.objects:
                yield _put(rendition, started.init_path, started.init_bytes, started.init_sha256)
            yield _chunk(state, rendition, stored)


def _playlists(state: LessonState, tiers: list[list[_Progress]], *, waiting: PutFile | None) -> Iterator[PutPlaylist]:
    """Playlists that are due, most important first."""
    for tier in tiers:
        for progress in tier:
            name = progress.rendition.name
            complete = state.encoded and progress.stored == progress.encoded
            if progress.settled or not progress.stored or (progress.published == progress.stored and not complete):
                continue
            if complete or waiting is None or not progress.published or _worth(state, progress):
                text = media_playlist(state, name, chunks=progress.stored, final=complete)
                yield PutPlaylist(key=f"{name}/{INDEX}", text=text, chunks=progress.stored, final=complete)
    yield from _index(state, tiers)


def _worth(state: LessonState, progress: _Progress) -> bool:
    chunks = state.renditions[progress.rendition.name].chunks
    media = sum(chunks[index].bytes for index in range(progress.published, progress.stored))
    return (PLAYLIST_HEAD_BYTES + PLAYLIST_ENTRY_BYTES * progress.stored) * PLAYLIST_SHARE <= media


def _index(state: LessonState, tiers: list[list[_Progress]]) -> Iterator[PutPlaylist]:
    base = tiers[0]
    if not all(progress.published for progress in base):
        return
    edge = min(progress.published for progress in base)
    final = _playlists_settled(tiers)
    named = [
        p.rendition.name
        for tier in tiers
        for p in tier
        if p.settled or (p.published and p.published >= edge - MAX_LAG_CHUNKS)
    ]
    text = multivariant_playlist(state, names=named, final=final)
    step = PutPlaylist(key=INDEX, text=text, chunks=len(named), final=final)
    published = state.playlists.get(INDEX)
    if published is None or published.sha256 != step.sha256 or published.final != final:
        yield step


def _playlists_settled(tiers: list[list[_Progress]]) -> bool:
    return all(progress.settled for tier in tiers for progress in tier)


def _all_settled(state: LessonState) -> bool:
    index = state.playlists.get(INDEX)
    return state.encoded and index is not None and index.final


def _chunk(state: LessonState, rendition: Rendition, index: int) -> PutFile:
    chunk = state.renditions[rendition.name].chunks[index]
    return _put(rendition, chunk.path, chunk.bytes, chunk.sha256)


def _put(rendition: Rendition, path: str, size: int, sha256: str) -> PutFile:
    return PutFile(
        key=_key(rendition, path), path=path, bytes=size, sha256=sha256, content_type=MEDIA_TYPES[rendition.kind]
    )


def _key(rendition: Rendition, path: str) -> str:
    return f"{rendition.name}/{path.rpartition('/')[2]}"
