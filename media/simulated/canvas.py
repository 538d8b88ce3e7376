"""Drawing on a `Yuv` picture in parts of its size, so that a scene looks the same at every size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from media.picture import Yuv

Colour: TypeAlias = tuple[int, int, int]
"""(Y, Cb, Cr), limited range."""
Point: TypeAlias = tuple[float, float]
"""x and y in parts of the height of the picture, from its top left: shapes keep their proportions."""

_SUBPIXEL_BITS = 4


class Canvas:
    """Filled shapes on all three planes. Lengths are in parts of the picture's height."""

    def __init__(self, picture: Yuv) -> None:
        self.picture = picture
        height = picture.y.shape[0]
        self._planes = ((picture.y, height), (picture.u, height / 2), (picture.v, height / 2))
        self.width = picture.y.shape[1] / height

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        for (plane, unit), value in zip(self._planes, colour, strict=True):
            cv2.fillPoly(plane, [_fixed(points, unit)], value, cv2.LINE_AA, _SUBPIXEL_BITS)

    def rectangle(self, left: float, top: float, width: float, height: float, colour: Colour) -> None:
        right, bottom = left + width, top + height
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, centre: Point, radius_x: float, radius_y: float, colour: Colour) -> None:
        angles = np.linspace(0.0, 2 * np.pi, 32, endpoint=False)
        x, y = centre
        self.polygon([(x + radius_x * np.cos(a), y + radius_y * np.sin(a)) for a in angles], colour)

    def line(self, points: Sequence[Point], thickness: float, colour: Colour) -> None:
        for (plane, unit), value in zip(self._planes, colour, strict=True):
            pixels = max(1, round(thickness * unit))
            cv2.polylines(plane, [_fixed(points, unit)], False, value, pixels, cv2.LINE_AA, _SUBPIXEL_BITS)

    def ink(self, points: npt.NDArray[np.float64], thickness: float, luma: int) -> None:
        """A thin dark line through points (n, 2); chroma is left alone."""
        plane, unit = self._planes[0]
        pixels = max(1, round(thickness * unit))
        fixed = np.rint(points * unit * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.polylines(plane, [fixed], False, luma, pixels, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(points: Sequence[Point], unit: float) -> npt.NDArray[np.int32]:
    return np.rint(np.array(points) * unit * (1 << _SUBPIXEL_BITS)).astype(np.int32)
