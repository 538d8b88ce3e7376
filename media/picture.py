"""`Yuv`: one picture as three planes of numpy, the form in which pictures travel between the rooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Plane: TypeAlias = npt.NDArray[np.uint8]

BLACK = (16, 128, 128)


@dataclass(frozen=True, slots=True, eq=False)
class Yuv:
    """A picture in 8-bit limited-range Y'CbCr 4:2:0: `y` is (h, w), `u` and `v` are (h/2, w/2), h and w even.

    Planes may be views of a decoder's buffer and are then read-only: paint on a `copy()` only.
    """

    y: Plane
    u: Plane
    v: Plane

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.y.shape[1], self.y.shape[0]

    @classmethod
    def blank(cls, width: int, height: int, colour: tuple[int, int, int] = BLACK) -> Yuv:
        """One colour all over, (Y, Cb, Cr); black unless told."""
        luma, blue, red = colour
        half = (height // 2, width // 2)
        return cls(
            np.full((height, width), luma, np.uint8),
            np.full(half, blue, np.uint8),
            np.full(half, red, np.uint8),
        )

    def copy(self) -> Yuv:
        return Yuv(self.y.copy(), self.u.copy(), self.v.copy())

    def crop(self, x: int, y: int, width: int, height: int) -> Yuv:
        """The part at (x, y), all rounded down to even numbers; a view, not a copy."""
        x, y, width, height = x & ~1, y & ~1, width & ~1, height & ~1
        half = np.s_[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
        return Yuv(self.y[y : y + height, x : x + width], self.u[half], self.v[half])

    def scaled(self, width: int, height: int) -> Yuv:
        """The whole picture at another (even) size; itself when the size is the same."""
        if self.size == (width, height):
            return self
        smaller = width * height < self.y.size
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return Yuv(
            resized(self.y, width, height, method),
            resized(self.u, width // 2, height // 2, method),
            resized(self.v, width // 2, height // 2, method),
        )


def resized(plane: Plane, width: int, height: int, method: int = cv2.INTER_AREA) -> Plane:
    """One plane at another size."""
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=method), dtype=np.uint8)
