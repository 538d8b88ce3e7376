"""From measurements to what is said: a flaw is said once it lasts, and is over with the first good segment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lesson.ledger import ledger_problems
from lesson.model import Role
from lesson.records import SegmentCommitted, SegmentMeasured, Start
from lesson.signal import FLAW_KINDS, PATIENCE, Flaw, SignalState
from lesson.signal_record_types import PictureLevels, SoundLevels
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND
from tests.kit.lessons import epoch_started, header, moment, segment, source

PICTURE = PictureLevels(mean=120.0, darkest=20.0, brightest=230.0, change=2.0)
SOUND = SoundLevels(rms_db=-25.0, peak_db=-6.0, clipped=0.0, hum=0.0)
BOTH = source(Role.TEACHER)
SEGMENT_S = 4


def measured(seq: int, *flaws: str, epoch: int = 0, looked: bool = True, spec: str = "teacher") -> SegmentMeasured:
    return SegmentMeasured(
        source=spec, epoch=epoch, seq=seq, picture=PICTURE if looked else None, sound=SOUND if looked else None,
        flaws=flaws, problem=None if looked else "not looked at",
    )  # fmt: skip


def after(*rows: tuple[str, ...] | None) -> SignalState:
    """The state after segments with these flaws; None: one that nobody looked at."""
    state = SignalState()
    for seq, flaws in enumerate(rows):
        state.add(measured(seq, *(flaws or ()), looked=flaws is not None), segment(BOTH, seq))
    return state


def test_a_flaw_is_said_once_it_outlasts_its_patience_and_no_longer_than_it_lasts() -> None:
    for flaw in Flaw:
        needed = -(-PATIENCE[flaw] // (SEGMENT_S * TICKS_PER_SECOND))
        rows = [(flaw.value,)] * needed
        assert after(*rows[:-1]).flaws == (), flaw
        assert after(*rows).flaws == (flaw.value,), flaw
        over = after(*rows, ())
        assert over.flaws == ()
        assert [(one.flaw, one.first.seq, one.last.seq) for one in over.past] == [(flaw.value, 0, needed - 1)]


def test_what_nobody_looked_at_neither_begins_nor_ends_a_flaw() -> None:
    assert after(("black",), None, ("black",)).flaws == ("black",)
    assert after(("black",), ("black",), None).flaws == ("black",)
    assert after(None, None, None).flaws == ()


def test_a_flaw_of_a_later_version_is_kept_and_breaks_nothing() -> None:
    assert after(("upside_down",)).flaws == ("upside_down",)
    assert after(("upside_down",), ()).flaws == ()


@given(st.lists(st.one_of(st.none(), st.sets(st.sampled_from([flaw.value for flaw in Flaw]))), max_size=40))
def test_any_course_is_told_as_counting_tells_it(course: list[set[str] | None]) -> None:
    state = after(*(None if row is None else tuple(sorted(row)) for row in course))
    for flaw in Flaw:
        looked = [row for row in course if row is not None]
        run = next((n for n, row in enumerate(reversed(looked)) if flaw.value not in row), len(looked))
        lasts = run * SEGMENT_S * TICKS_PER_SECOND >= PATIENCE[flaw] and run > 0
        assert (flaw.value in state.flaws) == lasts


@given(st.lists(st.integers(0, 8), max_size=30))
def test_lines_read_twice_or_late_change_nothing(order: list[int]) -> None:
    state, highest = SignalState(), -1
    for seq in order:
        state.add(measured(seq, "silent"), segment(BOTH, seq))
        highest = max(highest, seq)
    assert (state.newest.seq if state.newest else -1) == highest
    assert len(state.stretches) <= 1


def test_a_lesson_says_where_it_was_spoilt() -> None:
    state = LessonState(header(sources=(BOTH,)))
    state.apply(Start(at=moment(0)))
    state.apply(epoch_started(BOTH))
    for seq in range(6):
        state.apply(SegmentCommitted(segment=segment(BOTH, seq)))
        state.apply(measured(seq, *(("black",) if 1 <= seq <= 3 else ())))
    said = [problem for problem in ledger_problems(state) if "black" in problem]
    assert len(said) == 1
    assert said[0].startswith("teacher: the picture is black")


def test_a_measurement_of_what_was_never_committed_is_a_stray() -> None:
    state = LessonState(header(sources=(BOTH,)))
    state.apply(measured(5, "black"))
    state.apply(measured(0, spec="nobody"))
    assert len(state.strays) == 2


def test_every_flaw_has_its_kind_and_its_patience() -> None:
    assert set(FLAW_KINDS) == set(PATIENCE) == set(Flaw)
