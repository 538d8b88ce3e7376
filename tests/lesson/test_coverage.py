"""Coverage is kept up record by record: at every instant it is what a fold from scratch, done naively, gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.bitrate import BitRate
from lesson.gaps import Gap
from lesson.loss import Loss
from lesson.model import Kind, PtsRange, SegmentRecord, SourceSpec, StreamInfo
from lesson.records import (
    EpochStarted,
    FrozenUntil,
    Mapped,
    Record,
    SegmentCommitted,
    SourceFinished,
    SourceLost,
    Start,
    StreamAccount,
)
from lesson.source_state import SourceState
from lesson.spans import SpanIndex
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks, uncovered
from tests.kit.lessons import MILLISECOND, header, moment, source
from tests.kit.strategies import small_spans

S = TICKS_PER_SECOND
CAMERA, MIC = source("teacher"), source("mic")
STREAMS = (
    StreamInfo(kind=Kind.VIDEO, codec="h264", width=16, height=16, fps=Fraction(25)),
    StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1),
)


def packets(start_s: float, end_s: float, *holes: tuple[float, float], count: int | None = None) -> PtsRange:
    """A stretch of a film (or of sound), in milliseconds as segments have it."""
    first, end = round(1000 * start_s), round(1000 * end_s)
    return PtsRange(
        first=first,
        last=max(first, end - 40),
        end=end,
        key=first,
        packets=count if count is not None else 1_000_000,
        holes=tuple((round(1000 * a), round(1000 * b)) for a, b in holes) or None,
    )


def stored(
    seq: int, *, video: PtsRange | None = None, audio: PtsRange | None = None, epoch: int = 0, spec: SourceSpec = CAMERA
) -> SegmentCommitted:
    return SegmentCommitted(
        segment=SegmentRecord(
            source=spec.id, epoch=epoch, seq=seq, path="x", bytes=seq + 1, sha256="", time_base=MILLISECOND,
            video=video, audio=audio,
        )
    )  # fmt: skip


def placed(offset_s: float = 0.0, *, epoch: int = 0, from_s: float = 0.0, spec: SourceSpec = CAMERA) -> Mapped:
    at = round(from_s * S)
    return Mapped(map=ClockMap(spec.id, epoch, Span(at, at), round(offset_s * S)))


def began(epoch: int = 0, spec: SourceSpec = CAMERA, **fields: object) -> EpochStarted:
    values: dict[str, object] = {"at": moment(), "streams": STREAMS, **fields}
    return EpochStarted(source=spec.id, epoch=epoch, **values)  # type: ignore[arg-type]


def folded(*records: Record, spec: SourceSpec = CAMERA) -> LessonState:
    state = LessonState(header(sources=(spec,)))
    for record in records:
        state.apply(record)
    return state


# --- the kept fold against a naive one -------------------------------------------------------------------------------


@dataclass
class Naive:
    """The same answers from nothing but the list of records."""

    records: list[Record]

    @property
    def segments(self) -> list[SegmentRecord]:
        found: dict[tuple[int, int], SegmentRecord] = {}
        for record in self.records:
            if isinstance(record, SegmentCommitted):
                found.setdefault((record.segment.epoch, record.segment.seq), record.segment)
        return list(found.values())

    def runs(self, kind: Kind) -> list[tuple[int, Span]]:
        pieces = [(segment.epoch, span) for segment in self.segments for span in segment.spans(kind)]
        found: list[tuple[int, Span]] = []
        for epoch, span in pieces:
            if found and found[-1][0] == epoch and found[-1][1].start <= span.start < found[-1][1].end + MIN_GAP:
                found[-1] = (epoch, Span(found[-1][1].start, max(found[-1][1].end, span.end)))
            else:
                found.append((epoch, span))
        return found

    def to_lesson(self, epoch: int, at: Ticks) -> Ticks | None:
        maps: list[ClockMap] = []
        for record in self.records:
            if isinstance(record, Mapped) and record.map.epoch == epoch and record.map not in maps:
                maps.append(record.map)
        for one in reversed(maps):
            if one.to_lesson(at) >= one.span.start:
                return one.to_lesson(at)
        return maps[0].to_lesson(at) if maps else None

    def lesson_runs(self, kind: Kind) -> list[tuple[int, Span]]:
        found = []
        for epoch, span in self.runs(kind):
            start, end = self.to_lesson(epoch, span.start), self.to_lesson(epoch, span.end)
            if start is not None and end is not None and start < end:
                found.append((epoch, Span(start, end)))
        return found

    @property
    def duration(self) -> Ticks:
        return max([0, *(span.end for kind in Kind for _, span in self.lesson_runs(kind))])

    def missing(self) -> list[tuple[Kind, Span]]:
        kinds = [kind for kind in Kind if self.runs(kind) or kind is Kind.VIDEO]
        return [
            (kind, hole)
            for kind in kinds
            for hole in uncovered(Span(0, self.duration), [span for _, span in self.lesson_runs(kind)])
            if hole.duration >= MIN_GAP
        ]


def assert_same(source_state: SourceState, state: LessonState, naive: Naive, window: Span) -> None:
    assert list(source_state.segments) == naive.segments
    assert source_state.numbering.next == max((s.seq for s in naive.segments), default=-1) + 1
    assert source_state.bytes == sum(s.bytes for s in naive.segments)
    assert state.duration == naive.duration
    assert [(gap.kind, gap.span) for gap in state.gaps()] == naive.missing()
    for kind in Kind:
        assert [(c.epoch, c.span) for c in source_state.coverage(kind)] == naive.runs(kind)
        lesson = naive.lesson_runs(kind)
        assert source_state.lesson_coverage(kind) == [span for _, span in lesson]
        nearby = [(epoch, span) for epoch, span in lesson if span.overlaps(window)]
        assert [(c.epoch, c.span) for c in source_state.stretches(kind, window)] == nearby
        assert source_state.reach(kind) == max((span.end for _, span in lesson), default=None)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Segments of some epochs, mostly in order, with holes between and inside; maps; now and then any of it again."""
    records: list[Record] = []
    at = [0.0, 0.0, 0.0]
    seq = 0
    for _ in range(draw(st.integers(0, 14))):
        epoch = draw(st.integers(0, 2))
        what = draw(st.sampled_from(["segment", "segment", "segment", "map", "again", "epoch"]))
        if what == "map":
            records.append(placed(draw(st.integers(-3, 9)), epoch=epoch, from_s=draw(st.integers(-2, 20))))
        elif what == "epoch":
            records.append(began(epoch))
        elif what == "again" and records:
            records.append(draw(st.sampled_from(records)))
        else:
            start = max(0.0, at[epoch] + draw(st.sampled_from([0.0, 0.0, -0.3, 0.4, 0.5, 3.0, -2.0])))
            end = at[epoch] = start + draw(st.sampled_from([0.2, 4.0, 5.0]))
            hole = draw(st.sampled_from([(), (), ((start + 0.1, start + 3.0),)]))
            kinds = draw(st.sampled_from(["va", "va", "v", "a", ""]))
            video = packets(start, end, *hole) if "v" in kinds else None
            records.append(stored(seq, epoch=epoch, video=video, audio=packets(start, end) if "a" in kinds else None))
            seq += 1
    return records


