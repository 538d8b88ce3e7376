"""Putting pictures on the canvas: full frame, virtual camera, picture in picture, slate. Nothing is ever stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from lesson.model import FULL_FRAME, Rectangle
from lesson.records import CropPath
from lesson.time import Ticks
from media.picture import Plane, Yuv, resized

INSET_WIDTH = 0.28
"""Of the canvas: a face of a head-and-shoulders view is still a face, and the board keeps 92 % of its area."""
INSET_MARGIN = 0.05
"""Of the canvas height, at the right and below; more than the 16 of 720 rows in which test pictures carry marks."""
BORDER = 2
SLATE_COLOUR = (52, 142, 120)  # a calm dark blue, (Y, Cb, Cr): plainly not a failure
_MARK_COLOUR = (88, 140, 122)
_FRAME_COLOUR = (200, 128, 128)
BARS = (16, 128, 128)
_ASPECT_TOLERANCE = 0.01
"""Bars thinner than this part of the canvas are filled by scaling a hair unevenly: 1 % cannot be seen, bars can."""
_MAX_REDUCTION = 1.6
"""Sampling at points skips pixels beyond this; larger pictures are scaled by swscale's filter first. Up to here, from
1920×1080 to 1280×720, cubic luma and linear chroma cost 1.6 ms and swscale 2.8; a lecture coded with the top rung's
settings then has VMAF 95.4 and 5 % more bits against 94.8. Linear luma costs 1.0 ms and loses 1.8 points."""


class Image(Protocol):
    """What can be put on the canvas: a `media.decode.pictures.Picture`, or what else has a size and scaled planes."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    def yuv(self, width: int, height: int) -> Yuv:
        """The whole image at this size."""


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle in whole, even pixels of the canvas."""

    x: int
    y: int
    width: int
    height: int


def fitted(width: float, height: float, canvas: tuple[int, int]) -> Place:
    """The largest centred place on the canvas with the shape of `width`×`height`; all of it if nearly the same."""
    scale = min(canvas[0] / width, canvas[1] / height)
    w, h = width * scale, height * scale
    if canvas[0] - w <= canvas[0] * _ASPECT_TOLERANCE and canvas[1] - h <= canvas[1] * _ASPECT_TOLERANCE:
        return Place(0, 0, *canvas)
    w, h = max(2, 2 * round(w / 2)), max(2, 2 * round(h / 2))
    return Place(_even((canvas[0] - w) / 2), _even((canvas[1] - h) / 2), w, h)


def _even(value: float) -> int:
    return 2 * int(value / 2)


def crop_at(crops: tuple[CropPath, ...], source: str, at: Ticks) -> Rectangle:
    """What the virtual camera of `source` shows at lesson tick `at`: keys are joined by straight lines."""
    path = next((c for c in reversed(crops) if c.source == source and at in c.span), None)
    if path is None or not path.keys:
        return FULL_FRAME
    before = path.keys[0]
    for key in path.keys:
        if key.at > at:
            if key.at <= before.at or at <= before.at:
                return _inside(before.box)
            part = (at - before.at) / (key.at - before.at)
            return _inside(_between(before.box, key.box, part))
        before = key
    return _inside(before.box)


def _between(a: Rectangle, b: Rectangle, part: float) -> Rectangle:
    return Rectangle(*(p + (q - p) * part for p, q in zip((a.x, a.y, a.w, a.h), (b.x, b.y, b.w, b.h), strict=True)))


def _inside(crop: Rectangle) -> Rectangle:
    """The crop moved, if need be shrunk, into the frame."""
    w, h = min(max(crop.w, 0.02), 1.0), min(max(crop.h, 0.02), 1.0)
    return Rectangle(min(max(crop.x, 0.0), 1.0 - w), min(max(crop.y, 0.0), 1.0 - h), w, h)


def view(image: Image, crop: Rectangle, canvas: tuple[int, int]) -> Yuv:
    """The part `crop` of `image`, as large as fits on the canvas, with bars where the shapes differ."""
    place = fitted(crop.w * image.width, crop.h * image.height, canvas)
    picture = _whole(image, place) if crop == FULL_FRAME else _sampled(image, crop, place)
    if picture.size == canvas:
        return picture
    sheet = Yuv.blank(*canvas, colour=BARS)
    paste(sheet, picture, place.x, place.y)
    return sheet


def _whole(image: Image, place: Place) -> Yuv:
    reduction = min(image.width / place.width, image.height / place.height)
    if not 1.0 < reduction <= _MAX_REDUCTION:
        return image.yuv(place.width, place.height)
    picture, half = image.yuv(image.width, image.height), (place.width // 2, place.height // 2)
    return Yuv(
        resized(picture.y, place.width, place.height, cv2.INTER_CUBIC),
        resized(picture.u, *half, cv2.INTER_LINEAR),
        resized(picture.v, *half, cv2.INTER_LINEAR),
    )


def _sampled(image: Image, crop: Rectangle, place: Place) -> Yuv:
    """`crop` of `image` at the size of `place`, sampled between pixels so that a slow pan does not creep in steps."""
    reduction = max(1.0, min(crop.w * image.width / place.width, crop.h * image.height / place.height) / _MAX_REDUCTION)
    whole = image.yuv(_even(image.width / reduction), _even(image.height / reduction))
    return Yuv(
        _sampled_plane(whole.y, crop, place.width, place.height),
        _sampled_plane(whole.u, crop, place.width // 2, place.height // 2),
        _sampled_plane(whole.v, crop, place.width // 2, place.height // 2),
    )


def _sampled_plane(plane: Plane, crop: Rectangle, width: int, height: int) -> Plane:
    rows, columns = plane.shape
    sx, sy = crop.w * columns / width, crop.h * rows / height
    # centres of pixels lie at halves: destination pixel i shows source position (i + 1/2) * s + offset - 1/2
    matrix = np.array(
        [[sx, 0.0, crop.x * columns + sx / 2 - 0.5], [0.0, sy, crop.y * rows + sy / 2 - 0.5]], dtype=np.float64
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.uint8)


def paste(sheet: Yuv, picture: Yuv, x: int, y: int) -> None:
    """Copy `picture` into `sheet` at even (x, y), in place; it must lie inside."""
    width, height = picture.size
    sheet.y[y : y + height, x : x + width] = picture.y
    half = np.s_[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
    sheet.u[half] = picture.u
    sheet.v[half] = picture.v


def inset_place(canvas: tuple[int, int]) -> Place:
    """Where the inset of a picture in picture lies: bottom right, in the canvas's own shape."""
    width = _even(canvas[0] * INSET_WIDTH)
    height = _even(canvas[1] * INSET_WIDTH)
    margin = _even(canvas[1] * INSET_MARGIN + 1)
    return Place(canvas[0] - margin - width, canvas[1] - margin - height, width, height)


