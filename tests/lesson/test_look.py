"""What is said of a feed between lessons comes back as it went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lesson.look import Look, look_in, look_lines

FIGURES = st.floats(allow_nan=False, allow_infinity=False)


@given(st.none() | st.builds(Look, fps=FIGURES, peak_db=st.none() | FIGURES, rms_db=st.none() | FIGURES))
def test_a_look_comes_back_from_a_line_of_its_own(look: Look | None) -> None:
    lines = look_lines(look)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert look_in(lines) == look


def test_its_age_counts_from_the_look_and_is_never_negative() -> None:
    look = Look(at_ns=5_000_000_000)
    assert look.age_s(7_500_000_000) == 2.5
    assert look.age_s(4_000_000_000) == 0.0
