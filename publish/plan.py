"""What to send next: a pure rule from the state of a lesson to one instruction, without any input or output.

Order, so that a thin line carries what matters first:

1. the base layer (audio and the lowest rung) chunk by chunk, then each higher rung;
2. media before the playlist that names it;
3. a playlist as soon as nothing else waits; while media waits, only when its own bytes are at most an eighth of the
   new media it names (an EVENT playlist grows with the lesson: sent for each chunk it would take as much of a
   64 kbit/s line as the voice); at once where its rendition was left out: it ends there;
4. `index.m3u8` when the base layer can be played, and again when a rung joins, catches up or falls far behind;
5. once everything is encoded and sent: VOD playlists with measured bit rates, then the seal.

A file that is damaged on the disk is passed over until it was made again, under another name; a playlist that named it
goes again.

An edition but the first is no live one: its playlists go once it is whole, and `index.m3u8` changes with the seal, when
all else was compared with the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from lesson.errors import UnusableMediaError
from lesson.hls import INDEX, file_key, playlist_key, reached
from lesson.model import Rendition
from lesson.package import (
    MANIFEST,
    Object,
    chunk_object,
    ended_playlists,
    index_object,
    init_object,
    media_object,
    objects,
    tiers,
)
from lesson.records import PlaylistPublished
from lesson.state import LessonState
from lesson.time import Ticks

PLAYLIST_SHARE = 8
"""While media waits, a playlist may take one byte for this many bytes of new media it names."""
PLAYLIST_HEAD_BYTES, PLAYLIST_ENTRY_BYTES = 200, 25
"""Length of a media playlist: its tags, and `#EXTINF` and URI of each chunk (tested against the text)."""
MAX_LAG_CHUNKS = 3
"""A rung further behind the base layer than this is not named while live: a player that picks it would stall. One with
chunks longer than the grid's may be behind by the rest of a chunk, too."""
MOST_LAG_CHUNKS = 8
"""One that is named stays until it is further behind than this: on a busy box rungs fall back by a chunk or two again
and again, and players read `index.m3u8` once."""


@dataclass(frozen=True, slots=True)
class Put:
    """Store an object that stays as it is."""

    object: Object

    @property
    def key(self) -> str:
        return self.object.key


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPlaylist:
    """Store a playlist naming `chunks` chunks (of `index.m3u8`: renditions)."""

    object: Object
    chunks: int
    final: bool

    @property
    def key(self) -> str:
        return self.object.key


@dataclass(frozen=True, slots=True)
class Seal:
    """Everything is stored: write the manifest, compare every object with the store."""

    key = MANIFEST


