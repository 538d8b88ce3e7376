"""What counts as undecodable, of what a decoder said: rules over made-up times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lesson.time import TICKS_PER_SECOND, Span
from media.decode.account import DecodingAccount

S = TICKS_PER_SECOND
FRAME = S // 25
WITHIN = Span(10 * S, 14 * S)
LEAST = S // 2


@given(whole=st.lists(st.booleans(), min_size=1, max_size=100), rests=st.integers(0, 99), shift=st.integers(0, 50))
def test_stretches_are_where_packets_came_and_no_whole_picture(whole: list[bool], rests: int, shift: int) -> None:
    account = DecodingAccount()
    for n, good in enumerate(whole):
        at = 10 * S + (n + (shift if n > rests else 0)) * FRAME  # a picture that stands for a while
        (account.intact if good else account.failed).add(at)
    found = account.undecoded(WITHIN, LEAST)
    for span in found:
        assert span.duration >= LEAST
        assert not any(at in span for at in account.intact)
        assert any(at in span for at in account.failed)
    bad = [at for at in account.failed if at in WITHIN and not any(at in span for span in found)]
    for at in bad:  # what is not said is short: a whole picture follows soon, and one came before or it is the first
        after = min([one for one in account.intact if one > at], default=WITHIN.end)
        before = [one for one in account.failed if one <= at and not any(one < good <= at for good in account.intact)]
        start = min(before) if any(good < min(before) for good in account.intact) else WITHIN.start
        assert min(after, WITHIN.end) - start < LEAST


def test_a_picture_that_stands_for_long_is_no_failure() -> None:
    account = DecodingAccount(intact={10 * S, 13 * S})
    assert account.undecoded(WITHIN, LEAST) == []


def test_what_was_refused_first_and_came_out_whole_in_another_pass_is_none() -> None:
    times = set(range(10 * S, 14 * S, FRAME))
    assert DecodingAccount(intact=times, failed=times).undecoded(WITHIN, LEAST) == []


def test_nothing_whole_at_all_is_all_of_it() -> None:
    assert DecodingAccount(failed={11 * S}).undecoded(WITHIN, LEAST) == [WITHIN]
