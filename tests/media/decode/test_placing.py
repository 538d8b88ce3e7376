"""Sound lies where its time stamps lastingly say, for any time stamps, and no edge can be heard.

The samples made here say themselves when they were heard: their two channels are (time, 1), so that their quotient is
the time whatever they were faded with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.placing import FADE, Block, Counted, placed

pytestmark = pytest.mark.slow

MS = TICKS_PER_SECOND // 1000
AAC = 1024
MINUTE = 60 * TICKS_PER_SECOND


def rounded(at: float) -> Ticks:
    """As Matroska keeps it."""
    return round(at / MS) * MS


def packets(
    heard_at: Callable[[int], float | None], stamp: Callable[[float], Ticks | None], length: Ticks, size: int = AAC
) -> Iterator[Counted]:
    """Packets of `size` samples: the n-th was heard at tick `heard_at(n)` (None: it is lost) and is stamped so."""
    count: Ticks | None = None
    for number in range(length // size):
        at = heard_at(number)
        if at is None:
            continue
        marked = stamp(at)
        count = (marked or 0) if count is None else count
        seconds = ((at + np.arange(size)) / TICKS_PER_SECOND).astype(np.float32)
        yield Counted(Block(count, np.stack([seconds, np.ones(size, np.float32)], axis=1)), marked)
        count += size


def errors(blocks: Iterable[Block]) -> Iterator[tuple[Ticks, float]]:
    """Tick and error in milliseconds of some samples of each block: how much later they lie than they were heard."""
    for block in blocks:
        at = np.arange(block.at, block.end, 97)
        samples = block.samples[::97].astype(np.float64)
        loud = samples[:, 1] > 0.05
        late = at[loud] * 1000 / TICKS_PER_SECOND - samples[loud, 0] / samples[loud, 1] * 1000
        yield from zip(at[loud].tolist(), late.tolist(), strict=True)


def worst(blocks: Iterable[Block]) -> float:
    return max(abs(late) for _, late in errors(blocks))


@pytest.mark.parametrize(("size", "minutes"), [(AAC, 45), (480, 5), (960, 5), (2048, 5)])
def test_a_lesson_with_one_packet_in_a_hundred_lost_stays_in_sync(size: int, minutes: int) -> None:
    rng = np.random.default_rng(size)
    lost = rng.random(minutes * MINUTE // size) < 0.01
    lost[0] = False
    found = packets(lambda n: None if lost[n] else n * size, rounded, minutes * MINUTE, size)
    assert worst(placed(found)) < 8


@pytest.mark.parametrize("burst", [2, 3, 5, 20])
def test_losses_in_bursts_are_holes_of_their_length(burst: int) -> None:
    lost = {n + k for n in range(100, 2_700, 150) for k in range(burst)}
    blocks = list(placed(packets(lambda n: None if n in lost else n * AAC, rounded, MINUTE)))
    holes = [after.at - before.end for before, after in pairwise(blocks) if after.at > before.end]
    assert len(holes) == len(range(100, 2_700, 150))
    assert all(abs(hole - burst * AAC) <= 2 * MS for hole in holes)
    assert worst(blocks) < 2


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.floats(2, 8), st.floats(-90, 90).filter(lambda ms: abs(ms) > 5)), min_size=1, max_size=12
    )
)
def test_a_lasting_step_is_made_good_within_two_seconds(steps: list[tuple[float, float]]) -> None:
    """Sound runs on while its time stamps step, both ways: as where parts were joined by copy."""
    edges = np.cumsum([seconds for seconds, _ in steps]) * TICKS_PER_SECOND
    sizes = np.array([ms * MS for _, ms in steps])

    def heard(number: int) -> float:
        return number * AAC + TICKS_PER_SECOND + float(sizes[edges <= number * AAC].sum())

    length = round(edges[-1]) + 4 * TICKS_PER_SECOND
    blocks = list(placed(packets(heard, rounded, length)))
    assert all(after.at >= before.end for before, after in pairwise(blocks))
    placed_edges = [edge + TICKS_PER_SECOND + sizes[:n].sum() for n, edge in enumerate(edges)]
    for at, late in errors(blocks):
        since = min((at - edge for edge in placed_edges if edge <= at), default=4 * TICKS_PER_SECOND)
        near = min(abs(at - edge) for edge in placed_edges) < 100 * MS  # where both lie, they are faded into each other
        assert abs(late) < (5 if since > 2 * TICKS_PER_SECOND else 100 if near else 20)


@pytest.mark.parametrize("ppm", [-300, -50, 50, 300])
def test_a_clock_that_runs_differently_is_followed(ppm: int) -> None:
    blocks = placed(packets(lambda n: n * AAC * (1 + ppm / 1e6), rounded, 10 * MINUTE))
    assert worst(blocks) < 5


@pytest.mark.parametrize("jitter_ms", [0.5, 4, 9])
def test_jitter_neither_moves_nor_breaks_the_sound(jitter_ms: float) -> None:
    rng = np.random.default_rng(3)
    blocks = list(
        placed(packets(lambda n: n * AAC, lambda at: round(at + rng.uniform(-1, 1) * jitter_ms * MS), 5 * MINUTE))
    )
    settled = [block for block in blocks if block.at > TICKS_PER_SECOND]  # the first stamp may have been a late one
    assert all(after.at == before.end for before, after in pairwise(settled))
    offset = float(np.median([late for _, late in errors(blocks)]))
    assert max(abs(late - offset) for _, late in errors(settled)) < 5


def test_time_stamps_that_are_far_off_for_a_moment_are_not_believed() -> None:
    wrong = {n + k for n in range(60, 2_000, 100) for k in range(4)}
    stamps = iter(range(10**9))

    def stamp(at: float) -> Ticks:
        return rounded(at) + (200 * MS if next(stamps) in wrong else 0)

    blocks = list(placed(packets(lambda n: n * AAC, stamp, MINUTE // 2)))
    assert all(after.at == before.end for before, after in pairwise(blocks))
    assert worst(blocks) < 1


@pytest.mark.parametrize("step_ms", [-60, -20, -8, 6, 8, 21, 60])
def test_no_edge_is_a_click(step_ms: int) -> None:
    """A tone through steps of its time stamps: from sample to sample it moves no more than the tone does itself."""
    tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(20 * TICKS_PER_SECOND) / TICKS_PER_SECOND)).astype(np.float32)

    def counted() -> Iterator[Counted]:
        for number in range(len(tone) // AAC):
            at = number * AAC
            steps = at // (4 * TICKS_PER_SECOND) * step_ms * MS
            yield Counted(Block(at, tone[at : at + AAC, None]), rounded(at + steps))

    blocks = list(placed(counted()))
    pcm = np.zeros(blocks[-1].end, np.float32)
    for block in blocks:
        pcm[block.at : block.end] = block.samples[:, 0]
    own = 0.5 * 2 * np.pi * 200 / TICKS_PER_SECOND
    assert np.abs(np.diff(pcm[AAC : -2 * AAC])).max() < own + 1.1 / FADE


def test_where_reading_starts_does_not_matter() -> None:
    """A restart in the middle puts the same sound to the same place, to less than what can be seen or heard."""
    rng = np.random.default_rng(5)
    lost = rng.random(3_000) < 0.01
    drift = 1 + 40e-6
    whole = list(packets(lambda n: None if lost[n] else n * AAC * drift, rounded, MINUTE))
    reference = dict(errors(placed(whole)))
    for start in range(200, 2_000, 333):
        later = whole[start:]
        count = later[0].stamp or 0
        anew = []
        for item in later:
            anew.append(Counted(Block(count, item.block.samples), item.stamp))
            count = anew[-1].block.end
        late = [abs(error) for _, error in errors(placed(anew))]
        assert max(late) < 5
    assert max(abs(error) for error in reference.values()) < 5


def test_sound_without_time_stamps_is_counted() -> None:
    blocks = list(placed(Counted(Block(7 + n * 100, np.ones((100, 1), np.float32)), None) for n in range(500)))
    assert blocks[0].at == 7
    assert all(after.at == before.end for before, after in pairwise(blocks))
    assert blocks[-1].end == 50_007


def test_nothing_is_nothing() -> None:
    assert list(placed([])) == []
