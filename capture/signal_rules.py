"""What pictures and sound measure, and which measurements are flaws. Pure; every number has its reason here.

Thresholds lie between what real lectures measure and what each flaw made of them does: tests/capture/test_signal_rules.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lesson.model import Role
from lesson.signal import Flaw
from lesson.signal_record_types import PictureLevels, SoundLevels
from lesson.time import TICKS_PER_SECOND, Span, Ticks
from media.picture import Plane

Samples = npt.NDArray[np.float32]

LEVELS_SIZE = (160, 90)
"""Pictures are scaled down to this for their levels: single bright pixels of a dead sensor are no picture."""
CHANGE_SIZE = (640, 360)
"""And to this to see whether anything changed: small enough to be cheap, sharp enough for the grain of a sensor."""

BLACK_MEAN, BLACK_BRIGHTEST = 24.0, 40.0
"""Limited-range luma (16 is black). A dark room in which a slide is shown has a mean near black, too, but not 99 of 100
of its pixels."""
COVERED_RANGE = 12.0
"""Luma between the 1st and 99th percentile. A hand, a cap or a cloth over a lens is one colour; an empty white wall has
more, by the fall of light alone."""
FROZEN_CHANGE = 0.1
"""Mean absolute difference of luma. The grain of a sensor leaves 0.9 and more between two key frames of an empty room,
strongly coded. One picture coded over and over leaves 0.00 to 0.03 at the rates of cameras, once their rate settles;
0.1 to 0.6 below 300 kbit/s, where it is not found: better that than to call a clean picture of a quiet room frozen."""

SILENT_PEAK_DB = -60.0
"""Even an empty room is louder through a microphone that is switched on."""
LEAST_MUTE: Ticks = 3 * TICKS_PER_SECOND // 10
"""Shorter silences are pauses between words of a microphone with a gate; at the ends of a segment they may go on."""
FAINT_PEAK_DB = -42.0
"""Somebody who speaks anywhere in a room is louder at the microphone that is meant for it."""
CLIPPED_SAMPLE = 0.985
"""Of full scale: a coded clipped wave comes back a little lower or higher."""
CLIPPED_SHARE = 0.002
"""Of the samples; loud speech that is recorded well touches full scale never, or for single samples."""
HUM_SHARE = 0.97
"""Of the energy between 20 Hz and 4 kHz, at one mains frequency and its multiples. A machine that runs has 0.89."""
HUM_LEAST_DB = -60.0
"""RMS; fainter hum is noise that nobody hears."""

MAINS_HZ = (50.0, 60.0)
_MUTE_STEP: Ticks = TICKS_PER_SECOND // 100
_HUM_HARMONICS = 12
_HUM_WIDTH_HZ = 1.5
_BAND_HZ = (20.0, 4000.0)
_FLOOR_DB = -120.0

_LOOKS_INTO_A_ROOM = frozenset({Role.TEACHER, Role.TEACHER_CLOSEUP, Role.STUDENTS, Role.STUDENTS_CLOSEUP})
"""A board or a screen may be empty, and stand still, for as long as it likes."""


def picture_levels(small: Plane, change: float | None) -> PictureLevels:
    """Levels of one picture, luma (h, w), scaled to `LEVELS_SIZE`."""
    darkest, brightest = np.percentile(small, (1, 99))
    return PictureLevels(
        mean=round(float(small.mean()), 1),
        darkest=round(float(darkest), 1),
        brightest=round(float(brightest), 1),
        change=None if change is None else round(change, 3),
    )


def picture_change(before: Plane, after: Plane) -> float:
    """Mean absolute difference of luma between two pictures of one size."""
    return float(np.mean(np.abs(before.astype(np.int16) - after.astype(np.int16))))


def sound_levels(pcm: Samples, begin: Ticks = 0) -> SoundLevels:
    """Levels of some seconds of mono sound at 48 kHz, samples in -1…1, the first at source tick `begin`."""
    magnitude = np.abs(pcm)
    return SoundLevels(
        rms_db=_db(float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))) if len(pcm) else _FLOOR_DB,
        peak_db=_db(float(magnitude.max(initial=0.0))),
        clipped=round(float(np.mean(magnitude >= CLIPPED_SAMPLE)), 5) if len(pcm) else 0.0,
        hum=round(_hum_share(pcm), 3),
        mute=_mute(magnitude, begin),
    )


def _mute(magnitude: Samples, begin: Ticks) -> tuple[Span, ...]:
    """Where no sample is louder than `SILENT_PEAK_DB`, to a hundredth of a second."""
    steps = len(magnitude) // _MUTE_STEP
    loud = magnitude[: steps * _MUTE_STEP].reshape(steps, _MUTE_STEP).max(axis=1) >= 10 ** (SILENT_PEAK_DB / 20)
    edges = np.flatnonzero(np.diff(np.concatenate(([1], loud, [1]))))  # where quiet begins and ends, in turn
    found = [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    return tuple(
        Span(begin + start * _MUTE_STEP, begin + (len(magnitude) if end == steps else end * _MUTE_STEP))
        for start, end in found
        if start == 0 or end == steps or (end - start) * _MUTE_STEP >= LEAST_MUTE
    )


def _db(amplitude: float) -> float:
    return round(max(_FLOOR_DB, 20 * float(np.log10(max(amplitude, 1e-9)))), 1)


def _hum_share(pcm: Samples) -> float:
    """Share of the energy within `_BAND_HZ` that lies at a mains frequency or a multiple of it."""
    if len(pcm) < TICKS_PER_SECOND:  # too short to tell 50 Hz from 60
        return 0.0
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    hz = np.fft.rfftfreq(len(pcm), 1 / TICKS_PER_SECOND)
    band = (hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1])
    whole = float(power[band].sum())
    if whole <= 0.0:
        return 0.0
    return max(float(power[band & _is_harmonic(hz, mains)].sum()) for mains in MAINS_HZ) / whole


def _is_harmonic(hz: npt.NDArray[np.floating], mains: float) -> npt.NDArray[np.bool_]:
    number = np.rint(hz / mains)
    near = np.abs(hz - number * mains) <= _HUM_WIDTH_HZ
    return np.asarray(near & (number >= 1) & (number <= _HUM_HARMONICS), dtype=np.bool_)


def picture_flaws(picture: PictureLevels, role: Role) -> tuple[Flaw, ...]:
    """What is wrong with the picture of one segment."""
    if picture.mean <= BLACK_MEAN and picture.brightest <= BLACK_BRIGHTEST:
        return (Flaw.BLACK,)
    if role not in _LOOKS_INTO_A_ROOM:
        return ()
    if picture.brightest - picture.darkest <= COVERED_RANGE:  # and stands still, for that
        return (Flaw.COVERED,)
    return (Flaw.FROZEN,) if picture.change is not None and picture.change <= FROZEN_CHANGE else ()


def sound_flaws(sound: SoundLevels) -> tuple[Flaw, ...]:
    """What is wrong with the sound of one segment."""
    if sound.peak_db < SILENT_PEAK_DB:
        return (Flaw.SILENT,)
    if sound.hum >= HUM_SHARE and sound.rms_db >= HUM_LEAST_DB:
        return (Flaw.HUM,)
    if sound.peak_db < FAINT_PEAK_DB:
        return (Flaw.FAINT,)
    return (Flaw.CLIPPED,) if sound.clipped >= CLIPPED_SHARE else ()