Step: TypeAlias = Put | PutPlaylist | Seal


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far one rendition is: chunks encoded, stored and named by its playlist in the store.

    `settled`: its VOD playlist, as it is now, is in the store. `waiting`: the position of the first chunk that is to be
    sent (that of the first encoded one if only the initialisation segment is), None if there is nothing.
    """

    rendition: Rendition
    tier: int
    encoded: int
    stored: int
    published: int
    settled: bool
    waiting: int | None


_Tiers: TypeAlias = list[list[_Progress]]


def next_step(state: LessonState) -> Step | None:
    """The next thing to do, None while there is nothing (more is being encoded, or all is verified).

    Raises:
        UnusableMediaError: the lesson ended without anything recorded.
    """
    if state.verified:
        return None
    if state.final and state.frozen_until == 0:
        raise UnusableMediaError(f"{state.header.id}: nothing was recorded, so there is nothing to publish")
    ladder = [[_progress(state, rendition, tier) for rendition in group] for tier, group in enumerate(tiers(state))]
    media = next(_media(state, ladder), None)
    playlist = next(_playlists(state, ladder, waiting=media), None)
    if playlist or media:
        return playlist or media
    return (next(_others(state), None) or Seal()) if _all_settled(state, ladder) else None


def _progress(state: LessonState, rendition: Rendition, tier: int) -> _Progress:
    progress = state.renditions[rendition.name]
    playlist = state.playlists.get(playlist_key(rendition.name, state.edition.number))
    encoded = progress.leading if progress.started else 0
    # a journal that lost its end in a power cut knows less than the store was told: it is made again as it was
    published = min(playlist.chunks, encoded) if playlist else 0
    stored = min([published, *_replaced(state, rendition, published)])  # all else that a playlist names is stored
    init_there = progress.started is not None and _is_stored(state, rendition, progress.started.init_path)
    if init_there:
        while stored < encoded and _is_stored(state, rendition, progress.leads_with(stored).path):
            stored += 1
    rest = range(stored, encoded)
    waiting = next((at for at in rest if _may_be_sent(state, rendition, progress.leads_with(at).path)), None)
    if waiting is None and rest and not (init_there or progress.init_spoilt):
        waiting = stored
    settled = playlist is not None and playlist.final
    if settled and progress.damaged and stored:  # a chunk may have another name since
        settled = playlist == _final(state, rendition, stored)
    return _Progress(rendition, tier, encoded, stored, published, settled, waiting)


def _is_stored(state: LessonState, rendition: Rendition, path: str) -> bool:
    return path not in state.renditions[rendition.name].damaged and file_key(rendition.name, path) in state.objects


def _may_be_sent(state: LessonState, rendition: Rendition, path: str) -> bool:
    return path not in state.renditions[rendition.name].damaged and file_key(rendition.name, path) not in state.objects


def _replaced(state: LessonState, rendition: Rendition, published: int) -> Iterator[int]:
    """Of what a playlist in the store names, the positions for which something else has to be stored."""
    progress = state.renditions[rendition.name]
    for index in set(progress.damaged.values()):
        if index is None:
            if progress.started and not _is_stored(state, rendition, progress.started.init_path):
                yield 0
            continue
        position = index - progress.first
        named = 0 <= position < min(published, progress.leading)
        if named and not _is_stored(state, rendition, progress.leads_with(position).path):
            yield position


def _final(state: LessonState, rendition: Rendition, chunks: int) -> PlaylistPublished:
    """How its VOD playlist would be journaled now."""
    text = media_object(state, rendition.name, chunks=chunks, final=True)
    return PlaylistPublished(key=text.key, chunks=chunks, final=True, sha256=text.sha256)


def _media(state: LessonState, ladder: _Tiers) -> Iterator[Put]:
    """Files to be sent, most important first."""
    for group in ladder:
        waiting = [(p.waiting, order, p) for order, p in enumerate(group) if p.waiting is not None]
        for position, _, p in sorted(waiting, key=lambda entry: entry[:2]):
            rendition, progress = p.rendition, state.renditions[p.rendition.name]
            init = init_object(state, rendition, p.tier)
            if init and init.key not in state.objects and not progress.init_spoilt:
                yield Put(init)
            yield Put(chunk_object(rendition, progress.leads_with(position), p.tier))


def _playlists(state: LessonState, ladder: _Tiers, *, waiting: Put | None) -> Iterator[PutPlaylist]:
    """Playlists that are due, most important first."""
    for ended in ended_playlists(state):
        sent = state.playlists[ended.key]
        if not sent.final:
            yield PutPlaylist(object=ended, chunks=sent.chunks, final=True)
    for progress in (progress for group in ladder for progress in group):
        complete = state.encoded and progress.stored == progress.encoded
        if not complete and state.edition.number:  # players have the edition before until this one is whole
            continue
        if progress.settled or not progress.stored or (progress.published >= progress.stored and not complete):
            continue
        if complete or waiting is None or not progress.published or _worth(state, progress):
            name, chunks = progress.rendition.name, progress.stored
            playlist = media_object(state, name, chunks=chunks, final=complete, tier=progress.tier)
            yield PutPlaylist(object=playlist, chunks=chunks, final=complete)
    yield from _index(state, ladder)


def _worth(state: LessonState, progress: _Progress) -> bool:
    chunks = state.renditions[progress.rendition.name].named(progress.stored)
    media = sum(chunk.bytes for chunk in chunks[progress.published :])
    return (PLAYLIST_HEAD_BYTES + PLAYLIST_ENTRY_BYTES * progress.stored) * PLAYLIST_SHARE <= media


def _index(state: LessonState, ladder: _Tiers) -> Iterator[PutPlaylist]:
    base = ladder[0]
    if state.edition.number or not all(progress.published for progress in base):
        return
    ends = {p.rendition.name: reached(state, p.rendition, p.published) for group in ladder for p in group}
    edge = min(ends[progress.rendition.name] for progress in base)
    every = [progress for group in ladder for progress in group]
    final = all(progress.settled for progress in every)

    def within(lag: int) -> list[str]:
        oldest = edge - (lag - 1) * state.header.grid.chunk
        found = (p for p in every if p.settled or (p.published and _due(state, p, ends) >= oldest))
        return [progress.rendition.name for progress in found]

    on_time = within(MAX_LAG_CHUNKS)
    index = index_object(state, names=on_time, final=final)
    sent = state.playlists.get(INDEX)
    if sent is not None and sent.final == final:
        late = [name for name in within(MOST_LAG_CHUNKS) if name not in on_time]
        if sent.sha256 in _indexes(state, on_time, late, final=final):
            return
    yield PutPlaylist(object=index, chunks=len(on_time), final=final)


def _indexes(state: LessonState, named: Sequence[str], perhaps: Sequence[str], *, final: bool) -> Iterator[str]:
    """Digests of all that `index.m3u8` may be in the store: with these renditions, and any of those."""
    for count in range(len(perhaps) + 1):
        for some in combinations(perhaps, count):
            yield index_object(state, names=[*named, *some], final=final).sha256


def _due(state: LessonState, progress: _Progress, ends: Mapping[str, Ticks]) -> Ticks:
    """Where the chunk ends that is due next: a long one may take its length before it can be there."""
    rung = progress.rendition
    return ends[rung.name] + state.header.grid_of(rung.grid_multiple).chunk


def _all_settled(state: LessonState, ladder: _Tiers) -> bool:
    """Whether only the seal is left: of edition 0 its final `index.m3u8` is stored, of others the seal switches it."""
    if state.edition.number:
        return state.encoded and all(progress.settled for group in ladder for progress in group)
    index = state.playlists.get(INDEX)
    return state.encoded and index is not None and index.final


def _others(state: LessonState) -> Iterator[Put]:
    """What the inventory names besides media and playlists."""
    for found in (found for found in objects(state) if found.key != INDEX):
        stored = state.objects.get(found.key) or state.playlists.get(found.key)
        if stored is None or stored.sha256 != found.sha256:
            yield Put(found)
