"""What a segment's record says of times in which nothing came."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.model import Kind
from media.feeds.segment import HOLE, RangeCounter


def holes(packets: list[tuple[int, int]], kind: Kind = Kind.VIDEO) -> tuple[tuple[int, int], ...]:
    counter = RangeCounter(kind)
    for pts, duration in packets:
        counter.add(pts, duration, key=True)
    found = counter.result()
    return (found.holes if found else None) or ()


def film(start: int, end: int, step: int = 40, *, lasts: int | None = None) -> list[tuple[int, int]]:
    return [(at, step if lasts is None else lasts) for at in range(start, end, step)]


@pytest.mark.parametrize(("rest", "found"), [(0, False), (HOLE - 1, False), (HOLE, True), (30_000, True)])
@pytest.mark.parametrize("lasts", [40, 0])
def test_a_rest_of_half_a_second_is_a_hole(rest: int, found: bool, lasts: int) -> None:
    packets = film(0, 2000, lasts=lasts) + film(2000 + rest, 4000 + rest, lasts=lasts)
    assert holes(packets) == (((2000, 2000 + rest),) if found else ())


@given(st.lists(st.sampled_from([0, 0, 0, 600, 5000]), min_size=1, max_size=8), st.integers(1, 16), st.data())
def test_the_order_of_decoding_makes_no_holes(rests: list[int], depth: int, data: st.DataObject) -> None:
    """Pictures that others are decoded from come first, up to sixteen ahead."""
    shown: list[int] = []
    at = 0
    for rest in rests:
        at += rest
        shown += range(at, at + 1200, 40)
        at += 1200
    wanted = tuple((a + 40, b) for a, b in pairwise(shown) if b - a - 40 >= HOLE)
    coded: list[int] = []
    for first in range(0, len(shown), depth):
        group = shown[first : first + depth]
        coded += [group[-1], *data.draw(st.permutations(group[:-1]))]
    assert holes([(pts, 40) for pts in coded]) == wanted


@pytest.mark.parametrize("lasts", [40, 0, 1000])
def test_pictures_that_come_rarely_leave_no_holes_between_them(lasts: int) -> None:
    assert holes(film(0, 30_000, 1000, lasts=lasts)) == ()


@pytest.mark.parametrize("every", [600, 1130, 2000])
def test_sound_that_trickles_is_full_of_holes(every: int) -> None:
    """A line that loses nearly all: the few packets that come say how little they hold, and are no slow pace."""
    found = holes([(at, 21) for at in range(0, 12_000, every)], Kind.AUDIO)
    assert found == tuple((at + 21, at + every) for at in range(0, 12_000 - every, every))


def test_sound_does_not_last_as_long_as_a_file_states_that_cannot_express_a_hole() -> None:
    stretched = [*film(0, 2000)[:-1], (1960, 20_040), *film(22_000, 24_000)]
    assert holes(stretched, Kind.AUDIO) == ((2000, 22_000),)
    assert holes(stretched, Kind.VIDEO) == ()  # a picture may stand
    at_the_end = RangeCounter(Kind.AUDIO)
    for pts, duration in stretched[:50]:
        at_the_end.add(pts, duration, key=True)
    found = at_the_end.result()
    assert found is not None
    assert found.end == 2000
