"""State is a fold: the same records, once or often, at once or line by line, give the same state."""

from __future__ import annotations

import errno
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import StorageError
from lesson.gaps import Gap
from lesson.journal import JournalWriter, append_records, read_journal
from lesson.model import Kind, Layout, SourceSpec, StreamInfo
from lesson.phase import Phase
from lesson.records import (
    ChunkEncoded,
    CropPath,
    EpochStarted,
    FrozenUntil,
    Mapped,
    ObjectStored,
    PlaylistPublished,
    PublishStarted,
    Record,
    RenditionStarted,
    SegmentCommitted,
    Shot,
    SourceFinished,
    SourceLost,
    Start,
    Stop,
    Verified,
)
from lesson.roles import picture_order, voice_order
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from lesson.view import LessonView, load_state
from tests.kit.lessons import (
    TEACHER_AND_MIC,
    encode_all,
    epoch_started,
    header,
    make_lesson,
    moment,
    plan_all,
    record_all,
    segment,
    source,
)
from tests.kit.strategies import FAR, records

TEACHER, MIC = TEACHER_AND_MIC
S = TICKS_PER_SECOND


def folded(*given_records: Record, sources: tuple[SourceSpec, ...] = TEACHER_AND_MIC) -> LessonState:
    state = LessonState(header(sources=sources))
    for record in given_records:
        state.apply(record)
    return state


def mapped(epoch: int = 0, *, offset_s: float = 0.0, spec: SourceSpec = TEACHER) -> Mapped:
    return Mapped(map=ClockMap(spec.id, epoch, Span(0, FAR), round(offset_s * S)))


def committed(*seqs: int, epoch: int = 0, **fields: float) -> list[Record]:
    return [SegmentCommitted(segment=segment(TEACHER, seq, epoch=epoch, **fields)) for seq in seqs]  # type: ignore[arg-type]


def span_s(start: float, end: float) -> Span:
    return Span(round(start * S), round(end * S))


def named(record: Record, source_id: str, rendition: str) -> Record:
    """The record, about a source and a rendition the header knows."""
    match record:
        case SegmentCommitted():
            return replace(record, segment=replace(record.segment, source=source_id))
        case Mapped():
            return replace(record, map=replace(record.map, source=source_id))
        case ChunkEncoded():
            return replace(record, chunk=replace(record.chunk, rendition=rendition))
        case RenditionStarted():
            return replace(record, rendition=rendition)
        case EpochStarted() | SourceLost() | SourceFinished() | CropPath():
            return replace(record, source=source_id)
    return record


known = st.builds(named, records, st.sampled_from(["teacher", "mic"]), st.sampled_from(["voice", "low", "high"]))


@given(st.lists(known, max_size=30), st.data())
def test_repeating_any_record_changes_nothing(written: list[Record], data: st.DataObject) -> None:
    """Stages killed between doing and knowing write a record again; followers may read one again."""
    repeated: list[Record] = []
    for record in written:
        repeated += [record] * data.draw(st.integers(1, 3))
    assert folded(*repeated) == folded(*written)
    listed = [r for r in written if isinstance(r, (EpochStarted, SegmentCommitted, SourceLost, Mapped, Shot, CropPath))]
    assert folded(*written, *data.draw(st.permutations(listed))) == folded(*written)


