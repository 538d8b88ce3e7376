"""Flaws made of real pictures and real sound are found; the real ones themselves never are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.signal_rules import (
    CHANGE_SIZE,
    LEAST_MUTE,
    LEVELS_SIZE,
    Samples,
    picture_change,
    picture_flaws,
    picture_levels,
    sound_flaws,
    sound_levels,
)
from lesson.model import Role
from lesson.signal import Flaw
from lesson.time import TICKS_PER_SECOND, Span, Ticks
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.picture import Plane, resized
from tests.kit.footage import clips

STEP = TICKS_PER_SECOND // 100
SEGMENT = 4 * TICKS_PER_SECOND
RNG = np.random.default_rng(7)
TIME = np.arange(SEGMENT) / TICKS_PER_SECOND


def room(grain: float = 2.0) -> Plane:
    """A picture of `CHANGE_SIZE` with light, shade and the grain of a sensor."""
    width, height = CHANGE_SIZE
    shade = np.linspace(40, 200, width)[None, :] * np.linspace(0.6, 1.0, height)[:, None]
    return np.clip(shade + RNG.normal(0, grain, (height, width)), 16, 235).astype(np.uint8)


def looked_at(after: Plane, before: Plane | None = None, role: Role = Role.TEACHER) -> tuple[Flaw, ...]:
    change = None if before is None else picture_change(before, after)
    return picture_flaws(picture_levels(resized(after, *LEVELS_SIZE), change), role)


def heard(samples: np.ndarray) -> tuple[Flaw, ...]:
    return sound_flaws(sound_levels(samples.astype(np.float32)))


def speech(level: float = 0.3) -> Samples:
    """Bursts of noise in the rhythm of syllables, over the noise of a room."""
    rhythm = np.clip(np.sin(2 * np.pi * 3 * TIME), 0, 1) ** 2
    return (RNG.normal(0, level / 4, SEGMENT) * rhythm + RNG.normal(0, 0.001, SEGMENT)).clip(-1, 1).astype(np.float32)


def hum(hz: float, level: float = 0.1) -> np.ndarray:
    return sum((level / n * np.sin(2 * np.pi * n * hz * TIME + n) for n in (1, 2, 3, 5)), np.zeros(SEGMENT))


@given(st.lists(st.integers(1, 200), max_size=8), st.booleans(), st.integers(0, 10**9))
def test_where_nothing_can_be_heard_is_found_to_two_hundredths_of_a_second(
    lengths: list[int], loud: bool, begin: Ticks
) -> None:
    parts, wanted, at = [], [], 0
    for length in (hundredth * STEP for hundredth in lengths):
        parts.append(RNG.choice([-0.1, 0.1], length) if loud else RNG.normal(0, 1e-5, length))
        wanted += [] if loud else [Span(at, at + length)]
        at, loud = at + length, not loud
    found = sound_levels(np.concatenate([*parts, np.zeros(0)]).astype(np.float32), begin).mute
    inside = [part for part in wanted if part.start == 0 or part.end == at or part.duration >= LEAST_MUTE]
    assert found == tuple(part.shifted(begin) for part in inside)


def test_a_pause_of_somebody_who_speaks_is_not_mute_and_a_muted_microphone_is() -> None:
    assert sound_levels(speech()).mute == ()
    assert sound_levels(np.zeros(SEGMENT + 7, np.float32), 5).mute == (Span(5, 5 + SEGMENT + 7),)


@pytest.mark.parametrize("role", Role)
def test_a_room_with_grain_is_no_flaw(role: Role) -> None:
    assert looked_at(room(), room(), role) == ()


@pytest.mark.parametrize("grain", [0.0, 1.0, 3.0])
def test_black_is_black_with_the_grain_of_any_sensor(grain: float) -> None:
    dark = np.clip(RNG.normal(18, grain, CHANGE_SIZE[::-1]), 16, 235).astype(np.uint8)
    for role in Role:
        assert looked_at(dark, None, role) == (Flaw.BLACK,)


def test_a_dark_room_with_a_bright_slide_is_not_black() -> None:
    dark = np.full(CHANGE_SIZE[::-1], 17, np.uint8)
    dark[100:160, 300:380] = 210
    assert looked_at(dark) == ()


def test_what_covers_a_lens_is_found_on_cameras_and_an_empty_board_is_none() -> None:
    cloth = np.clip(RNG.normal(70, 1.5, CHANGE_SIZE[::-1]), 16, 235).astype(np.uint8)
    assert looked_at(cloth, np.roll(cloth, 3, 1)) == (Flaw.COVERED,)
    assert looked_at(cloth, np.roll(cloth, 3, 1), Role.BOARD) == ()
    assert looked_at(cloth, np.roll(cloth, 3, 1), Role.SCREEN) == ()


def test_the_same_picture_again_is_frozen_unless_it_may_stand_still() -> None:
    still = room()
    assert looked_at(still, still) == (Flaw.FROZEN,)
    assert looked_at(still, still, Role.SCREEN) == ()
    assert looked_at(still, None) == ()


@pytest.mark.parametrize("level", [0.0, 1e-5, 5e-4])
def test_silence_is_silent(level: float) -> None:
    assert heard(RNG.normal(0, level / 4, SEGMENT).clip(-level, level)) == (Flaw.SILENT,)


def test_speech_is_no_flaw_and_far_speech_is_faint() -> None:
    assert heard(speech()) == ()
    assert heard(speech() * 0.01) == (Flaw.FAINT,)


def test_speech_that_is_much_too_loud_is_clipped() -> None:
    assert heard(np.clip(speech() * 12, -1, 1)) == (Flaw.CLIPPED,)


@pytest.mark.parametrize("hz", [50.0, 60.0, 49.95, 60.03])
def test_the_mains_alone_hum_and_with_speech_they_do_not(hz: float) -> None:
    assert heard(hum(hz)) == (Flaw.HUM,)
    assert heard(hum(hz, 0.02) + speech(0.8)) == ()


def test_a_tone_is_not_the_mains() -> None:
    assert heard(0.2 * np.sin(2 * np.pi * 440 * TIME)) == ()


def test_sound_too_short_to_tell_has_levels_all_the_same() -> None:
    assert heard(speech()[:100]) in {(), (Flaw.FAINT,)}
    assert heard(np.zeros(0)) == (Flaw.SILENT,)


@pytest.mark.footage
@pytest.mark.parametrize("path", clips("teacher", "classroom"))
def test_no_real_room_is_called_flawed(path: Path) -> None:
    before: Plane | None = None
    for picture in pictures([path], min_interval=SEGMENT):
        shown = np.array(picture.gray(*CHANGE_SIZE))
        assert looked_at(shown, before) == ()
        before = shown
    assert before is not None
    for role in (Role.TEACHER, Role.STUDENTS):
        assert looked_at(before, before, role) == (Flaw.FROZEN,)
    assert looked_at((before // 32 + 16).astype(np.uint8)) == (Flaw.BLACK,)


@pytest.mark.footage
@pytest.mark.parametrize("path", clips("slides"))
def test_no_real_slide_is_called_flawed(path: Path) -> None:
    before: Plane | None = None
    for picture in pictures([path], min_interval=SEGMENT):
        shown = np.array(picture.gray(*CHANGE_SIZE))
        assert looked_at(shown, before, Role.SCREEN) == ()
        before = shown


SAID_SILENT = {"oc_silent_60s.mp4"}
PAUSES = {"oc_silence_speech_60s.mp4"}
"""Has a pause of four seconds, as speech may: faint for less than anybody is told of."""


@pytest.mark.footage
@pytest.mark.parametrize("path", [*clips("audio"), *clips("slides")])
def test_no_real_speech_is_called_flawed(path: Path) -> None:
    blocks = [block.pcm for block in sound([path])]
    whole = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    found = [heard(whole[at : at + SEGMENT]) for at in range(0, len(whole) - SEGMENT + 1, SEGMENT)]
    if path.name in SAID_SILENT:
        assert found
        assert set(found) == {(Flaw.SILENT,)}
        return
    assert set(found) <= ({(), (Flaw.FAINT,)} if path.name in PAUSES else {()})
