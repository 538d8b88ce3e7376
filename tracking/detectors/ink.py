"""Lasting change of a board or screen: writing, wiping, the next slide.

A pixel counts once, when it has held still for a second at a level that differs from its settled one. On a board,
levels are local contrast (picture minus a coarse median of it), so that lights and exposure do not count; where the
coarse median itself has changed somebody stands before the board, and what is behind him waits until he is gone.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lesson.model import Observation, Role
from tracking.detector import Picture, Plane, inner
from tracking.rules import sample_interval

Plane32: TypeAlias = NDArray[np.float32]


class Ink:
    """Writing, wiping and slides. Before a screen nobody can stand in the way, and slides change whole.

    Thresholds (gray levels, at four pictures a second) were set on the boards of ADR 0004, with and without sensor
    noise, coarse coding (x264 CRF 32 ultrafast) and light swinging by 10 %.
    """

    name = "ink/1"
    roles = frozenset({Role.BOARD, Role.SCREEN})
    size = (960, 540)
    """A pen stroke of 2 px at 720p is lost at less."""

    _STILL = 4  # pictures
    _MOVED = 8.0
    _CHANGED = 6.0
    _CHANGED_SCREEN = 12.0
    _NOISE = 2.5  # times the unrest of the whole picture
    _LIGHT = 0.25  # part of the settled contrast
    _SPECK = 8  # pixels
    _RESTLESS = 3  # changes, of which `_FORGETS` stays from picture to picture
    _FORGETS = 0.995

    def __init__(self, role: Role) -> None:
        self.interval = sample_interval(role)
        self._paper = None if role is Role.SCREEN else _Paper()
        self._settled: Plane32 | None = None
        self._level: Plane32 = np.zeros((0, 0), np.float32)
        self._still: Plane32 = self._level
        self._restless: Plane32 = self._level
        self._grow = np.ones((3, 3), np.uint8)
        self._noise = 0.0

    def feed(self, picture: Picture) -> Observation:
        """Part of the picture, 0…1, that was found to have changed for good since the last one."""
        changed = self._changed(inner(picture.gray(*self.size)))
        return Observation(at=picture.at, board_activity=round(changed, 7))

    def _changed(self, picture: Plane) -> float:
        if self._paper is None:
            detail, hidden = picture.astype(np.float32), None
        else:
            detail, hidden = self._paper.look(picture)
        if self._settled is None:
            self._settled, self._level = detail.copy(), detail
            self._still, self._restless = np.ones_like(detail), np.zeros_like(detail)
            return 0.0
        step = cv2.subtract(detail, self._level)
        self._still += 1.0
        np.minimum(self._still, self._STILL, out=self._still)
        self._still[np.abs(step) >= self._MOVED] = 1.0
        if hidden is not None:
            self._still[hidden > 0] = 1.0
        # the mean of the samples it held still for: half the noise
        self._level = cv2.add(self._level, cv2.divide(step, self._still)).astype(np.float32, copy=False)
        return self._lasting(self._settled)

    def _lasting(self, settled: Plane32) -> float:
        still = self._still >= self._STILL
        change = cv2.subtract(self._level, settled)
        size = np.abs(change).astype(np.float32, copy=False)
        size[~still] = 0.0
        if self._paper is None:
            changed = size > self._CHANGED_SCREEN
        else:
            self._noise = max(_unrest(size), 0.9 * self._noise)
            least = max(self._CHANGED, self._NOISE * self._noise)
            changed = size > np.maximum(least, self._LIGHT * np.abs(settled))  # other light scales all contrast
        np.copyto(settled, settled + 0.1 * change, where=still)
        if not changed.any():
            return 0.0
        np.copyto(settled, self._level, where=changed)
        counted = changed & (self._restless < self._RESTLESS)  # a running clock settles for a second, again and again
        self._restless *= self._FORGETS
        self._restless += changed
        return self._area(counted.astype(np.uint8))

    def _area(self, mask: Plane) -> float:
        """Part of the picture in `mask`, single pixels left out."""
        blobs = cv2.dilate(mask, self._grow).astype(np.uint8)
        count, labels = cv2.connectedComponents(blobs, connectivity=8)
        sizes = np.bincount(labels[mask > 0], minlength=count)
        return float(sizes[sizes >= self._SPECK].sum()) / mask.size


class _Paper:
    """The board without its ink: the coarse median of the picture, and where somebody stands before it."""

    _COARSE = 4
    _WINDOW = 11
    _HIDES = 0.1
    _LEARNS = 0.02
    _LEARNS_HIDDEN = 0.005

    def __init__(self) -> None:
        self._settled: Plane32 | None = None
        self._grow = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))

    def look(self, picture: Plane) -> tuple[Plane32, Plane]:
        """Local contrast of the picture, and a mask of what is hidden behind somebody."""
        height, width = picture.shape
        thinned = np.ascontiguousarray(picture[:: self._COARSE, :: self._COARSE])  # a mean would mix the ink in
        paper = cv2.medianBlur(thinned, self._WINDOW)
        detail = cv2.subtract(picture, cv2.resize(paper, (width, height)), dtype=cv2.CV_32F)
        hidden = self._hidden(paper.astype(np.float32))
        mask = cv2.resize(hidden, (width, height), interpolation=cv2.INTER_NEAREST)
        return detail.astype(np.float32, copy=False), mask.astype(np.uint8, copy=False)

    def _hidden(self, paper: Plane32) -> Plane:
        if self._settled is None:
            self._settled = paper.copy()
        ratio = (paper + 8.0) / (self._settled + 8.0)
        ratio /= max(0.2, float(np.median(ratio)))  # what all of the picture did is light
        hidden = np.abs(ratio - 1.0) > self._HIDES
        rate = np.where(hidden, self._LEARNS_HIDDEN, self._LEARNS).astype(np.float32)
        self._settled += rate * (paper - self._settled)
        return cv2.dilate(hidden.astype(np.uint8), self._grow).astype(np.uint8)


def _unrest(change: Plane32) -> float:
    """How much the picture changes where nothing happens: 99th percentile by tile, in the middle one of the tiles.

    Coarse coding changes the whole picture a little at every key frame; a pen or a person changes a few tiles.
    """
    thin = change[::3, ::3]
    rows, columns = thin.shape[0] // 6, thin.shape[1] // 8
    tiles = thin[: rows * 6, : columns * 8].reshape(6, rows, 8, columns).swapaxes(1, 2).reshape(48, -1)
    place = tiles.shape[1] * 99 // 100
    return float(np.median(np.partition(tiles, place, axis=1)[:, place]))
