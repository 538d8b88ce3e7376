"""What counts as undecodable, of what a decoder said: rules over made-up times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.time import TICKS_PER_SECOND, Span
from media.decode.account import DecodingAccount

S = TICKS_PER_SECOND
FRAME = S // 25
WITHIN = Span(10 * S, 14 * S)
LEAST = S // 2


@given(
    whole=st.lists(st.booleans(), min_size=1, max_size=100), gop=st.integers(1, 40), rests=st.integers(0, 99),
    shift=st.integers(0, 50),
)  # fmt: skip
def test_a_stretch_goes_from_the_first_failure_to_the_next_whole_key_frame(
    whole: list[bool], gop: int, rests: int, shift: int
) -> None:
    account = DecodingAccount()
    for n, good in enumerate(whole):
        at = 10 * S + (n + (shift if n > rests else 0)) * FRAME  # a picture that stands for a while
        (account.intact if good else account.failed).add(at)
        if good and n % gop == 0:
            account.keys.add(at)
    found = account.undecoded(WITHIN, LEAST)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for span in found:
        assert span.duration >= LEAST
        first = min(at for at in account.failed if at in span)
        assert not any(first < at < span.end for at in account.keys)
        assert span.end in account.keys or span.end == WITHIN.end
        assert span.start == first or not any(WITHIN.start <= at < first for at in account.intact)
    for at in account.failed:  # a long wait for anything whole is always said
        after = min([one for one in account.intact if one > at], default=WITHIN.end)
        assert after - at < LEAST or at not in WITHIN or any(at in span for span in found)


@pytest.mark.parametrize(("every", "said"), [(2, True), (4, True), (5, False), (25, False)])
def test_a_smear_is_shown_and_rubbish_is_not(every: int, *, said: bool) -> None:
    """A packet now and then that the line lost, and a file in which every few bytes are wrong."""
    times = range(10 * S, 14 * S, FRAME)
    failed = {at for n, at in enumerate(times) if n % every == 1}
    account = DecodingAccount(intact=set(times) - failed, keys={10 * S}, failed=failed)
    assert bool(account.undecoded(WITHIN, LEAST)) == said


def test_what_comes_after_garbage_is_no_picture_before_the_next_key_frame() -> None:
    times = set(range(10 * S, 14 * S, FRAME))
    failed = {at for at in times if 10.5 * S <= at < 12.2 * S}
    account = DecodingAccount(intact=times - failed, keys={10 * S, 11 * S, 13 * S}, failed=failed)
    (span,) = account.undecoded(WITHIN, LEAST)
    assert (span.start, span.end) == (min(failed), 13 * S)


def test_a_picture_that_stands_for_long_is_no_failure() -> None:
    account = DecodingAccount(intact={10 * S, 13 * S})
    assert account.undecoded(WITHIN, LEAST) == []


def test_what_was_refused_first_and_came_out_whole_in_another_pass_is_none() -> None:
    times = set(range(10 * S, 14 * S, FRAME))
    assert DecodingAccount(intact=times, failed=times).undecoded(WITHIN, LEAST) == []


def test_nothing_whole_at_all_is_all_of_it() -> None:
    assert DecodingAccount(failed={11 * S}).undecoded(WITHIN, LEAST) == [WITHIN]
