"""A lesson over the local network: playlists from the journals, chunks from the lesson folder, feed thumbnails.

Only what a journal names is served; a path in a request is never turned into a path on disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from api import causes
from api.box import BoxDep
from api.causes import RefusedError
from api.problems import problem_docs
from api.thumbnails import newest_picture, picture_tag
from lesson.folder import LessonFolder
from lesson.hls import INDEX, MEDIA_TYPES, PLAYLIST_TYPE, media_playlist, multivariant_playlist, playable
from lesson.state import LessonState

router = APIRouter(tags=["playback"])
_REVALIDATE = "no-cache"  # playlists and thumbnails grow: ask each time, get 304 when nothing is new
_FOR_EVER = "public, max-age=31536000, immutable"  # a chunk a journal names never changes
SnapshotQuery = Annotated[
    bool, Query(description="what there is now as a finished lesson, for players that cannot follow a running one")
]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file a journal names."""

    path: str
    sha256: str
    media_type: str


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
            text = multivariant_playlist(state, final=state.encoded)
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
        text = _media_text(state, rendition, snapshot=snapshot)
    return _playlist(request, text)


def _media_text(state: LessonState, rendition: str, *, snapshot: bool) -> str:
    progress = state.renditions.get(rendition)
    if progress is None:
        raise RefusedError(causes.RENDITION_NOT_FOUND)
    if progress.started is None or progress.leading == 0:
        raise RefusedError(causes.NOTHING_TO_PLAY)
    if snapshot:  # sound and pictures must end together
        common = min(state.renditions[one.name].leading for one in playable(state))
        return media_playlist(state, rendition, chunks=common, final=True)
    whole = state.final and progress.leading >= state.header.grid.chunks(state.frozen_until)
    return media_playlist(state, rendition, chunks=progress.leading, final=whole)


@router.get(
    "/lessons/{lesson_id}/hls/{rendition}/{name}",
    response_class=FileResponse,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}, **problem_docs(404, 416)},
)
def piece(box: BoxDep, request: Request, lesson_id: str, rendition: str, name: str) -> Response:
    """An initialisation segment or a chunk; ranges are served."""
    with box.library.reading(lesson_id) as state:
        found = _find_piece(state, rendition, name)
    etag = f'"{found.sha256}"'
    headers = {"ETag": etag, "Cache-Control": _FOR_EVER}
    if _unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    path = _existing(box.library.folder(lesson_id), found.path)
    return FileResponse(path, headers=headers, media_type=found.media_type)


def _find_piece(state: LessonState, rendition: str, name: str) -> _Piece:
    progress = state.renditions.get(rendition)
    if progress is not None and progress.started is not None:
        kind = MEDIA_TYPES[state.header.rendition(rendition).kind]
        if name == PurePosixPath(progress.started.init_path).name:
            return _Piece(progress.started.init_path, progress.started.init_sha256, kind)
        stem = name.partition(".")[0]
        chunk = progress.chunks.get(int(stem)) if stem.isascii() and stem.isdigit() and len(stem) < 10 else None
        if chunk is not None and name == PurePosixPath(chunk.path).name:
            return _Piece(chunk.path, chunk.sha256, kind)
    raise RefusedError(causes.FILE_NOT_FOUND)


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
    """The newest recorded picture of a feed."""
    with box.library.reading(lesson_id) as state:
        feed = state.sources.get(source)
        segment = newest_picture(feed) if feed else None
    if feed is None:
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
