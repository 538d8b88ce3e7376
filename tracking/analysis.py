"""What one frame shows, by OpenCV: moving regions and faces (ink: `tracking.ink`).

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
DETECTOR = "diff-ink-yunet/1"

_MODEL = Path(__file__).parent / "models" / "face_yunet.onnx"
_MARGIN = 0.025
"""Part of the height along each edge that is not looked at: cameras burn clocks and logos into the margin."""

Grey: TypeAlias = NDArray[np.uint8]


def margin_of(height: int) -> int:
    """Pixels along each edge of a picture of this height that are not looked at."""
    return round(height * _MARGIN)


def inner(grey: Grey) -> Grey:
    """The picture without its margin."""
    margin = margin_of(grey.shape[0])
    return grey[margin:-margin, margin:-margin]


def brightness(grey: Grey) -> float:
    """Mean luma, 0…1."""
    return float(grey.mean()) / 255.0


class MotionMeter:
    """Moving regions: differences between samples, gathered over a second so that a body is one region."""

    _GATHERED = 4
    _MOVED = 9.0
    _EVERYTHING = 12.0
    _LEAST_AREA = 0.002
    _LEAST_HEIGHT = 0.05
    _MOST = 5

    def __init__(self) -> None:
        self._before: Grey | None = None
        self._masks: deque[Grey] = deque(maxlen=self._GATHERED)
        self._join = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))

    def feed(self, grey: Grey) -> tuple[tuple[Box, ...], float]:
        """Moving regions, largest first, and the moving part of the picture since the last sample, 0…1."""
        smooth = cv2.GaussianBlur(inner(grey), (5, 5), 0)
        before, self._before = self._before, smooth.astype(np.uint8)
        if before is None:
            return (), 0.0
        difference = cv2.absdiff(smooth, before)
        # sensor noise moves the median of the differences, a moving body only their tail
        typical = float(np.median(difference))
        if typical > self._EVERYTHING:  # lights switched, camera moved: nothing in particular moves
            self._masks.clear()
            return (), float((difference > self._MOVED).mean())
        mask = (difference > max(self._MOVED, 5.0 * typical)).astype(np.uint8)
        self._masks.append(mask)
        return self._regions(), float(mask.mean())

    def _regions(self) -> tuple[Box, ...]:
        mask: Grey = np.bitwise_or.reduce(list(self._masks)).astype(np.uint8)
        mask = cv2.medianBlur(mask, 3).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, self._join).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        width, height = SIZE
        margin = margin_of(height)
        found: list[tuple[int, Box]] = []
        for x, y, w, h, area in stats[1:].tolist():
            box = Box((x + margin) / width, (y + margin) / height, w / width, h / height)
            if area >= self._LEAST_AREA * width * height and box.h >= self._LEAST_HEIGHT:
                found.append((area, box))
        found.sort(key=lambda pair: -pair[0])
        return tuple(box for _, box in found[: self._MOST])


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