@given(histories(), st.integers(-5, 40), st.integers(0, 20), st.booleans())
def test_the_kept_fold_is_the_naive_one(records: list[Record], start: int, length: int, always: bool) -> None:
    """Asked after each record, or only at the end: what is kept must not depend on when it was asked for."""
    window = Span(start * S, (start + length) * S)
    state = LessonState(header(sources=(CAMERA,)))
    for count, record in enumerate(records, start=1):
        state.apply(record)
        if always or count == len(records):
            assert_same(state.sources["teacher"], state, Naive(records[:count]), window)


@given(histories())
def test_a_cleared_state_begins_anew(records: list[Record]) -> None:
    state = folded(*records)
    state.gaps()
    state.clear()
    assert state == LessonState(state.header)
    for record in records:
        state.apply(record)
    assert_same(state.sources["teacher"], state, Naive(records), Span(0, S))


@given(st.lists(small_spans, max_size=12), st.integers(0, 12), st.lists(small_spans, max_size=5), small_spans)
def test_an_index_finds_what_overlaps_in_any_order(
    first: list[Span], kept: int, more: list[Span], window: Span
) -> None:
    index: SpanIndex[int] = SpanIndex()
    for number, span in enumerate(first):
        index.append(span, number)
    index.cut(kept)
    for number, span in enumerate(more, start=100):
        index.append(span, number)
    everything = [*list(enumerate(first))[:kept], *enumerate(more, start=100)]
    assert index.overlapping(window) == [(span, number) for number, span in everything if span.overlaps(window)]
    assert index.reach == max((span.end for _, span in everything), default=None)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 12 * S)), max_size=20), st.integers(1, 8))