def inset_view(image: Image, crop: Rectangle, canvas: tuple[int, int]) -> Yuv:
    """The inset, framed by a thin light line."""
    place = inset_place(canvas)
    framed = Yuv.blank(place.width, place.height, colour=_FRAME_COLOUR)
    inner = view(image, crop, (place.width - 2 * BORDER, place.height - 2 * BORDER))
    paste(framed, inner, BORDER, BORDER)
    return framed


def with_inset(main: Yuv, inset: Yuv) -> Yuv:
    """A copy of `main` (canvas size) with the inset on it."""
    sheet = main.copy()
    place = inset_place(main.size)
    paste(sheet, inset, place.x, place.y)
    return sheet


def slate(canvas: tuple[int, int]) -> Yuv:
    """The card shown while no source has a picture: a dark blue sheet with the outline of a screen on it."""
    sheet = Yuv.blank(*canvas, colour=SLATE_COLOUR)
    width, height = _even(canvas[0] * 0.16), _even(canvas[1] * 0.16)
    line = max(2, _even(canvas[1] * 0.012))
    x, y = _even((canvas[0] - width) / 2), _even((canvas[1] - height) / 2)
    paste(sheet, Yuv.blank(width, height, colour=_MARK_COLOUR), x, y)
    inner = Yuv.blank(width - 2 * line, height - 2 * line, colour=SLATE_COLOUR)
    paste(sheet, inner, x + line, y + line)
    return sheet
