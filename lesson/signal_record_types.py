"""What was measured of recorded segments: the facts of `signal/journal.jsonl`, as values."""

from __future__ import annotations

from dataclasses import dataclass

from lesson.time import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLevels:
    """Of the key frames of a segment: luma in 0…255 (16 is black, 235 white), of a picture scaled down.

    `darkest` and `brightest`: the 1st and 99th percentile. `change`: mean absolute difference of luma to the segment
    before, at full sharpness; None for the first of an epoch.
    """

    mean: float
    darkest: float
    brightest: float
    change: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLevels:
    """Of the sound of a segment: dB below full scale; `clipped` and `hum` are shares of its samples and its energy.

    `hum`: at the frequency of the mains and its multiples. `mute`: stretches (source ticks) in which nothing can be
    heard.
    """

    rms_db: float
    peak_db: float
    clipped: float
    hum: float
    mute: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMeasured:
    """A segment was decoded again from the disk and looked at. `flaws`: what is wrong with it alone (`lesson.signal`).

    `problem`: why nothing is known of it, if it could not be decoded.
    """

    source: str
    epoch: int
    seq: int
    picture: PictureLevels | None = None
    sound: SoundLevels | None = None
    flaws: tuple[str, ...] = ()
    problem: str | None = None
