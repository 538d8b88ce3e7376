"""What one frame shows, by OpenCV: moving regions, faces, and ink that came or went for good.

All meters work on a small grey picture (`SIZE`) and are fed the samples of one source in order. They keep a few
seconds of memory; `settled` pictures before the first wanted sample warm them up.
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
DETECTOR = "diff-ink-yunet/1"

_MODEL = Path(__file__).parent / "models" / "face_yunet.onnx"
_MARGIN = 9
"""Pixels along each edge that are not looked at: cameras burn clocks and logos into the margin."""

Grey: TypeAlias = NDArray[np.uint8]


def _inner(grey: Grey) -> Grey:
    return grey[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


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
        found: list[tuple[int, Box]] = []
        for x, y, w, h, area in stats[1:].tolist():
            box = Box((x + _MARGIN) / width, (y + _MARGIN) / height, w / width, h / height)
            if area >= self._LEAST_AREA * width * height and box.h >= self._LEAST_HEIGHT:
                found.append((area, box))
        found.sort(key=lambda pair: -pair[0])
        return tuple(box for _, box in found[: self._MOST])


class InkMeter:
    """Lasting change of a board or screen: writing, wiping, the next slide.

    A pixel counts once when it has held still for `_STILL` samples at a value that differs from its settled one.
    Local contrast is compared (picture minus its blur), so that lights and exposure do not count; regions of a
    person's size are left out (somebody stood still), unless nearly the whole picture changed (a slide).
    """

    _STILL = 4
    _MOVED = 8.0
    _CHANGED = 14.0
    _PERSON = 0.03
    _SLIDE = 0.20
    _RESTLESS = 3

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._settled: NDArray[np.float32] | None = None
        self._still: NDArray[np.uint8] | None = None
        self._restless: NDArray[np.float32] | None = None
        self._speck = np.ones((3, 3), np.uint8)

    def feed(self, grey: Grey) -> float:
        """Part of the picture, 0…1, that was found to have changed for good since the last sample."""
        inner = _inner(grey)
        wide = cv2.blur(inner, (31, 31)).astype(np.float32)
        detail = cv2.GaussianBlur(inner, (3, 3), 0).astype(np.float32) - wide
        if self._before is None or self._settled is None or self._still is None or self._restless is None:
            self._before, self._settled = detail, detail.copy()
            self._still = np.zeros(detail.shape, np.uint8)
            self._restless = np.zeros(detail.shape, np.float32)
            return 0.0
        holds = np.abs(detail - self._before) < self._MOVED
        self._still = np.where(holds, np.minimum(self._still, 250) + 1, 0).astype(np.uint8)
        self._before = detail
        still = self._still >= self._STILL
        changed = still & (np.abs(detail - self._settled) > self._CHANGED)
        np.copyto(self._settled, detail, where=changed)
        np.copyto(self._settled, self._settled + 0.1 * (detail - self._settled), where=still & ~changed)
        self._restless *= 0.995  # half-life about 35 s at four samples a second
        counted = changed & (self._restless < self._RESTLESS)  # a running clock settles for a second, again and again
        self._restless += changed
        return self._area(counted.astype(np.uint8))

    def _area(self, mask: Grey) -> float:
        total = float(mask.mean())
        if total > self._SLIDE:
            return total
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).astype(np.uint8)
        blobs = cv2.dilate(mask, self._speck)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(blobs, connectivity=8)
        sizes = stats[:, cv2.CC_STAT_AREA]
        good = (sizes >= 12) & (sizes < self._PERSON * mask.size)
        good[0] = False
        return float((mask & good[labels]).sum()) / mask.size


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