def test_the_peak_is_that_of_all_runs_of_half_to_one_and_a_half_targets(
    chunks: list[tuple[int, Ticks]], target_s: int
) -> None:
    rate = BitRate(target_s)
    for size, duration in chunks:
        rate.add(size, duration)
    rates = []
    for first in range(len(chunks)):
        for last in range(first, len(chunks)):
            size, duration = (sum(chunk[part] for chunk in chunks[first : last + 1]) for part in (0, 1))
            if target_s * S // 2 <= duration <= target_s * S * 3 // 2:
                rates.append(-(-size * 8 * S // duration))
    total = sum(duration for _, duration in chunks)
    average = -(-sum(size for size, _ in chunks) * 8 * S // total) if total else 0
    assert rate.average_bps == average
    assert rate.peak_bps == (max(rates, default=0) or average)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), max_size=15), st.integers(0, 50), st.integers(0, 30))
def test_a_decoder_is_given_all_it_needs_and_little_more(steps: list[tuple[int, int]], start: int, length: int) -> None:
    at, records = 0, []
    for seq, (rest, seconds) in enumerate(steps):
        at += rest
        records.append(stored(seq, video=packets(at, at + seconds)))
        at += seconds
    segments = [record.segment for record in records]
    stored_pictures = folded(*records).sources["teacher"].segments_of(Kind.VIDEO, 0)
    found = stored_pictures.decoded_for(Span(start * S, (start + length) * S))
    begins = [s for s in segments if (s.video.key if s.video else 0) <= start * 1000]
    wanted = [s for s in segments[max(0, len(begins) - 1) :] if s.video and s.video.first < (start + length) * 1000]
    assert found == (wanted or segments[max(0, len(begins) - 1) :][:1])


# --- a hole is a hole wherever it lies -------------------------------------------------------------------------------


def live(*segments: SegmentCommitted, end_s: float) -> LessonState:
    return folded(began(), placed(), *segments, FrozenUntil(at=round(end_s * S), final=True))


def gap(kind: Kind, start_s: float, end_s: float, code: Loss) -> tuple[Kind, Span, str]:
    return kind, Span(round(start_s * S), round(end_s * S)), code.value


def gaps_of(state: LessonState) -> list[tuple[Kind, Span, str]]:
    return [(found.kind, found.span, found.code) for found in state.gaps()]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(("hole_s", "counts"), [(0.499, False), (0.5, True), (30.2, True)])
def test_a_hole_in_the_middle_of_an_epoch_is_a_gap(hole_s: float, counts: bool, inside: bool) -> None:
    """A process that was stopped for half a minute: the numbers of its segments say nothing of it."""
    back = 4 + hole_s
    end = back + 4
    film = packets(0, end, (4, back)) if inside else packets(0, 4)
    segments = [stored(0, video=film, audio=film)]
    if not inside:
        segments.append(stored(1, video=packets(back, end), audio=packets(back, end)))
    found = gaps_of(live(*segments, end_s=end))
    assert found == ([gap(kind, 4, back, Loss.STALLED) for kind in Kind] if counts else [])


