"""The simulated classroom: pictures and sound as pure functions of one scene clock.

The scene clock is CLOCK_MONOTONIC in ticks, so that all scenes, each in its own process, show the same instant. Every
picture carries a bar code of source and time in its bottom 16 rows, the teacher's also a flash square at the top left
that is white for 80 ms from each even second; a click of 1 kHz for 20 ms starts in the tone at the same instants.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from lesson.time import TICKS_PER_SECOND, Ticks
from media.picture import Plane, Yuv
from media.simulated.canvas import Canvas, Colour, Point

STRIP_ROWS = 16
FLASH_SIDE = 32
MARK_PERIOD: Ticks = 2 * TICKS_PER_SECOND
FLASH_LENGTH: Ticks = TICKS_PER_SECOND * 8 // 100
CLICK_LENGTH: Ticks = TICKS_PER_SECOND // 50
CLICK_HZ = 1_000
LESSON_CYCLE_S = 30.0
"""One round of teaching: talking, then a line on the board."""
WRITING_S = (12.0, 21.5)
LINES = 4

TEACHER, STUDENTS, BOARD = 1, 2, 3
_CELLS = 48
_WALL: Colour = (150, 122, 134)
_FLOOR: Colour = (96, 120, 138)
_BOARD: Colour = (218, 128, 127)
_FRAME: Colour = (70, 128, 128)
_SKIN: Colour = (158, 110, 150)
_HAIR: Colour = (40, 126, 132)
_SHIRT: Colour = (92, 160, 108)
_TROUSERS: Colour = (52, 132, 126)
_DESK: Colour = (120, 112, 142)
_INK = 45
_SHIRTS: tuple[Colour, ...] = ((110, 100, 160), (140, 140, 110), (90, 150, 120), (160, 110, 128), (70, 120, 130))


def _crc8(data: bytes) -> int:
    """CRC-8, polynomial 0x07, from 0."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register << 1 ^ 0x07) & 0xFF if register & 0x80 else register << 1
    return register


def draw_mark(luma: Plane, source: int, at: Ticks) -> None:
    """The bar code: 48 cells `1010`, source (4 bits), time (32 bits, modulo 2^32), CRC-8 over the five bytes."""
    time = (at % 2**32).to_bytes(4, "big")
    word = bytes([0b1010 << 4 | source, *time, _crc8(bytes([source, *time]))])
    bits = np.unpackbits(np.frombuffer(word, np.uint8))
    cell_of_column = np.arange(luma.shape[1]) * _CELLS // luma.shape[1]
    luma[-STRIP_ROWS:] = np.where(bits[cell_of_column], 235, 16)


def draw_flash(luma: Plane, at: Ticks) -> None:
    """The flash square as it is at scene time `at`."""
    luma[:FLASH_SIDE, :FLASH_SIDE] = 235 if at % MARK_PERIOD < FLASH_LENGTH else 16


@lru_cache(maxsize=LINES)
def _handwriting(line: int) -> npt.NDArray[np.float64]:
    """A line of writing as points (n, 2), x and y in 0…1 of its own box."""
    random = np.random.default_rng(line)
    letters = 26
    steps = letters * 14
    phase = np.linspace(0, letters * 2 * np.pi, steps)
    tall = np.repeat(random.choice([0.35, 0.45, 0.9], letters), 14)
    x = np.linspace(0, 1, steps) + 0.008 * np.cos(phase * 1.3)
    y = 0.75 - tall * (0.5 + 0.5 * np.sin(phase + random.normal(0, 0.3, steps)))
    return np.stack([x, y], axis=1)


def writing_progress(seconds: float) -> tuple[int, float]:
    """How many lines stand on the board at scene time `seconds`, and how much (0…1) of the next one."""
    cycle, within = divmod(seconds, LESSON_CYCLE_S)
    start, end = WRITING_S
    return int(cycle) % LINES, min(1.0, max(0.0, (within - start) / (end - start)))