@given(st.lists(known | records, max_size=20))
def test_any_records_in_any_order_fold_and_answer(written: list[Record]) -> None:
    state = folded(*written)
    assert state.phase in Phase
    assert state.duration >= 0
    assert all(gap.span.duration >= S // 2 for gap in state.gaps())
    assert isinstance(state.encoded and state.captured, bool)


def test_following_line_by_line_gives_the_state_of_reading_at_once(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    whole = load_state(folder)
    journals = {path: read_journal(path) for path in folder.state_journals()}
    for path in journals:
        path.unlink(missing_ok=True)
    view = LessonView(folder)
    assert view.poll() is False
    for path, written in journals.items():
        for record in written:
            append_records(path, [record])
            assert view.poll() is True
    assert view.poll() is False
    assert view.state == whole
    assert (whole.encoded, whole.captured, whole.phase) == (True, True, Phase.PROCESSING)
    assert whole.duration == 12 * S


def test_phases_follow_the_journals() -> None:
    steps: list[tuple[Record, Phase]] = [
        (Start(at=moment()), Phase.RECORDING),
        (Stop(at=moment(9)), Phase.PROCESSING),
        (PublishStarted(url="file:///store/lesson"), Phase.PROCESSING),
        (Verified(objects=1, bytes=1, manifest_sha256="0" * 64), Phase.PUBLISHED),
        (PublishStarted(url="file:///store/lesson"), Phase.PUBLISHED),
        (PublishStarted(url="s3+http://other"), Phase.PROCESSING),
    ]
    state = folded()
    assert state.phase is Phase.CREATED
    for record, phase in steps:
        state.apply(record)
        assert state.phase is phase


def test_the_first_start_and_the_first_stop_count() -> None:
    state = folded(Start(at=moment(1)), Start(at=moment(2)), Stop(at=moment(3)), Stop(at=moment(4)))
    assert state.start == Start(at=moment(1))
    assert state.stop == Stop(at=moment(3))


def test_another_store_holds_nothing_yet() -> None:
    stored = ObjectStored(key="low/init.mp4", bytes=1, sha256="0" * 64)
    playlist = PlaylistPublished(key="index.m3u8", chunks=1, final=False, sha256="0" * 64)
    one, two = PublishStarted(url="file:///one"), PublishStarted(url="file:///two")
    state = folded(one, stored, playlist, one)
    assert (list(state.objects), list(state.playlists)) == (["low/init.mp4"], ["index.m3u8"])
    state.apply(two)
    assert (state.objects, state.playlists) == ({}, {})
    for record in (one, stored):
        state.apply(record)
    assert list(state.objects) == ["low/init.mp4"]


def test_captured_needs_the_stop_and_the_end_of_every_source() -> None:
    done = [SourceFinished(source=spec.id, at=moment(9)) for spec in TEACHER_AND_MIC]
    assert not folded(*done).captured
    assert not folded(Stop(at=moment(9)), done[0]).captured
    assert folded(Stop(at=moment(9)), *done).captured


def test_encoded_needs_every_chunk_of_every_rendition(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    plan_all(folder, final=False)
    encode_all(folder)
    assert not load_state(folder).encoded
    append_records(folder.plan_journal(), [FrozenUntil(at=12 * S, final=True)])
    assert load_state(folder).encoded
    append_records(folder.plan_journal(), [FrozenUntil(at=30 * S, final=True)])
    state = load_state(folder)
    assert (state.encoded, state.renditions["low"].leading) == (False, 4)


def test_a_playlist_names_chunks_up_to_the_first_hole(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    encode_all(folder)
    chunks = [r for r in read_journal(folder.rendition_journal("low")) if isinstance(r, ChunkEncoded)]
    state = folded(*(chunk for chunk in reversed(chunks) if chunk.chunk.index != 2))
    assert (len(state.renditions["low"].chunks), state.renditions["low"].leading) == (3, 2)


def test_coverage_runs_on_through_segments_and_breaks_where_one_is_missing() -> None:
    state = folded(epoch_started(TEACHER), *committed(0, 1, 3, 4))
    stretches = state.sources["teacher"].coverage(Kind.VIDEO)
    assert [stretch.span for stretch in stretches] == [span_s(0, 8), span_s(12, 20)]
    segments = state.sources["teacher"].segments_of(Kind.VIDEO, 0)
    assert [[s.seq for _, s in segments.overlapping(stretch.span)] for stretch in stretches] == [[0, 1], [3, 4]]
    assert state.sources["teacher"].coverage(Kind.AUDIO) == []
    assert state.sources["teacher"].numbering.next == 5


def test_small_holes_between_the_files_of_one_epoch_are_no_holes() -> None:
    """A late frame at a cut: what follows in the same epoch is decoded through."""
    pieces = [*committed(0, seconds=3.7), *committed(1)]
    assert [c.span for c in folded(*pieces).sources["teacher"].coverage(Kind.VIDEO)] == [span_s(0, 8)]


def test_epochs_are_placed_by_their_own_maps() -> None:
    state = folded(
        epoch_started(TEACHER),
        *committed(0, 1),
        SourceLost(source="teacher", epoch=0, at=moment(8), reason="unplugged"),
        epoch_started(TEACHER, 1, reason="reconnected"),
        *committed(2, 3, epoch=1, start_s=100.0),
        mapped(0),
        Stop(at=moment(30)),
    )
    teacher = state.sources["teacher"]
    assert teacher.lesson_coverage(Kind.VIDEO) == [span_s(0, 8)]  # epoch 1 has no place yet
    state.apply(mapped(1, offset_s=-85))
    assert (teacher.last_epoch, teacher.map_at(2, 0), teacher.to_lesson(2, 0)) == (1, None, None)
    assert teacher.lesson_coverage(Kind.VIDEO)[0] == span_s(0, 8)
    assert teacher.lesson_coverage(Kind.VIDEO)[1].start == 15 * S
    assert state.gaps()[0] == Gap("teacher", Kind.VIDEO, span_s(8, 15), "unknown", "unplugged")


def test_a_gap_without_a_recorded_loss_is_an_interruption() -> None:
    state = folded(
        epoch_started(TEACHER),
        *committed(0),
        epoch_started(TEACHER, 1),
        *committed(1, epoch=1, start_s=0.0),
        mapped(0),
        mapped(1, offset_s=6),
        FrozenUntil(at=10 * S, final=True),
        sources=(TEACHER,),
    )
    assert state.gaps() == [Gap("teacher", Kind.VIDEO, span_s(4, 6), "interrupted", "recording was interrupted")]


def test_every_gap_has_the_reason_of_its_own_loss() -> None:
    state = folded(
        *(epoch_started(TEACHER, epoch) for epoch in range(3)),
        *committed(0, epoch=0, start_s=0.0),
        *committed(1, epoch=1, start_s=0.0),
        *committed(2, epoch=2, start_s=0.0),
        SourceLost(source="teacher", epoch=1, at=moment(), reason="cable"),
        SourceLost(source="teacher", epoch=1, at=moment(1), reason="still no cable"),
        mapped(0, offset_s=2),
        mapped(1, offset_s=8),
        mapped(2, offset_s=15),
        FrozenUntil(at=19 * S, final=True),
        sources=(TEACHER,),
    )
    assert [(gap.span, gap.reason) for gap in state.gaps()] == [
        (span_s(0, 2), "no signal"),
        (span_s(6, 8), "recording was interrupted"),
        (span_s(12, 15), "cable"),
    ]


def test_a_source_that_never_came_is_one_long_gap_with_its_reason() -> None:
    end = FrozenUntil(at=20 * S, final=True)
    lost = SourceLost(source="mic", epoch=-1, at=moment(), reason="no such card")
    over = SourceFinished(source="mic", at=moment(20))
    assert folded(over, end, sources=(MIC,)).gaps() == [Gap("mic", Kind.AUDIO, span_s(0, 20), "no_signal", "no signal")]
    assert folded(end, lost, sources=(MIC,)).gaps() == [
        Gap("mic", Kind.AUDIO, span_s(0, 20), "unknown", "no such card")
    ]


def test_start_up_skew_is_no_gap() -> None:
    state = folded(
        epoch_started(TEACHER), *committed(0), mapped(0, offset_s=0.4), FrozenUntil(at=4 * S, final=True),
        sources=(TEACHER,),
    )  # fmt: skip
    assert state.gaps() == []


def test_imported_files_may_begin_and_end_when_they_do() -> None:
    spec = source("teacher", imported=True)
    recorded: list[Record] = [
        epoch_started(spec, start=0),
        SegmentCommitted(segment=segment(spec, 0)),
        SegmentCommitted(segment=segment(spec, 2)),
        mapped(0, offset_s=3),
        FrozenUntil(at=60 * S, final=True),
    ]
    assert [gap.span for gap in folded(*recorded, sources=(spec,)).gaps()] == [span_s(7, 11)]


def test_strays_are_reported_and_harm_nothing(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    stranger = source("board", "stranger")
    append_records(
        folder.raw_journal("teacher"), [epoch_started(stranger), SegmentCommitted(segment=segment(stranger, 0))]
    )
    append_records(folder.plan_journal(), [Mapped(map=ClockMap("nobody", 0, Span(0, 1), 0)), FrozenUntil(at=5)])
    view = LessonView(folder)
    view.poll()
    assert set(view.state.sources) == {"teacher", "mic"}
    assert view.state.frozen_until == 5
    assert [line.split()[0] for line in view.damage] == ["EpochStarted", "Mapped", "SegmentCommitted"]


def test_damage_names_journal_and_place(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    path = folder.raw_journal("teacher")
    data = bytearray(path.read_bytes())
    data[data.index(b"\n") + 30] ^= 1
    path.write_bytes(data)
    assert load_state(folder).sources["teacher"].coverage(Kind.VIDEO)[0].span == span_s(0, 12), (
        "its CRC tells what it was"
    )
    data[data.index(b"\n") + 50] ^= 1
    path.write_bytes(data)
    view = LessonView(folder)
    view.poll()
    second_line = data.index(b"\n") + 1
    assert view.damage == [f"raw/teacher/journal.jsonl: 1 damaged line(s), first at byte {second_line}"]
    assert [c.span for c in view.state.sources["teacher"].coverage(Kind.VIDEO)] == [span_s(4, 12)]


@pytest.mark.parametrize("drift", [0, 3, -3])
def test_a_new_map_rules_from_its_span_on(drift: Ticks) -> None:
    maps = [Mapped(map=ClockMap("teacher", 0, Span(at * S, FAR), n * drift)) for n, at in enumerate((0, 10, 20))]
    teacher = folded(*maps).sources["teacher"]
    assert teacher.map_at(0, -5) == maps[0].map
    assert teacher.map_at(0, 10 * S) == maps[1].map
    assert teacher.map_at(0, FAR) == maps[2].map
    assert [teacher.to_lesson(0, at * S) for at in (5, 15, 25)] == [5 * S, 15 * S + drift, 25 * S + 2 * drift]


def test_orders_of_preference_go_by_role_and_by_what_streams_there_are() -> None:
    both = (
        StreamInfo(kind=Kind.VIDEO, codec="h264", width=16, height=16, fps=Fraction(25)),
        StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1),
    )
    specs = (source("students"), source("board"), source("mic"), source("teacher"))
    epochs: list[EpochStarted] = [epoch_started(spec, streams=both) for spec in specs[:1] + specs[3:]]
    epochs += [epoch_started(specs[1]), epoch_started(specs[2])]
    state = folded(*epochs, sources=specs)
    assert voice_order(state) == ["mic", "teacher", "students"]
    assert picture_order(state) == ["teacher", "students", "board"]


def test_shots_stay_in_order(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    shots = [Shot(span=span_s(n, n + 1), layout=Layout.SLATE, sources=(), reason=str(n)) for n in range(5)]
    with JournalWriter(folder.plan_journal()) as journal:
        journal.append(*shots)
        journal.append(*shots[3:])
    assert load_state(folder).shots == shots


def test_a_view_forgets_what_a_failing_disk_took_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_lesson(tmp_path)
    append_records(folder.control_journal, [Start(at=moment(0))])
    view = LessonView(folder)
    held = view.state

    def fails(_fd: int) -> None:
        view.poll()  # a reader is quicker than the disk
        raise OSError(errno.EIO, "the disk is broken")

    with JournalWriter(folder.plan_journal()) as journal:
        monkeypatch.setattr("lesson.journal.os.fsync", fails)
        with pytest.raises(StorageError):
            journal.append(FrozenUntil(at=48_000, final=True))
        monkeypatch.undo()
    assert held.final
    view.poll()
    assert view.state is held
    assert not held.final
    assert held.frozen_until == 0
    assert held.start is not None
