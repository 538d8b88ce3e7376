"""A small JPEG of what a feed showed last."""

from __future__ import annotations

from pathlib import Path

import cv2

from lesson.errors import MediaError
from media.decode.pictures import Picture, pictures


def thumbnail(path: Path, *, width: int = 320, quality: int = 70) -> bytes | None:
    """JPEG of the last key frame of a media file, `width` pixels wide; None if there is no picture to show.

    `quality`: 1…100, as JPEG libraries count.
    """
    try:
        picture = _last(path, keys_only=True) or _last(path, keys_only=False)
    except MediaError:
        return None
    if picture is None:
        return None
    height = max(1, round(picture.height * width / picture.width))
    encoded, data = cv2.imencode(".jpg", picture.bgr(width, height), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes() if encoded else None


def _last(path: Path, *, keys_only: bool) -> Picture | None:
    last = None
    for picture in pictures([path], keys_only=keys_only):
        last = picture
    return last