def _draw_ink(canvas: Canvas, seconds: float, left: float, top: float, width: float, height: float) -> Point | None:
    """Everything written by `seconds` in the given box; where the pen is, if it is writing."""
    lines, progress = writing_progress(seconds)
    pen: Point | None = None
    pitch = height / LINES
    for line in range(min(LINES, lines + 1)):
        points = _handwriting(line)
        count = len(points) if line < lines else round(len(points) * progress)
        if count < 2:
            continue
        placed = points[:count] * (width, pitch * 0.8) + (left, top + line * pitch + pitch * 0.1)
        canvas.ink(placed, 0.006 * height / 0.5, _INK)
        if line == lines and progress < 1.0:
            pen = (float(placed[-1, 0]), float(placed[-1, 1]))
    return pen


class Scene:
    """One camera of the simulated classroom; `draw` gives the picture at a scene time (ticks)."""

    def __init__(self, source: int, width: int, height: int, paint: Callable[[Canvas, float], None]) -> None:
        self.source = source
        self.size = (width, height)
        self._paint = paint
        self._background = Yuv.blank(width, height, _WALL)
        _BACKGROUNDS[source](Canvas(self._background))

    def draw(self, at: Ticks) -> Yuv:
        picture = self._background.copy()
        self._paint(Canvas(picture), (at % (2**32)) / TICKS_PER_SECOND)
        if self.source == TEACHER:
            draw_flash(picture.y, at)
        draw_mark(picture.y, self.source, at)
        for chroma in (picture.u, picture.v):
            chroma[-STRIP_ROWS // 2 :] = 128
        return picture


def _teacher_background(canvas: Canvas) -> None:
    canvas.rectangle(0, 0.8, canvas.width, 0.2, _FLOOR)
    canvas.rectangle(0.28, 0.08, canvas.width - 0.56, 0.5, _FRAME)
    canvas.rectangle(0.29, 0.09, canvas.width - 0.58, 0.48, _BOARD)


def _paint_teacher(canvas: Canvas, seconds: float) -> None:
    pen = _draw_ink(canvas, seconds, 0.36, 0.14, canvas.width - 0.76, 0.4)
    if pen:
        x, hand = pen[0] + 0.12, pen
    else:
        within = seconds % LESSON_CYCLE_S
        x = canvas.width / 2 + 0.45 * np.sin(6 * np.pi * within / LESSON_CYCLE_S)
        hand = (x - 0.16, 0.5 + 0.06 * np.sin(5.0 * seconds))
    _figure(
        canvas, x, foot=0.96, height=0.74, hand=hand, facing_board=pen is not None, sway=0.006 * np.sin(3 * seconds)
    )


def _figure(
    canvas: Canvas, x: float, *, foot: float, height: float, hand: Point, facing_board: bool, sway: float
) -> None:
    """A standing person whose right hand is at `hand`."""
    h = height
    shoulder, hip = foot - 0.80 * h, foot - 0.46 * h
    head = (x + sway, foot - 0.91 * h)
    canvas.line([(x - 0.05 * h, hip), (x - 0.06 * h, foot)], 0.085 * h, _TROUSERS)
    canvas.line([(x + 0.05 * h, hip), (x + 0.06 * h, foot)], 0.085 * h, _TROUSERS)
    torso = [(x - 0.12 * h, shoulder), (x + 0.12 * h, shoulder), (x + 0.10 * h, hip), (x - 0.10 * h, hip)]
    canvas.polygon(torso, _SHIRT)
    canvas.line([(x + 0.12 * h, shoulder + 0.03 * h), (x + 0.16 * h, hip)], 0.06 * h, _SHIRT)
    elbow = ((x - 0.12 * h + hand[0]) / 2, max(shoulder, hand[1]) + 0.08 * h)
    canvas.line([(x - 0.11 * h, shoulder + 0.03 * h), elbow, hand], 0.055 * h, _SHIRT)
    canvas.ellipse(hand, 0.03 * h, 0.03 * h, _SKIN)
    canvas.ellipse(head, 0.065 * h, 0.085 * h, _HAIR)
    if not facing_board:
        canvas.ellipse((head[0], head[1] + 0.02 * h), 0.055 * h, 0.065 * h, _SKIN)
        for side in (-1, 1):
            canvas.ellipse((head[0] + side * 0.022 * h, head[1] + 0.005 * h), 0.008 * h, 0.006 * h, _HAIR)


def _board_background(canvas: Canvas) -> None:
    canvas.rectangle(0, 0, canvas.width, 1, _FRAME)
    canvas.rectangle(0.03, 0.03, canvas.width - 0.06, 0.92, _BOARD)


def _paint_board(canvas: Canvas, seconds: float) -> None:
    _draw_ink(canvas, seconds, 0.15, 0.1, canvas.width - 0.3, 0.8)


_SEATS = tuple((0.22 + 0.32 * column + 0.08 * (row % 2), 0.52 + 0.24 * row) for row in range(2) for column in range(5))
STAND_EVERY_S, STAND_FOR_S = 14.0, 4.0


def _students_background(canvas: Canvas) -> None:
    canvas.rectangle(0, 0.55, canvas.width, 0.45, _FLOOR)


def standing(seconds: float) -> tuple[int, float]:
    """Which seat's student is getting up at scene time `seconds`, and how far (0 seated … 1 upright)."""
    turn, within = divmod(seconds, STAND_EVERY_S)
    rise = min(1.0, within, max(0.0, STAND_FOR_S + 1.0 - within))
    return int(turn) * 3 % len(_SEATS), rise


def _paint_students(canvas: Canvas, seconds: float) -> None:
    who, rise = standing(seconds)
    for seat, (x, y) in enumerate(_SEATS):
        up = 0.16 * rise if seat == who else 0.0
        nod = 0.006 * float(np.sin(1.1 * seconds + 2.0 * seat))
        canvas.rectangle(x - 0.075, y - 0.02 - up, 0.15, 0.2 + up, _SHIRTS[seat % len(_SHIRTS)])
        canvas.ellipse((x + nod, y - 0.09 - up), 0.05, 0.065, _SKIN)
        canvas.ellipse((x + nod, y - 0.125 - up), 0.052, 0.035, _HAIR)
        canvas.rectangle(x - 0.14, y + 0.12, 0.28, 0.035, _DESK)


_BACKGROUNDS = {TEACHER: _teacher_background, STUDENTS: _students_background, BOARD: _board_background}
_PAINTERS = {
    "teacher": (TEACHER, _paint_teacher),
    "students": (STUDENTS, _paint_students),
    "board": (BOARD, _paint_board),
}
SCENES = frozenset(_PAINTERS)


def make_scene(name: str, width: int, height: int) -> Scene:
    """The scene of this name (one of `SCENES`) at an even size. Raises `KeyError`."""
    source, paint = _PAINTERS[name]
    return Scene(source, width, height, paint)


@cache
def _hum() -> npt.NDArray[np.float32]:
    """One second of the hum; every partial and the syllables come round in it."""
    seconds = np.arange(TICKS_PER_SECOND) / TICKS_PER_SECOND
    syllable = 0.5 - 0.5 * np.cos(2 * np.pi * 4.0 * seconds)
    voice = sum(np.sin(2 * np.pi * 140.0 * k * seconds) / k for k in range(1, 5))
    return (0.05 * syllable * voice).astype(np.float32)


@cache
def _click() -> npt.NDArray[np.float32]:
    seconds = np.arange(CLICK_LENGTH) / TICKS_PER_SECOND
    return (0.5 * np.sin(2 * np.pi * CLICK_HZ * seconds)).astype(np.float32)


def tone(first: Ticks, count: int) -> npt.NDArray[np.float32]:
    """Sound of the classroom, `count` samples from scene tick `first`: a voice-like hum, and the clicks over it.

    The hum has four partials of 140 Hz in syllables of a quarter second; it stays 14 dB under the clicks.
    """
    sound = _hum()[np.arange(first, first + count) % TICKS_PER_SECOND]
    for start in range(first // MARK_PERIOD * MARK_PERIOD, first + count, MARK_PERIOD):
        begin, end = max(start, first), min(start + CLICK_LENGTH, first + count)
        if begin < end:
            sound[begin - first : end - first] = _click()[begin - start : end - start]
    return sound
