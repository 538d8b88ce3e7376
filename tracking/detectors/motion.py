"""Where something moves."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from lesson.model import Observation, Rectangle, Role
from tracking.detector import Picture, Plane, inner, margin_of
from tracking.rules import sample_interval


class Motion:
    """Moving regions: differences between pictures, gathered over a second so that a body is one region."""

    name = "motion/1"
    roles = frozenset(Role)
    size = (640, 360)
    """Frame differences cost 0.1 ms there, at 1080p 5 ms."""

    _GATHERED = 4  # pictures: a second
    _MOVED = 9.0  # gray levels; sensor noise of 5 levels stays below after the blur
    _EVERYTHING = 12.0  # gray levels: half of the picture changed by more
    _LEAST_AREA = 0.002
    _LEAST_HEIGHT = 0.05  # parts of the picture
    _MOST = 5

    def __init__(self, role: Role) -> None:
        self.interval = sample_interval(role)
        self._before: Plane | None = None
        self._masks: deque[Plane] = deque(maxlen=self._GATHERED)
        self._join = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))

    def feed(self, picture: Picture) -> Observation:
        """Moving regions, largest first, and the moving part of the picture since the last one, 0…1."""
        regions, level = self._moving(picture.gray(*self.size))
        return Observation(at=picture.at, motion=regions, motion_level=round(level, 5))

    def _moving(self, gray: Plane) -> tuple[tuple[Rectangle, ...], float]:
        smooth = cv2.GaussianBlur(inner(gray), (5, 5), 0)
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

    def _regions(self) -> tuple[Rectangle, ...]:
        mask: Plane = np.bitwise_or.reduce(list(self._masks)).astype(np.uint8)
        mask = cv2.medianBlur(mask, 3).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, self._join).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        width, height = self.size
        margin = margin_of(height)
        found: list[tuple[int, Rectangle]] = []
        for x, y, w, h, area in stats[1:].tolist():
            box = Rectangle((x + margin) / width, (y + margin) / height, w / width, h / height)
            if area >= self._LEAST_AREA * width * height and box.h >= self._LEAST_HEIGHT:
                found.append((area, box))
        found.sort(key=lambda pair: -pair[0])
        return tuple(box for _, box in found[: self._MOST])
