"""The simulated classroom: what its pictures and sound say about time, and that it keeps it."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest

from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, ticks_from_ns
from media.feeds.packets import FeedPacket
from media.simulated.scene import LESSON_CYCLE_S, WRITING_S, make_scene, standing, tone, writing_progress
from media.simulated.scene_feed import AUDIO_BLOCK, SceneToneFeed, SceneVideoFeed
from tests.kit.clicks import find_clicks
from tests.kit.marks import BOARD, MARK_PERIOD, STUDENTS, TEACHER, flash_lit, read_mark


@pytest.mark.parametrize(("name", "number"), [("teacher", TEACHER), ("students", STUDENTS), ("board", BOARD)])
@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (322, 242)])
def test_every_picture_says_who_shows_it_and_when(name: str, number: int, size: tuple[int, int]) -> None:
    scene = make_scene(name, *size)
    for at in (0, 1_920, 123_456_789, 2**32 - 1, 2**32 + 5):
        picture = scene.draw(at)
        assert picture.size == size
        assert read_mark(picture.y) == (number, at % 2**32)


def test_pictures_are_a_function_of_time_alone() -> None:
    one, other = make_scene("teacher", 640, 360), make_scene("teacher", 640, 360)
    other.draw(5 * TICKS_PER_SECOND)
    first, second = one.draw(77 * TICKS_PER_SECOND), other.draw(77 * TICKS_PER_SECOND)
    assert np.array_equal(first.y, second.y)
    assert np.array_equal(first.u, second.u)


def test_the_teacher_flashes_at_even_seconds() -> None:
    scene = make_scene("teacher", 640, 360)
    lit = [flash_lit(scene.draw(n * 1_920).y) for n in range(101)]
    assert [n for n, on in enumerate(lit) if on] == [0, 1, 50, 51, 100]


def test_the_teacher_is_taller_than_half_the_picture_and_moves() -> None:
    scene = make_scene("teacher", 640, 360)
    shirt = scene.draw(TICKS_PER_SECOND).u > 150
    later = scene.draw(3 * TICKS_PER_SECOND).u > 150
    assert shirt.any()
    assert abs(np.flatnonzero(shirt.any(axis=0)).mean() - np.flatnonzero(later.any(axis=0)).mean()) > 10
    background = scene.draw(0).y.astype(int)
    rows = (abs(scene.draw(2 * TICKS_PER_SECOND).y.astype(int) - background) > 20)[:-16].any(axis=1)
    assert rows.sum() > 360 / 2


def test_ink_grows_while_the_teacher_writes_and_stays() -> None:
    scene = make_scene("board", 640, 360)
    ink = [
        int((scene.draw(round(t * TICKS_PER_SECOND)).y[20:-30, 20:-20] < 100).sum())
        for t in range(int(3 * LESSON_CYCLE_S))
    ]
    start, end = WRITING_S
    for cycle in range(3):
        offset = int(cycle * LESSON_CYCLE_S)
        assert ink[offset + int(start) - 1] == ink[offset + 1], "ink while talking"
        assert ink[offset + int(end)] > ink[offset + int(start)] + 200
    assert writing_progress(4 * LESSON_CYCLE_S) == (0, 0.0), "wiped after four lines"


def test_students_stand_up_now_and_then() -> None:
    upright = [seat for second in range(100) for seat, rise in [standing(second)] if rise == 1.0]
    assert len(set(upright)) > 3
    assert len(upright) < 50


def test_clicks_are_sample_exact_over_the_voice() -> None:
    first = 3 * TICKS_PER_SECOND + 77
    clicks = find_clicks(tone(first, 6 * TICKS_PER_SECOND), start=first)
    assert [abs(at - k * MARK_PERIOD) < 48 for at, k in zip(clicks, (2, 3, 4), strict=True)] == [True] * 3
    pieces = np.concatenate([tone(first + n * AUDIO_BLOCK, AUDIO_BLOCK) for n in range(50)])
    assert np.array_equal(pieces, tone(first, 50 * AUDIO_BLOCK))


def taken(feed: SceneVideoFeed | SceneToneFeed, count: int) -> list[FeedPacket]:
    found = []
    for packet in feed.packets():
        found.append(packet)
        if len(found) == count:
            break
    feed.close()
    return found


def test_a_scene_keeps_time() -> None:
    feed = SceneVideoFeed(make_scene("board", 320, 180), Fraction(50), 7 * TICKS_PER_SECOND)
    packets = taken(feed, 60)
    assert [packet.pts for packet in packets] == [7 * TICKS_PER_SECOND + n * 960 for n in range(60)]
    assert packets[0].key
    offsets = [ticks_from_ns(packet.arrival_ns) - packet.pts for packet in packets]
    assert min(offsets) % 960 < 48, "the promptest frame arrives when it is due"


def test_a_scene_that_was_held_up_goes_on_with_the_present() -> None:
    feed = SceneVideoFeed(make_scene("board", 320, 180), Fraction(50), 0)
    packets = feed.packets()
    first = next(packets)
    held_until = first.arrival_ns + 1_500_000_000
    while time.monotonic_ns() < held_until:
        time.sleep(0.01)
    after = next(packets)
    assert after.pts - first.pts >= 1.4 * TICKS_PER_SECOND
    assert (after.pts - first.pts) % 960 == 0
    feed.close()


def test_the_tone_has_no_holes_even_when_held_up() -> None:
    feed = SceneToneFeed(0)
    packets = feed.packets()
    found = [next(packets)]
    held_until = found[0].arrival_ns + NANOSECONDS_PER_SECOND // 4
    while time.monotonic_ns() < held_until:
        time.sleep(0.01)
    found += [next(packets) for _ in range(30)]
    feed.close()
    assert [packet.pts for packet in found] == [n * AUDIO_BLOCK for n in range(31)]
    assert {packet.kind for packet in found} == {Kind.AUDIO}