@pytest.mark.parametrize("kind", list(Kind))
def test_one_stream_alone_may_be_missing(kind: Kind) -> None:
    other = Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO
    spans = {kind: [(0, 4), (12, 16)], other: [(0, 4), (4, 8), (8, 12), (12, 16)]}
    segments = [
        stored(
            seq,
            video=packets(4 * seq, 4 * seq + 4) if (4 * seq, 4 * seq + 4) in spans[Kind.VIDEO] else None,
            audio=packets(4 * seq, 4 * seq + 4) if (4 * seq, 4 * seq + 4) in spans[Kind.AUDIO] else None,
        )
        for seq in range(4)
    ]
    assert gaps_of(live(*segments, end_s=16)) == [gap(kind, 4, 12, Loss.ABSENT)]


def test_a_camera_that_never_had_sound_lacks_none() -> None:
    assert gaps_of(live(stored(0, video=packets(0, 4)), end_s=4)) == []


def test_a_camera_that_gives_nothing_but_sound_lacks_pictures() -> None:
    assert gaps_of(live(stored(0, audio=packets(0, 4)), end_s=4)) == [gap(Kind.VIDEO, 0, 4, Loss.ABSENT)]


def test_a_stream_that_came_and_could_not_be_stored_is_not_called_absent() -> None:
    """Pictures without a key frame yet, of a camera that is heard."""
    state = folded(
        began(),
        placed(),
        stored(0, audio=packets(0, 4)),
        StreamAccount(source="teacher", epoch=0, stream=0, kind=Kind.VIDEO, codec="h264", used=False,
                      code=Loss.UNDECODABLE.value, dropped=4 * S, dropped_packets=100),
        began(1),
        placed(epoch=1),
        stored(1, epoch=1, video=packets(4, 8), audio=packets(4, 8)),
        FrozenUntil(at=8 * S, final=True),
    )  # fmt: skip
    assert gaps_of(state) == [gap(Kind.VIDEO, 0, 4, Loss.UNDECODABLE)]


def test_a_loss_explains_the_gap_it_made_and_no_earlier_one() -> None:
    state = folded(
        began(),
        began(1),
        placed(),
        placed(epoch=1),
        stored(0, video=packets(0, 4), audio=packets(0, 4)),
        stored(1, video=packets(4, 8)),
        stored(2, video=packets(8, 12), audio=packets(8, 12)),
        SourceLost(source="teacher", epoch=0, at=moment(12), reason="unplugged", code=Loss.NO_SIGNAL.value),
        stored(3, epoch=1, video=packets(20, 24), audio=packets(20, 24)),
        FrozenUntil(at=24 * S, final=True),
    )
    assert gaps_of(state) == [
        gap(Kind.VIDEO, 12, 20, Loss.NO_SIGNAL),
        gap(Kind.AUDIO, 4, 8, Loss.ABSENT),
        gap(Kind.AUDIO, 12, 20, Loss.NO_SIGNAL),
    ]
    assert state.gaps()[0] == Gap("teacher", Kind.VIDEO, Span(12 * S, 20 * S), "no_signal", "unplugged")


def test_what_is_not_committed_yet_is_no_gap_yet() -> None:
    """The other camera is a segment ahead: while this one delivers, its next segment is on its way."""
    other = source("board")
    state = LessonState(header(sources=(CAMERA, other)))
    begun = [Start(at=moment()), began(), began(spec=other), placed(), placed(spec=other)]
    for record in [*begun, stored(0, video=packets(0, 4)), stored(0, spec=other, video=packets(0, 11))]:
        state.apply(record)
    assert gaps_of(state) == []
    state.apply(stored(1, spec=other, video=packets(11, 17)))
    assert gaps_of(state) == [gap(Kind.VIDEO, 4, 17, Loss.INTERRUPTED)]
    state.apply(SourceFinished(source="teacher", at=moment(17)))
    assert gaps_of(state) == [gap(Kind.VIDEO, 4, 17, Loss.INTERRUPTED)]


