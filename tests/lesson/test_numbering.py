"""Which numbers of segments are missing, however they come: the same as by looking at all of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lesson.numbering import Numbering
from tests.kit.lessons import TEACHER_AND_MIC, segment

TEACHER = TEACHER_AND_MIC[0]


@given(st.lists(st.integers(0, 30), unique=True, max_size=20))
def test_jumps_are_those_between_neighbours_by_number(numbers: list[int]) -> None:
    """Those that a crash left are committed after later ones."""
    numbering = Numbering()
    for number in numbers:
        numbering.add(segment(TEACHER, number))
    found = [(before.seq if before else -1, after.seq) for before, after in numbering.jumps()]
    assert sorted(found) == [(a, b) for a, b in pairwise([-1, *sorted(numbers)]) if b > a + 1]
    assert numbering.next == max(numbers, default=-1) + 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_a_number_may_be_used_again_in_another_epoch(numbers: list[int]) -> None:
    numbering = Numbering()
    for epoch, number in enumerate(sorted(numbers)):
        numbering.add(segment(TEACHER, number, epoch=epoch))
    missing = {n for before, after in numbering.jumps() for n in range(before.seq + 1 if before else 0, after.seq)}
    assert missing == set(range(max(numbers) + 1)) - set(numbers)
