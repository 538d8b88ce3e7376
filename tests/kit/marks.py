"""Marks in pictures: a bar code that says which source shows it and when, and the flash that goes with a click.

The bottom 16 rows of a feed are 48 cells of equal width, white (235) for 1 and black (16) for 0: `1010`, four bits of
source number, 32 bits of time in ticks, and a CRC-8 (polynomial 0x07, from 0) over the source byte and four time bytes.
The flash is the 32×32 px square at the top left of the teacher's feed, white for 80 ms at each even scene second.
A picture that was scaled as a whole can still be read: every size below is given in rows of the feed as it was drawn.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lesson.time import TICKS_PER_SECOND, Ticks

TEACHER, STUDENTS, BOARD = 1, 2, 3
STRIP_ROWS = 16
FLASH_SIDE = 32
MARK_PERIOD: Ticks = 2 * TICKS_PER_SECOND
FLASH_LENGTH: Ticks = TICKS_PER_SECOND * 8 // 100

_CELLS = 48
_BLACK, _WHITE = 16, 235
_MIDDLE = (_BLACK + _WHITE) / 2
_SYNC = 0b1010

Luma = NDArray[np.uint8]


class Mark(NamedTuple):
    """`source` number (1 teacher, 2 students, 3 board) and scene time `at` in ticks, modulo 2^32."""

    source: int
    at: Ticks


def _crc8(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = ((register << 1) ^ 0x07) & 0xFF if register & 0x80 else register << 1
    return register


def _word(mark: Mark) -> int:
    payload = bytes([mark.source]) + (mark.at % 2**32).to_bytes(4, "big")
    return _SYNC << 44 | mark.source << 40 | (mark.at % 2**32) << 8 | _crc8(payload)


def draw_mark(luma: Luma, mark: Mark, *, rows: int = STRIP_ROWS) -> None:
    """Draw `mark` into the bottom `rows` of a luma plane (h, w), in place."""
    bits = np.array([_word(mark) >> (_CELLS - 1 - cell) & 1 for cell in range(_CELLS)], dtype=bool)
    cell_of_column = np.arange(luma.shape[1]) * _CELLS // luma.shape[1]
    luma[-rows:] = np.where(bits[cell_of_column], _WHITE, _BLACK).astype(np.uint8)


def read_mark(luma: Luma, *, drawn_height: int | None = None) -> Mark | None:
    """The mark in a luma plane (h, w), or None when there is no sound one.

    `drawn_height`: height of the feed when the mark was drawn, if the whole picture was scaled since. Only the middle
    of the strip and of each cell is looked at, so that codec and scaler may blur the edges.
    """
    height, width = luma.shape
    strip = STRIP_ROWS * height / (drawn_height or height)
    if width < _CELLS or strip < 1:
        return None
    bottom = max(1, round(strip / 4))
    top = max(bottom + 1, round(strip * 3 / 4))
    rows = luma[height - top : height - bottom].mean(axis=0)
    cell = width / _CELLS
    word = 0
    for index in range(_CELLS):
        left = round((index + 0.3) * cell)
        right = max(left + 1, round((index + 0.7) * cell))
        word = word << 1 | int(rows[left:right].mean() > _MIDDLE)
    found = Mark(word >> 40 & 0xF, word >> 8 & 0xFFFFFFFF)
    return found if word == _word(found) else None


def draw_flash(luma: Luma, at: Ticks) -> None:
    """Draw the flash square as it is at scene time `at`: white for 80 ms from each even second, else black."""
    luma[:FLASH_SIDE, :FLASH_SIDE] = _WHITE if at % MARK_PERIOD < FLASH_LENGTH else _BLACK


def flash_lit(luma: Luma, *, drawn_height: int | None = None) -> bool:
    """Whether the flash square of a luma plane (h, w), perhaps scaled as a whole, is white."""
    side = FLASH_SIDE * luma.shape[0] / (drawn_height or luma.shape[0])
    inner = slice(round(side * 0.2), max(round(side * 0.2) + 1, round(side * 0.8)))
    return bool(luma[inner, inner].mean() > _MIDDLE)


def flash_starts(pictures: list[tuple[Ticks, bool]]) -> list[Ticks]:
    """Times at which the square turned white, of (time, lit) in order; a flash already on at the start has no start."""
    return [at for (_, before), (at, lit) in pairwise(pictures) if lit and not before]