def test_pictures_of_a_live_source_that_come_rarely_are_not_missing_in_between() -> None:
    """One picture a second, each said to last a twenty-fifth."""
    segments = [
        stored(seq, video=PtsRange(first=4000 * seq, last=4000 * seq + 3000, end=4000 * seq + 3040, key=0, packets=4))
        for seq in range(5)
    ]
    assert gaps_of(live(*segments, end_s=19)) == []
    late = replace(segments[4].segment, video=PtsRange(first=26_000, last=29_000, end=29_040, key=26_000, packets=4))
    missing = gaps_of(live(*segments[:4], SegmentCommitted(segment=late), end_s=29))
    assert missing == [gap(Kind.VIDEO, 15.04, 26, Loss.STALLED)]


# --- files: slides stand, what is lost is lost -----------------------------------------------------------------------

FILE = source("teacher", imported=True)


def imported(*segments: SegmentCommitted) -> LessonState:
    return folded(
        began(spec=FILE, start=0), placed(), *segments, FrozenUntil(at=600 * S, final=True), spec=FILE
    )  # fmt: skip


def slides(times: list[float], **fields: PtsRange) -> list[SegmentCommitted]:
    """One picture a segment, each said to last a twenty-fifth."""
    return [stored(seq, video=packets(at, at + 0.04, count=1), **fields) for seq, at in enumerate(times)]


def test_slides_stand_until_the_next_one() -> None:
    times = [0.0, 5.0, 60.0, 61.5, 90.0, 150.0]
    state = imported(*slides(times))
    assert gaps_of(state) == []
    assert state.sources["teacher"].lesson_coverage(Kind.VIDEO) == [Span(0, round(150.04 * S))]


def test_a_screen_without_sound_whose_pictures_come_when_something_moves_has_no_gaps() -> None:
    """Two seconds of film, eight of rest, again and again, all in one segment."""
    rests = tuple((10.0 * n + 2, 10.0 * n + 10) for n in range(5))
    assert gaps_of(imported(stored(0, video=packets(0, 52, *rests, count=6 * 50)))) == []


def test_slides_stand_while_the_voice_goes_on_and_what_both_lack_is_missing() -> None:
    segments = [
        stored(0, video=packets(0, 0.04, count=1), audio=packets(0, 30)),
        stored(1, video=packets(30, 30.04, count=1), audio=packets(30, 50, (35, 41))),
        stored(2, video=packets(50, 50.04, count=1), audio=packets(50, 70)),
    ]
    assert gaps_of(imported(*segments)) == [
        gap(Kind.VIDEO, 35, 41, Loss.ABSENT),
        gap(Kind.AUDIO, 35, 41, Loss.ABSENT),
    ]


@pytest.mark.parametrize("sound", [True, False])
def test_a_hole_in_all_streams_of_a_film_is_a_gap(sound: bool) -> None:
    film, voice = [(0, 4), (24, 28)], [(0, 4.1), (23.95, 28)]
    segments = [
        stored(seq, video=packets(*film[seq], count=100), audio=packets(*voice[seq]) if sound else None)
        for seq in range(2)
    ]
    wanted = [gap(Kind.VIDEO, 4.1 if sound else 4, 23.95 if sound else 24, Loss.ABSENT)]
    wanted += [gap(Kind.AUDIO, 4.1, 23.95, Loss.ABSENT)] if sound else []
    assert gaps_of(imported(*segments)) == wanted


def test_a_track_that_begins_later_or_ends_earlier_is_no_loss() -> None:
    segments = [
        stored(0, video=packets(0, 4, count=100)),
        stored(1, video=packets(4, 8, count=100), audio=packets(6, 8)),
        stored(2, video=packets(8, 12, count=100), audio=packets(8, 9)),
        stored(3, video=packets(12, 16, count=100)),
    ]
    assert gaps_of(imported(*segments)) == []


def test_spans_without_holes_tile_a_segment() -> None:
    segment = stored(0, video=packets(0, 10, (2, 3), (4, 9.5))).segment
    spans = segment.spans(Kind.VIDEO)
    assert spans == [Span(0, 2 * S), Span(3 * S, 4 * S), Span(round(9.5 * S), 10 * S)]
    assert all(a.end < b.start for a, b in pairwise(spans))
