"""What one frame shows, by OpenCV: moving regions, faces, and ink that came or went for good.

All meters work on small grey pictures and are fed the samples of one source in order. They keep a few seconds of
memory: samples from before the first wanted one warm them up.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lesson.model import Box

SIZE = (640, 360)
"""Width and height every picture is analysed at: frame differences there cost 0.1 ms, at 1080p 5 ms."""
INK_SIZE = (960, 540)
"""Ink is looked for at this size: a pen stroke of 2 px at 720p is lost at less."""
DETECTOR = "diff-ink-yunet/1"

_MODEL = Path(__file__).parent / "models" / "face_yunet.onnx"
_MARGIN = 0.025
"""Part of the height along each edge that is not looked at: cameras burn clocks and logos into the margin."""

Grey: TypeAlias = NDArray[np.uint8]
Plane32: TypeAlias = NDArray[np.float32]


def _margin(height: int) -> int:
    return round(height * _MARGIN)


def _inner(grey: Grey) -> Grey:
    margin = _margin(grey.shape[0])
    return grey[margin:-margin, margin:-margin]


def brightness(grey: Grey) -> float:
    """Mean luma, 0…1."""
    return float(grey.mean()) / 255.0


class MotionMeter:
    """Moving regions: differences between samples, gathered over a second so that a body is one region."""

    _GATHERED = 4
    _LEAST_AREA = 0.002
    _LEAST_HEIGHT = 0.05
    _MOST = 5

    def __init__(self) -> None:
        self._before: Grey | None = None
        self._masks: deque[Grey] = deque(maxlen=self._GATHERED)
        self._join = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))

    def feed(self, grey: Grey) -> tuple[tuple[Box, ...], float]:
        """Moving regions, largest first, and the moving part of the picture since the last sample, 0…1."""
        smooth = cv2.GaussianBlur(_inner(grey), (5, 5), 0)
        before, self._before = self._before, smooth.astype(np.uint8)
        if before is None:
            return (), 0.0
        difference = cv2.absdiff(smooth, before)
        # sensor noise moves the median of the differences, a moving body only their tail
        threshold = max(9.0, 5.0 * float(np.median(difference)))
        mask = (difference > threshold).astype(np.uint8)
        level = float(mask.mean())
        self._masks.append(mask)
        if level > 0.6:  # lights switched, exposure changed, camera moved: nothing in particular moves
            return (), level
        return self._regions(), level

    def _regions(self) -> tuple[Box, ...]:
        mask: Grey = np.bitwise_or.reduce(list(self._masks)).astype(np.uint8)
        mask = cv2.medianBlur(mask, 3).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, self._join).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        width, height = SIZE
        margin = _margin(height)
        found: list[tuple[int, Box]] = []
        for x, y, w, h, area in stats[1:].tolist():
            box = Box((x + margin) / width, (y + margin) / height, w / width, h / height)
            if area >= self._LEAST_AREA * width * height and box.h >= self._LEAST_HEIGHT:
                found.append((area, box))
        found.sort(key=lambda pair: -pair[0])
        return tuple(box for _, box in found[: self._MOST])


def _unrest(change: Plane32) -> float:
    """How much the picture changes where nothing happens: 99th percentile by tile, in the middle one of the tiles.

    Coarse coding changes the whole picture a little at every key frame; a pen or a person changes a few tiles.
    """
    thin = change[::3, ::3]
    rows, columns = thin.shape[0] // 6, thin.shape[1] // 8
    tiles = thin[: rows * 6, : columns * 8].reshape(6, rows, 8, columns).swapaxes(1, 2).reshape(48, -1)
    place = tiles.shape[1] * 99 // 100
    return float(np.median(np.partition(tiles, place, axis=1)[:, place]))


class InkMeter:
    """Lasting change of a board or screen: writing, wiping, the next slide. Works on grey pictures of `INK_SIZE`.

    A pixel counts once when it has held still for `_STILL` samples at a level that differs from its settled one.
    Local contrast is compared (picture minus its blur), so that lights and exposure do not count; regions of a
    person's size are left out (somebody stood still), unless a great part of the picture changed (a slide).
    """

    _STILL = 4
    _MOVED = 8.0
    _CHANGED = 6.0
    _NOISE = 2.5
    _LIGHT = 0.25
    _SPECK = 8
    _PERSON = 0.03
    _SLIDE = 0.20
    _RESTLESS = 3
    _FORGETS = 0.995

    def __init__(self) -> None:
        self._settled: Plane32 | None = None
        self._level: Plane32 = np.zeros((0, 0), np.float32)
        self._still: Plane32 = self._level
        self._restless: Plane32 = self._level
        self._grow = np.ones((3, 3), np.uint8)
        self._noise = 0.0

    def feed(self, grey: Grey) -> float:
        """Part of the picture, 0…1, that was found to have changed for good since the last sample."""
        inner = _inner(grey)
        detail = cv2.subtract(inner, cv2.blur(inner, (45, 45)), dtype=cv2.CV_32F).astype(np.float32, copy=False)
        if self._settled is None:
            self._settled, self._level = detail.copy(), detail
            self._still, self._restless = np.ones_like(detail), np.zeros_like(detail)
            return 0.0
        step = cv2.subtract(detail, self._level)
        self._still += 1.0
        np.minimum(self._still, self._STILL, out=self._still)
        self._still[np.abs(step) >= self._MOVED] = 1.0
        # the mean of the samples it held still for: half the noise
        self._level = cv2.add(self._level, cv2.divide(step, self._still)).astype(np.float32, copy=False)
        return self._lasting(self._settled)

    def _lasting(self, settled: Plane32) -> float:
        still = self._still >= self._STILL
        change = cv2.subtract(self._level, settled)
        size = np.abs(change)
        size[~still] = 0.0
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

    def _area(self, mask: Grey) -> float:
        total = float(mask.mean())
        if total == 0.0 or total > self._SLIDE:
            return total
        blobs = cv2.dilate(mask, self._grow).astype(np.uint8)
        count, labels = cv2.connectedComponents(blobs, connectivity=8)
        sizes = np.bincount(labels[mask > 0], minlength=count)
        good = (sizes >= self._SPECK) & (sizes < self._PERSON * mask.size)
        return float(sizes[good].sum()) / mask.size


class FaceFinder:
    """Faces looking towards the camera (YuNet): 11 ms at 640×360, recall 0.95 from 14 px face height."""

    def __init__(self, *, score: float = 0.7) -> None:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns that it has one target only
        self._net = cv2.FaceDetectorYN.create(str(_MODEL), "", SIZE, score_threshold=score)
        cv2.utils.logging.setLogLevel(level)

    def find(self, bgr: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Face boxes in a BGR picture of `SIZE`, largest first."""
        _, rows = self._net.detect(bgr)
        width, height = SIZE
        if rows is None:
            return ()
        boxes = [Box(x / width, y / height, w / width, h / height) for x, y, w, h in rows[:, :4].tolist()]
        return tuple(sorted(boxes, key=lambda box: -box.area))
