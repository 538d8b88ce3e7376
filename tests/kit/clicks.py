"""Finding clicks (1 kHz for 20 ms) in sound, to well under a millisecond, through codecs and over a voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesson.time import TICKS_PER_SECOND, Ticks

CLICK_HZ = 1_000
CLICK_LENGTH: Ticks = TICKS_PER_SECOND // 50
MIN_AMPLITUDE = 0.05
"""Of full scale. The clicks of the scenes have 0.5; a voice's partials near 1 kHz stay well below in 20 ms."""
MIN_PURITY = 0.5
"""Least share of the energy in the 20 ms that is the 1 kHz tone: 1 for a click alone; 0.576 to 1 through the voice's
coder, by where it lies in the coder's frames; 0.03 for the hum of the scenes. A real voice may reach 0.68."""

_CLICK = np.sin(2 * np.pi * CLICK_HZ * np.arange(CLICK_LENGTH) / TICKS_PER_SECOND)
_MIN_DISTANCE = TICKS_PER_SECOND // 4

Pcm = NDArray[np.float32]


def draw_click(pcm: Pcm, at: int, *, amplitude: float = 0.5) -> None:
    """Put a click into mono PCM at 48 kHz, in place, its first sample at index `at`; what lies outside is cut."""
    click = amplitude * _CLICK
    start, end = max(at, 0), min(at + CLICK_LENGTH, len(pcm))
    if start < end:
        pcm[start:end] = click[start - at : end - at]


def _window_sums(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Sums over every window of one click length; result[i] is of values[i : i + CLICK_LENGTH]."""
    total = np.concatenate([np.zeros(1, np.complex128), np.cumsum(values)])
    sums: NDArray[np.complex128] = total[CLICK_LENGTH:] - total[:-CLICK_LENGTH]
    return sums


def find_clicks(pcm: Pcm, *, start: Ticks = 0) -> list[Ticks]:
    """Times of the first samples of all clicks in mono PCM at 48 kHz whose first sample is at `start`.

    The windows of 20 ms in which the 1 kHz component is greatest hold the clicks; where in them a click begins, a
    matched filter says. Through the voice's coder that is right to 2 samples, seldom to a turn of 48 or two; by the
    magnitude of the component alone it would be up to 141 off.
    """
    if len(pcm) < CLICK_LENGTH:
        return []
    sound = pcm.astype(np.float64)
    turns = np.exp(-2j * np.pi * CLICK_HZ * np.arange(len(sound)) / TICKS_PER_SECOND)
    tone = np.abs(_window_sums(sound * turns)) * 2 / CLICK_LENGTH
    energy = np.maximum(_window_sums((sound * sound).astype(np.complex128)).real / CLICK_LENGTH, 1e-12)
    candidate = np.where((tone >= MIN_AMPLITUDE) & (tone**2 / 2 >= MIN_PURITY * energy), tone, 0.0)
    found: list[Ticks] = []
    while candidate.any():
        peak = int(np.argmax(candidate))
        found.append(start + _first_sample(sound, peak))
        candidate[max(0, peak - _MIN_DISTANCE) : peak + _MIN_DISTANCE] = 0.0
    return sorted(found)


def _first_sample(sound: NDArray[np.float64], peak: int) -> int:
    """Where the click itself fits best, near the window that holds the most of 1 kHz. Either way up."""
    begin = max(0, peak - CLICK_LENGTH)
    fit = np.correlate(sound[begin : peak + 2 * CLICK_LENGTH], _CLICK, "valid")
    return begin + int(np.argmax(np.abs(fit)))
