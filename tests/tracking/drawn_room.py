"""Drawn pictures of a classroom, gray, at any size: a board with writing on it, and a person."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
TEXT = ("2x + 3 = 11", "2x = 8", "x = 4", "y = 5 - x")


def board(lines: int, size: tuple[int, int]) -> Gray:
    """A white board with its first `lines` lines of writing; `size`: width, height."""
    width, height = size
    picture = np.full((height, width), 150, np.uint8)
    picture[height // 10 : height * 8 // 10, width // 20 : width * 19 // 20] = 185
    for index, text in enumerate(TEXT[:lines]):
        origin = (width * (1 + index % 2 * 4) // 9, height * (2 + index // 2 * 2) // 8)
        cv2.putText(
            picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, height / 400, 60, max(1, height // 270), cv2.LINE_AA
        )
    return picture


def person(picture: Gray, x: float, height: float) -> Gray:
    """Draw a standing person whose feet are at the bottom edge, `2 × height` of the picture high, centred at `x`."""
    rows, columns = picture.shape
    centre, tall = round(x * columns), round(2 * height * rows)
    wide = max(4, tall // 5)
    top = rows - tall
    cv2.rectangle(picture, (centre - wide // 2, top + tall // 6), (centre + wide // 2, rows), 70, -1)
    cv2.circle(picture, (centre, top + tall // 12), tall // 12, 110, -1)
    for stripe in range(top + tall // 5, rows, max(4, tall // 12)):  # clothes have a pattern
        cv2.line(picture, (centre - wide // 2, stripe), (centre + wide // 2, stripe), 100, max(1, tall // 60))
    return picture


def sensor_noise(picture: NDArray[np.generic], seed: int, sigma: float = 3.0) -> Gray:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


class Drawn:
    """A drawn picture (gray, or BGR) as detectors get it."""

    def __init__(self, picture: Gray, at: int = 0) -> None:
        self.at = at
        self._picture = picture

    def gray(self, width: int, height: int) -> Gray:
        return cv2.resize(self._picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)

    bgr = gray
