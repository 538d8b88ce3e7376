"""A segment found damaged counts as not recorded, whenever it is found: coverage, gaps and the ledger follow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.ledger import ledger_problems, stream_summaries
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.records import (
    FrozenUntil,
    Record,
    SegmentCommitted,
    SegmentDamaged,
    SegmentJoined,
    SegmentUnheard,
    SegmentUnseen,
    SourceFinished,
    SourceLost,
    Start,
)
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Span, merged, uncovered
from tests.kit.lessons import header, moment, source
from tests.lesson.test_coverage import CAMERA, began, folded, histories, packets, placed, stored
from tracking.clocks import LessonClock
from tracking.planner import lesson_end

S = TICKS_PER_SECOND
FILE = source("teacher", imported=True, uri="file:/a.mp4")


def damaged(seq: int, epoch: int = 0) -> SegmentDamaged:
    return SegmentDamaged(source="teacher", epoch=epoch, seq=seq, problem="missing")


def unseen(seq: int, epoch: int = 0) -> SegmentUnseen:
    return SegmentUnseen(source="teacher", epoch=epoch, seq=seq)


def undecoded(segment: SegmentRecord) -> list[Record]:
    """The first half of its pictures and the second half of its sound."""
    found: list[Record] = []
    for kind in Kind:
        span = segment.span(kind)
        if span is None or span.duration < 4:
            continue
        middle, place = (
            span.start + span.duration // 2,
            {"source": "teacher", "epoch": segment.epoch, "seq": segment.seq},
        )
        if kind is Kind.VIDEO:
            found.append(SegmentUnseen(**place, start=span.start, end=middle))  # type: ignore[arg-type]
        else:
            found.append(SegmentUnheard(**place, start=middle, end=span.end))  # type: ignore[arg-type]
    return found


def film(count: int, *, length_s: float = 4.0) -> list[Record]:
    """Consecutive segments with picture and sound."""
    spans = [(n * length_s, (n + 1) * length_s) for n in range(count)]
    return [began(), placed(), *(stored(n, video=packets(*s), audio=packets(*s)) for n, s in enumerate(spans))]


def gaps_of(state: LessonState, kind: Kind = Kind.VIDEO) -> list[tuple[float, float, str]]:
    return [(gap.span.start / S, gap.span.end / S, gap.code) for gap in state.gaps() if gap.kind is kind]


def what_is_seen(state: LessonState) -> list[object]:
    source = state.sources["teacher"]
    kept = [[source.stretches(kind), source.damaged(kind), source.coverage(kind)] for kind in Kind]
    return [*kept, state.gaps(), stream_summaries(state), ledger_problems(state)]


@given(histories(), st.data())
def test_it_does_not_matter_when_damage_is_found(records: list[Record], data: st.DataObject) -> None:
    segments = [r.segment for r in records if isinstance(r, SegmentCommitted)]
    spoilt = data.draw(st.lists(st.sampled_from(segments)) if segments else st.just([]))
    found: list[Record] = [data.draw(st.sampled_from([damaged, unseen]))(one.seq, one.epoch) for one in spoilt]
    partly = data.draw(st.lists(st.sampled_from(segments)) if segments else st.just([]))
    found += [record for one in partly for record in undecoded(one)]
    mixed: list[Record] = [*records]
    for record in found:
        mixed.insert(data.draw(st.integers(0, len(mixed))), record)
    state = LessonState(header(sources=(CAMERA,)))
    asked = random.Random(1)
    for record in mixed:
        state.apply(record)
        if asked.random() < 0.5:
            what_is_seen(state)
    assert what_is_seen(state) == what_is_seen(folded(*records, *found))


@given(histories(), st.data())
def test_what_is_damaged_and_what_is_not_is_all_that_was_recorded(records: list[Record], data: st.DataObject) -> None:
    segments = [r.segment for r in records if isinstance(r, SegmentCommitted)]
    spoilt = data.draw(st.lists(st.sampled_from(segments)) if segments else st.just([]))
    whole = folded(*records).sources["teacher"]
    hurt = folded(*records, *(damaged(s.seq, s.epoch) for s in spoilt)).sources["teacher"]
    for kind in Kind:
        runs, intact = whole.coverage(kind), hurt.coverage(kind)
        for epoch in {run.epoch for run in runs}:
            before = [run.span for run in runs if run.epoch == epoch]
            left = [run.span for run in intact if run.epoch == epoch]
            lost = [span for s in spoilt if s.epoch == epoch and (span := s.span(kind))]
            assert not any(a.overlaps(b) for a in left for b in lost if not b.empty)
            gone = [hole for span in merged(before) for hole in uncovered(span, left)]
            assert all(any(hole.overlaps(span) for span in lost) for hole in gone)
        assert all(not hurt.segments_of(kind, s.epoch).decoded_for(s.span(kind) or Span(0, 0)).count(s) for s in spoilt)


@pytest.mark.parametrize(
    ("spoilt", "gaps"),
    [
        ([0], [(0, 4)]),
        ([1], [(4, 8)]),
        ([1, 2], [(4, 12)]),
        ([0, 3], [(0, 4), (12, 16)]),
        ([0, 1, 2, 3], [(0, 16)]),
        ([], []),
    ],
)
@pytest.mark.parametrize("spec", [CAMERA, FILE], ids=["live", "a file"])
def test_what_is_damaged_is_a_gap_of_its_own(spec: SourceSpec, spoilt: list[int], gaps: list[tuple[int, int]]) -> None:
    end = [SourceFinished(source="teacher", at=moment(16)), FrozenUntil(at=16 * S, final=True)]
    state = folded(*film(4), *end, *map(damaged, spoilt), spec=spec)
    wanted = [(start, end, "damaged") for start, end in gaps]
    assert {kind: gaps_of(state, kind) for kind in Kind} == {Kind.VIDEO: wanted, Kind.AUDIO: wanted}
    for summary in stream_summaries(state):
        assert summary.held == (4 - len(spoilt)) * 4 * S
        assert summary.reason == ("damaged" if spoilt else None)
    said = [problem for problem in ledger_problems(state) if "damaged" in problem]
    assert len(said) == 2 * len(gaps)
    if spoilt == [1]:
        assert said[0] == "teacher: picture from 4 to 8 s is not in the lesson: the recorded file is damaged"


@pytest.mark.parametrize("spec", [CAMERA, FILE], ids=["live", "a file"])
def test_pictures_that_nobody_can_decode_are_a_gap_beside_their_sound(spec: SourceSpec) -> None:
    end = [SourceFinished(source="teacher", at=moment(16)), FrozenUntil(at=16 * S, final=True)]
    state = folded(*film(4), *end, unseen(1), unseen(2), spec=spec)
    assert gaps_of(state) == [(4, 12, "undecodable")]
    assert gaps_of(state, Kind.AUDIO) == []
    assert [(one.kind, one.held, one.reason) for one in stream_summaries(state)] == [
        (Kind.VIDEO, 8 * S, "undecodable"),
        (Kind.AUDIO, 16 * S, None),
    ]
    assert ledger_problems(state) == ["teacher: picture from 4 to 12 s is not in the lesson: not decodable"]
    state.apply(damaged(1))
    assert gaps_of(state, Kind.AUDIO) == [(4, 8, "damaged")]


@pytest.mark.parametrize("spec", [CAMERA, FILE], ids=["live", "a file"])
def test_what_nobody_can_decode_of_a_segment_is_a_gap_and_the_rest_is_not(spec: SourceSpec) -> None:
    end = [SourceFinished(source="teacher", at=moment(16)), FrozenUntil(at=16 * S, final=True)]
    parts = [record for one in film(4)[3:5] if isinstance(one, SegmentCommitted) for record in undecoded(one.segment)]
    state = folded(*film(4), *end, *parts, spec=spec)
    rounded = {
        kind: [(round(start, 2), round(stop, 2), code) for start, stop, code in gaps_of(state, kind)] for kind in Kind
    }
    assert rounded == {
        Kind.VIDEO: [(4, 6, "undecodable"), (8, 10, "undecodable")],
        Kind.AUDIO: [(6, 8, "undecodable"), (10, 12, "undecodable")],
    }
    for kind in Kind:  # what is left of them can still be decoded
        assert len(state.sources["teacher"].segments_of(kind, 0).decoded_for(Span(0, 16 * S))) == 4


def test_the_end_of_a_file_that_nobody_can_decode_is_in_the_lesson_as_a_gap() -> None:
    state = folded(*film(4), SourceFinished(source="teacher", at=moment(16)), unseen(3), damaged(3), spec=FILE)
    assert lesson_end(state, LessonClock(state)) == 16 * S
    assert gaps_of(state) == [(12, 16, "damaged")]


def test_beside_a_real_loss_each_has_its_own_name() -> None:
    lost = SourceLost(source="teacher", epoch=0, at=moment(8), reason="unplugged", code="no_signal")
    back = [began(1), placed(0, epoch=1), stored(2, epoch=1, video=packets(20, 24), audio=packets(20, 24))]
    state = folded(*film(2), lost, *back, damaged(1))
    assert gaps_of(state) == [(4, 8, "damaged"), (8, 20, "no_signal")]


def test_a_picture_that_stands_is_lost_until_the_next_one() -> None:
    """Slides, one to a segment, each shown for 10 s: the file holds one instant of it."""
    slides = [stored(n, video=packets(10 * n, 10 * n + 0.04, count=1)) for n in range(4)]
    for records in ([*slides, damaged(1)], [*slides[:2], damaged(1), *slides[2:]]):
        state = folded(began(streams=began().streams[:1]), placed(), *records, spec=FILE)
        assert gaps_of(state) == [(10, 20, "damaged")]


def test_while_it_is_recorded_damage_at_the_end_is_said_at_once() -> None:
    state = folded(Start(at=moment()), *film(3), damaged(1))
    assert gaps_of(state) == [(4, 8, "damaged")]


def test_damage_to_what_nobody_knows_changes_nothing() -> None:
    state = folded(*film(2), damaged(7), damaged(0, epoch=3))
    assert what_is_seen(state) == what_is_seen(folded(*film(2)))
    state.apply(SegmentDamaged(source="nobody", epoch=0, seq=0, problem="missing"))
    assert len(state.strays) == 1


@given(st.sets(st.integers(0, 9)), st.integers(0, 39))
def test_no_decoder_starts_in_a_segment_that_needs_the_one_before(joined: set[int], at_s: int) -> None:
    found = [SegmentJoined(source="teacher", epoch=0, seq=seq) for seq in sorted(joined)]
    for records in ([*film(10), *found], [*found, *film(10)]):
        source = folded(*records).sources["teacher"]
        read = [one.seq for one in source.segments_of(Kind.VIDEO, 0).decoded_for(Span(at_s * S, at_s * S + S))]
        first = max(seq for seq in range(at_s // 4 + 1) if seq == 0 or seq not in joined)
        assert read == list(range(first, at_s // 4 + 1))
        assert source.lesson_coverage(Kind.VIDEO) == [Span(0, 40 * S)], "nothing is missing"
