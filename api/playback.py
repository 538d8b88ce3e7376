"""A lesson over the local network: playlists from the journals, chunks from the lesson folder, thumbnails of sources.

Only what a journal names is served; a path in a request is never turned into a path on disk.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from api import causes
from api.box import BoxDep
from api.causes import RefusedError
from api.problems import problem_docs
from api.thumbnails import newest_picture, picture_tag
from lesson.folder import LessonFolder
from lesson.hls import (
    INDEX,
    MEDIA_TYPES,
    PLAYLIST_TYPE,
    media_playlist,
    multivariant_playlist,
    playable_until,
    playlist_key,
    reached,
)
from lesson.package import CHANGING, media_file, other_object
from lesson.state import LessonState

router = APIRouter(tags=["playback"])
_REVALIDATE = CHANGING  # playlists and thumbnails grow: ask each time, get 304 when nothing is new
SnapshotQuery = Annotated[
    bool, Query(description="what there is now as a finished lesson, for players that cannot follow a running one")
]


def _unchanged(request: Request, etag: str) -> bool:
    return etag in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


def _cached(request: Request, content: bytes, etag: str, media_type: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": _REVALIDATE}
    if _unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _playlist(request: Request, text: str) -> Response:
    content = text.encode()
    return _cached(request, content, f'"{hashlib.sha256(content).hexdigest()[:32]}"', PLAYLIST_TYPE)


@router.get(
    "/lessons/{lesson_id}/hls/index.m3u8",
    response_class=Response,
    responses={200: {"content": {PLAYLIST_TYPE: {}}}, **problem_docs(404)},
)
def multivariant(box: BoxDep, request: Request, lesson_id: str, snapshot: SnapshotQuery = False) -> Response:
    """The playlist to open in a player."""
    with box.library.reading(lesson_id) as state:
        try:
            shown = state.seen_as(state.shown)
            text = multivariant_playlist(shown, final=shown.encoded)
        except ValueError as error:
            raise RefusedError(causes.NOTHING_TO_PLAY) from error
    return _playlist(request, text.replace(f"/{INDEX}", f"/{INDEX}?snapshot=true") if snapshot else text)


@router.get(
    "/lessons/{lesson_id}/hls/{rendition}/index.m3u8",
    response_class=Response,
    responses={200: {"content": {PLAYLIST_TYPE: {}}}, **problem_docs(404)},
)
def media(box: BoxDep, request: Request, lesson_id: str, rendition: str, snapshot: SnapshotQuery = False) -> Response:
    """The playlist of one rendition: it grows while the lesson runs and ends with it."""
    with box.library.reading(lesson_id) as state:
        text = _media_text(state.seen_as(0), rendition, snapshot=snapshot)
    return _playlist(request, text)


def _media_text(state: LessonState, rendition: str, *, snapshot: bool) -> str:
    progress = state.renditions.get(rendition)
    if progress is None:
        raise RefusedError(causes.RENDITION_NOT_FOUND)
    if progress.started is None or progress.leading == 0:
        raise RefusedError(causes.NOTHING_TO_PLAY)
    rung = state.header.rendition(rendition)
    if snapshot:  # sound and pictures must end together
        common = playable_until(state)
        chunks = sum(reached(state, rung, count) <= common for count in range(1, progress.leading + 1))
        return media_playlist(state, rendition, chunks=max(1, chunks), final=True)
    whole = state.final and progress.leading >= len(state.edition.chunks_of(rung))
    whole = whole or rung not in state.ladder  # nobody goes on with what is left out
    return media_playlist(state, rendition, chunks=progress.leading, final=whole)


@router.get(
    "/lessons/{lesson_id}/hls/{key:path}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}, **problem_docs(404, 416)},
)
def piece(box: BoxDep, request: Request, lesson_id: str, key: str) -> Response:
    """An initialisation segment or a chunk, of which ranges are served; the playlist of a later edition; or whatever
    else the lesson publishes.

    Whoever began to play an edition plays it to its end.
    """
    rendition = key.partition("/")[0]
    with box.library.reading(lesson_id) as state:
        for edition in state.editions:
            if key == playlist_key(rendition, edition):
                return _playlist(request, _media_text(state.seen_as(edition), rendition, snapshot=False))
        found = media_file(state, key) or other_object(state.seen_as(state.shown), key)
    if found is None:
        raise RefusedError(causes.FILE_NOT_FOUND)
    etag = f'"{found.sha256}"'
    headers = {"ETag": etag, "Cache-Control": found.cache_control}
    if _unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    if found.text is not None:
        return Response(found.text.encode(), headers=headers, media_type=found.content_type)
    folder = box.library.folder(lesson_id)
    if not box.whole_files.is_whole(folder, found.path or "", found.bytes, found.sha256):
        raise RefusedError(causes.FILE_GONE)  # also of a file that is there: damaged bytes are not what was asked for
    path = _existing(folder, found.path or "")
    return FileResponse(path, headers=headers, media_type=found.content_type)


def _existing(folder: LessonFolder, relative: str) -> Path:
    path = folder.absolute(relative)
    if not path.is_file():
        raise RefusedError(causes.FILE_GONE)
    return path


@router.get(
    "/lessons/{lesson_id}/thumbs/{source}.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_docs(404, 503)},
)
def thumb(box: BoxDep, request: Request, lesson_id: str, source: str) -> Response:
    """The newest recorded picture of a source."""
    with box.library.reading(lesson_id) as state:
        found = state.sources.get(source)
        segment = newest_picture(found) if found and state.raw_reclaimed is None else None
    if found is None:
        raise RefusedError(causes.SOURCE_NOT_FOUND)
    if segment is None:
        raise RefusedError(causes.PICTURE_NOT_YET)
    etag = f'"{picture_tag(segment)}"'
    if _unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _REVALIDATE})
    folder = box.library.folder(lesson_id)
    picture = box.thumbnails.get(lesson_id, segment, _existing(folder, segment.path))
    if picture is None:
        raise RefusedError(causes.PICTURE_NOT_YET)
    return _cached(request, picture.jpeg, etag, "image/jpeg")
