"""Which way up a frame is to be shown, from its display matrix."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from media.picture import Plane


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored planes become upright ones: mirrored left to right if asked, then turned anticlockwise."""

    quarter_turns: int = 0
    mirrored: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The other size, stored for upright or upright for stored."""
        return (height, width) if self.quarter_turns % 2 else (width, height)

    def applied(self, plane: Plane) -> Plane:
        """The plane (h, w) or (h, w, channels) upright, in a new contiguous array."""
        if self.mirrored:
            plane = plane[:, ::-1]
        return np.ascontiguousarray(np.rot90(plane, self.quarter_turns))


UPRIGHT = Orientation()
_SMALL = 16


def _small(frame: VideoFrame) -> VideoFrame:
    """A tiny picture with the side data of `frame`; the frame itself where its format cannot be scaled.

    Looking at side data ties it and its frame into a cycle that only the garbage collector frees, and with the frame
    all that its decoder had allocated: 100 MB of a 1080p film.
    """
    try:
        return frame.reformat(_SMALL, _SMALL, interpolation=Interpolation.POINT, threads=1)
    except (av.FFmpegError, ValueError):
        return frame


def orientation_of(frame: VideoFrame) -> Orientation:
    """The orientation in the frame's display matrix, to the nearest quarter turn."""
    data: Any = _small(frame).side_data  # typed as a dictionary of one known key
    matrix = data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return UPRIGHT
    # ISO/IEC 14496-12, 8.2.2: {a b u, c d v, x y w} row by row, a…d in 16.16; a point (p, q) is shown at
    # (a p + c q, b p + d q), y downwards
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix)[:36])
    if not (a or b) or not (c or d):
        return UPRIGHT
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    quarter_turns = round(math.atan2(-b, a) / (math.pi / 2)) % 4
    return Orientation(quarter_turns, mirrored) if quarter_turns or mirrored else UPRIGHT
