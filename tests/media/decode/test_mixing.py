"""A voice comes out as loud as it was, whichever channels it is in."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.mixing import PromptMixer, channels_of, mixed_down
from media.decode.placing import Block

Signal = NDArray[np.float32]
LENGTH = 6 * TICKS_PER_SECOND


def voice(seed: int = 1) -> Signal:
    """Noise in syllables: loud and soft, with pauses."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(LENGTH), np.ones(8) / 8, "same")
    syllables = np.maximum(0, np.sin(2 * np.pi * (2.5 + 0.3 * seed) * np.arange(LENGTH) / TICKS_PER_SECOND + seed))
    made: Signal = (0.3 * noise * syllables).astype(np.float32)
    return made


def hiss(count: int, seed: int = 9) -> Signal:
    made: Signal = (0.0005 * np.random.default_rng(seed).standard_normal((LENGTH, count))).astype(np.float32)
    return made


def mono(samples: Signal, *, piece: int = 1024) -> Signal:
    blocks = [Block(at, samples[at : at + piece]) for at in range(0, len(samples), piece)]
    mixed = list(mixed_down(blocks))
    assert [block.at for block in mixed] == list(np.cumsum([0, *(len(b.samples) for b in mixed)])[:-1])
    return np.concatenate([block.samples for block in mixed])[:, 0]


def decibels(signal: Signal, of: Signal) -> float:
    """Level of `of` in `signal`: their product by its own, so that what else is heard does not count."""
    return float(20 * np.log10(abs(np.vdot(signal, of)) / np.vdot(of, of)))


PLACES = {
    "both": [1, 1],
    "opposed": [1, -1],
    "left": [1, 0],
    "right": [0, 1],
    "softer on the right": [1, 0.3],
    "opposed and softer": [1, -0.6],
    "opposed and louder": [0.5, -1],
    "centre of six": [0, 0, 1, 0, 0],
    "one of an array": [0, 0, 0, 0, 0, 0, 1, 0],
    "all of an array": [1] * 8,
    "half of an array turned round": [1, -1] * 4,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_voice_is_as_loud_as_in_mono(place: list[float]) -> None:
    made = voice()
    out = mono(made[:, None] * np.array(place, np.float32) + hiss(len(place)))
    for start in range(0, LENGTH, TICKS_PER_SECOND):  # from the first second on
        part = slice(start, start + TICKS_PER_SECOND)
        assert abs(decibels(out[part], made[part])) < 1.5
    assert np.abs(out).max() <= 1


def test_two_voices_in_a_channel_each_are_both_heard() -> None:
    one, two = voice(1), 0.5 * voice(2)
    out = mono(np.stack([one, two], axis=1))
    assert abs(decibels(out, one)) < 3
    assert abs(decibels(out, two)) < 3


def test_two_that_speak_in_turn_are_each_as_loud_as_in_mono() -> None:
    one, two = voice(1), voice(2)
    one[LENGTH // 2 :] = 0
    two[: LENGTH // 2] = 0
    out = mono(np.stack([one, -two], axis=1))
    assert abs(decibels(out, one)) < 1
    assert abs(decibels(out, two)) < 1.5


def test_silence_stays_silent() -> None:
    assert not mono(np.zeros((LENGTH, 2), np.float32)).any()


def test_what_changes_its_place_does_not_click() -> None:
    tone = (0.4 * np.sin(2 * np.pi * 200 * np.arange(LENGTH) / TICKS_PER_SECOND)).astype(np.float32)
    other = np.where(np.arange(LENGTH) // TICKS_PER_SECOND % 2, -tone, tone)  # turned round where it is 0
    out = mono(np.stack([tone, other], axis=1))
    own = 0.4 * 2 * np.pi * 200 / TICKS_PER_SECOND
    assert np.abs(np.diff(out)).max() < 2.1 * own


def test_where_reading_starts_does_not_matter() -> None:
    samples = np.stack([voice(1) + voice(3), voice(2) - voice(3)], axis=1)
    start: Ticks = 100_003
    blocks = [Block(at, samples[at : at + 1024]) for at in range(start, LENGTH, 1024)]
    later = np.concatenate([block.samples for block in mixed_down(blocks)])[:, 0]
    after = TICKS_PER_SECOND  # as much as is read before what is wanted
    assert np.allclose(later[after:], mono(samples)[start + after :], atol=1e-5)


@pytest.mark.parametrize("piece", [1, 7, 4_000, 100_000])
def test_the_size_of_the_blocks_does_not_matter(piece: int) -> None:
    samples = np.stack([voice(1), -voice(1)], axis=1)[:20_000]
    assert np.allclose(mono(samples, piece=piece), mono(samples), atol=1e-5)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_live_sound_is_mixed_alike_without_delay(place: list[float]) -> None:
    made, mixer = voice(), PromptMixer()
    samples = made[:, None] * np.array(place, np.float32) + hiss(len(place))
    parts = [mixer.mixed(samples[at : at + 480]) for at in range(0, LENGTH, 480)]
    assert all(len(part) == 480 for part in parts)
    late = TICKS_PER_SECOND
    assert abs(decibels(np.concatenate(parts)[late:], made[late:])) < 1.5


def test_the_channel_for_rumble_is_left_out() -> None:
    packed = np.arange(12, dtype=np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="5.1")
    assert channels_of(frame).tolist() == [[0, 1, 2, 4, 5], [6, 7, 8, 10, 11]]
