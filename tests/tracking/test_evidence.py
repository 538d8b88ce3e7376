"""What was observed is found by lesson time, and forgotten when nobody will ask for it any more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lesson.model import Kind, Observation, PtsRange, SegmentRecord
from lesson.records import Mapped, Record, SegmentCommitted, SegmentObserved
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, merged
from tests.kit.lessons import MILLISECOND, epoch_started, header, source
from tracking.evidence import Evidence
from tracking.observe_order import first_pending, pending_ticks

S = TICKS_PER_SECOND
TEACHER, BOARD = source("teacher"), source("board")
SPECS = {"teacher": TEACHER, "board": BOARD}


def committed(name: str, seq: int, at_s: float, *, epoch: int = 0, seconds: float = 4.0) -> SegmentCommitted:
    first, end = round(1000 * at_s), round(1000 * (at_s + seconds))
    pictures = PtsRange(first=first, last=end - 40, end=end, key=first, packets=1000)
    return SegmentCommitted(
        segment=SegmentRecord(
            source=name, epoch=epoch, seq=seq, path=f"{name}-{epoch}-{seq}", bytes=1, sha256="",
            time_base=MILLISECOND, video=pictures,
        )
    )  # fmt: skip


def observed(segment: SegmentRecord, problem: str | None = None) -> SegmentObserved:
    span = segment.span(Kind.VIDEO)
    assert span is not None
    looks = () if problem else tuple(Observation(at=at) for at in range(span.start, span.end, S // 4))
    return SegmentObserved(
        source=segment.source,
        epoch=segment.epoch,
        seq=segment.seq,
        detector="diff-ink-yunet/1",
        observations=looks,
        problem=problem,
    )


def lesson(*records: Record) -> LessonState:
    state = LessonState(header(sources=(TEACHER, BOARD)))
    for record in records:
        state.apply(record)
    return state


def placed(name: str, offset_s: float, *, epoch: int = 0, from_s: float = 0.0) -> Mapped:
    at = round(from_s * S)
    return Mapped(map=ClockMap(name, epoch, Span(at, at), round(offset_s * S)))


FATES = st.sampled_from(["observed", "failed", "pending"])


@given(
    st.lists(st.tuples(st.sampled_from(["teacher", "board"]), st.sampled_from([0.0, 0.0, 6.0]), FATES), max_size=20),
    st.permutations(range(20)),
    st.integers(-4, 60),
    st.integers(1, 30),
    st.booleans(),
)
def test_it_answers_as_a_look_at_everything_would(
    history: list[tuple[str, float, str]], turns: list[int], start: int, length: int, always: bool
) -> None:
    """Segments with holes between, observed in any order, some without success, some not yet."""
    state = lesson(*(epoch_started(spec) for spec in SPECS.values()), placed("teacher", 1.5), placed("board", -2))
    evidence, at = Evidence(), {"teacher": 0.0, "board": 3.0}
    records = []
    for seq, (name, hole, _) in enumerate(history):
        records.append(committed(name, seq, at[name] + hole))
        at[name] += hole + 4.0
    for record in records:
        state.apply(record)
        if always:
            first_pending(state, evidence)
    fates = {seq: fate for seq, (_, _, fate) in enumerate(history)}
    for turn in turns:
        if turn < len(records) and fates[turn] != "pending":
            evidence.add(observed(records[turn].segment, "damaged" if fates[turn] == "failed" else None))
            if always:
                first_pending(state, evidence)
    window = Span(start * S, (start + length) * S)
    for name, offset in (("teacher", 1.5), ("board", -2.0)):
        mine = [record.segment for record in records if record.segment.source == name]
        spans = {one.seq: span.shifted(round(offset * S)) for one in mine if (span := one.span(Kind.VIDEO))}
        seen = [at for q, s in spans.items() if fates[q] == "observed" for at in range(s.start, s.end, S // 4)]
        source_state = state.sources[name]
        assert [one.at for one in evidence.seen(source_state, window)] == [at for at in seen if at in window]
        good = [span for seq, span in spans.items() if fates[seq] == "observed" and span.overlaps(window)]
        assert evidence.observed_spans(source_state, window) == merged(good)
        waiting = [spans[one.seq].start for one in mine if fates[one.seq] == "pending"]
        assert evidence.observed_until(source_state) == min(waiting, default=None)
    pending = [record.segment for record in records if fates[record.segment.seq] == "pending"]
    first = first_pending(state, evidence)
    assert (first.segment in pending if pending else first is None) if first else not pending
    assert pending_ticks(state, evidence) >= 4 * S * len(pending)


def test_an_observer_keeps_no_observations() -> None:
    state = lesson(epoch_started(TEACHER), placed("teacher", 0), *(committed("teacher", n, 4 * n) for n in range(4)))
    evidence = Evidence(keep_observations=False)
    for segment in list(state.sources["teacher"].segments)[:3]:
        evidence.add(observed(segment))
    assert evidence.seen(state.sources["teacher"], Span(0, 20 * S)) == []
    first = first_pending(state, evidence)
    assert first is not None
    assert first.segment.seq == 3


def test_a_plan_keeps_what_lies_within_its_memory_and_no_more() -> None:
    """Over an hour the observations that are kept stay as many as after the first minutes."""
    state, evidence = lesson(epoch_started(TEACHER), placed("teacher", 0)), Evidence()
    teacher = state.sources["teacher"]
    everything = Span(0, 10_000 * S)
    most = 0
    for seq in range(900):
        record = committed("teacher", seq, 4.0 * seq)
        state.apply(record)
        evidence.add(observed(record.segment))
        needed = max(0, (4 * seq - 20) * S)
        within = evidence.seen(teacher, Span(needed, 4 * (seq + 1) * S))
        evidence.forget(teacher, needed)
        assert evidence.seen(teacher, Span(needed, 4 * (seq + 1) * S)) == within
        most = max(most, len(evidence.seen(teacher, everything)))
    assert most < 256 + 4 * 30
    assert not any(evidence.missing(teacher, segment) for segment in teacher.segments)


def test_a_state_that_was_folded_anew_is_looked_at_anew() -> None:
    records: list[Record] = [epoch_started(TEACHER), placed("teacher", 0), committed("teacher", 0, 0.0)]
    state, evidence = lesson(*records), Evidence()
    assert first_pending(state, evidence) is not None
    state.clear()
    assert first_pending(state, evidence) is None
    for record in records:
        state.apply(record)
    again = first_pending(state, evidence)
    assert again is not None
    assert pending_ticks(state, evidence) == 4 * S


def _said(detector: str, seq: int = 0, *, level: float = 0.0, problem: str | None = None) -> SegmentObserved:
    looks = () if problem else (Observation(at=S, board_activity=level),)
    return SegmentObserved(source="board", epoch=0, seq=seq, detector=detector, observations=looks, problem=problem)


def _board() -> LessonState:
    return lesson(epoch_started(BOARD), placed("board", 0), committed("board", 0, 0.0), committed("board", 1, 4.0))


def _inks(evidence: Evidence, state: LessonState) -> list[float]:
    return [look.what.board_activity for look in evidence.seen(state.sources["board"], Span(0, 9 * S))]


def test_the_first_of_two_equal_lines_counts_and_another_version_takes_its_place() -> None:
    state, evidence = _board(), Evidence()
    for level in (0.1, 0.2):  # the second: a kill between two lines of one segment
        evidence.add(_said("ink/1", level=level))
    assert _inks(evidence, state) == [0.1]
    evidence.add(_said("ink/2", level=0.3))
    assert _inks(evidence, state) == [0.3]
    evidence.add(_said("ink/2-thin", level=0.4))
    assert _inks(evidence, state) == [0.4]


def test_a_segment_is_observed_when_the_last_of_its_detectors_has_looked() -> None:
    state, evidence = _board(), Evidence()
    board = state.sources["board"]
    first, second = board.segments
    assert evidence.missing(board, first) == ("motion", "ink")
    evidence.add(_said("ink/1"))
    assert evidence.missing(board, first) == ("motion",)
    assert evidence.observed_spans(board, Span(0, 9 * S)) == []
    evidence.add(_said("motion/1"))
    assert evidence.missing(board, first) == ()
    assert evidence.observed_spans(board, Span(0, 9 * S)) == [Span(0, 4 * S)]
    evidence.add(_said("none", 1, problem="it kills"))
    assert evidence.missing(board, second) == ()
    assert evidence.given_up(board, second)
    assert not evidence.given_up(board, first)
    assert evidence.observed_spans(board, Span(0, 9 * S)) == [Span(0, 4 * S)]


def test_a_detector_that_could_not_look_leaves_its_segment_unobserved() -> None:
    state, evidence = _board(), Evidence()
    board = state.sources["board"]
    evidence.add(_said("motion/1"))
    evidence.add(_said("ink/1", problem="damaged"))
    assert evidence.missing(board, board.segments[0]) == ()
    assert evidence.observed_spans(board, Span(0, 9 * S)) == []
    evidence.add(_said("ink/2"))
    assert evidence.observed_spans(board, Span(0, 9 * S)) == [Span(0, 4 * S)]
