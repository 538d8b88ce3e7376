from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from lesson.clock import Moment
from lesson.interruptions import interruption_problems
from lesson.ledger import ledger_problems, stream_summaries
from lesson.loss import Loss
from lesson.model import Anchor, ChunkRecord, Kind, Layout, SegmentRecord
from lesson.overrides import OverrideShot
from lesson.records import (
    ChunkEncoded,
    EditionStarted,
    FrozenUntil,
    Mapped,
    Origin,
    Record,
    SegmentCommitted,
    Shot,
    SourceFinished,
    Start,
    Stop,
    StreamAccount,
)
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span
from tests.kit.lessons import epoch_started, header, moment, segment, source

SECOND = TICKS_PER_SECOND
MIC = source("mic", imported=True, uri="file:/a.wav")


def state_of(*records: Record, specs: tuple = (MIC,)) -> LessonState:  # type: ignore[type-arg]
    state = LessonState(header(sources=specs))
    for epoch, spec in ((0, "mic"), (1, "mic")) if MIC in specs else ():
        state.apply(Mapped(map=ClockMap(spec, epoch, Span(0, 600 * SECOND), SECOND)))
    for record in records:
        state.apply(record)
    return state


def recorded(seconds: float = 12.0, *, origin: int = SECOND) -> list[Record]:
    return [
        epoch_started(MIC, origin=origin, start=2 * SECOND),
        SegmentCommitted(segment=segment(MIC, 0, start_s=origin / SECOND, seconds=seconds)),
    ]


def account(**fields: object) -> StreamAccount:
    values: dict[str, object] = {"source": "mic", "epoch": 0, "stream": 0, "kind": Kind.AUDIO, "codec": "aac"}
    return StreamAccount(**{**values, **fields})  # type: ignore[arg-type]


def test_what_is_whole_is_no_problem() -> None:
    state = state_of(*recorded(), account(stated=round(12.9 * SECOND)))
    assert ledger_problems(state) == []
    (summary,) = stream_summaries(state)
    assert (summary.first, summary.last) == (2 * SECOND, 14 * SECOND)
    assert (summary.held, summary.stated, summary.reason) == (12 * SECOND, round(12.9 * SECOND), None)


def test_what_begins_late_is_not_longer_for_that() -> None:
    late = [epoch_started(MIC, origin=SECOND), SegmentCommitted(segment=segment(MIC, 0, start_s=41, seconds=4))]
    state = state_of(*late, account(stated=44 * SECOND))
    assert ledger_problems(state) == []
    (summary,) = stream_summaries(state)
    assert (summary.first, summary.held, summary.stated) == (42 * SECOND, 4 * SECOND, 4 * SECOND)


def test_tracks_that_are_mixed_are_as_long_as_the_longest() -> None:
    tracks = [account(stream=number, stated=length * SECOND) for number, length in enumerate((12, 9))]
    state = state_of(*recorded(), *tracks)
    assert ledger_problems(state) == []
    assert [summary.stated for summary in stream_summaries(state)] == [12 * SECOND]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([*recorded(5.5), account(stated=12 * SECOND)], "mic: sound ends after 5.5 of 12 s"),
        ([*recorded(0.4), account(stated=35 * SECOND)], "mic: sound ends after 0.4 of 35 s"),
        ([*recorded(), account(stream=1, used=False, code="left_out")],
         "mic: sound track 2 (aac) is not in the lesson: another track is used"),
        ([*recorded(), account(stream=2, kind=Kind.VIDEO, codec="h264", used=False, code="absent")],
         "mic: picture track 3 (h264) is not in the lesson: this stream was not delivered"),
        ([epoch_started(MIC), account(stated=35 * SECOND)], "mic: sound track 1 (aac) was announced and gave nothing"),
        ([*recorded(), account(dropped=SECOND // 4, dropped_packets=12, code="undecodable")],
         "mic: 0.2 s in 12 packets were dropped between 2 and 14 s: not decodable"),
        ([epoch_started(MIC), SourceFinished(source="mic", at=moment())], "mic: sound was announced and gave nothing"),
    ],
)  # fmt: skip
def test_what_was_announced_and_is_not_there_is_said(records: list[Record], says: str) -> None:
    assert ledger_problems(state_of(*records)) == [says.replace("mic: 0.2 s", "mic: sound: 0.2 s")]


@pytest.mark.parametrize("dropped", [0, SECOND // 5])
def test_a_few_dropped_samples_are_no_problem(dropped: int) -> None:
    assert ledger_problems(state_of(*recorded(), account(dropped=dropped))) == []


def test_the_newest_account_counts() -> None:
    state = state_of(*recorded(), account(stated=60 * SECOND), account(stated=12 * SECOND))
    assert ledger_problems(state) == []


def test_a_part_is_named() -> None:
    second = replace(segment(MIC, 1, start_s=1, seconds=5.5), epoch=1)
    state = state_of(
        *recorded(), account(stated=12 * SECOND), epoch_started(MIC, 1, origin=SECOND, start=14 * SECOND),
        SegmentCommitted(segment=second), account(epoch=1, stated=12 * SECOND),
    )  # fmt: skip
    assert ledger_problems(state) == ["mic: sound ends after 5.5 of 12 s (of the part from 14 s on)"]
    (summary,) = stream_summaries(state)
    assert (summary.stated, summary.reason) == (24 * SECOND, Loss.TRUNCATED)


@pytest.mark.parametrize(("code", "said"), [(Loss.ABSENT, False), (Loss.UNDECODABLE, False), (Loss.LEFT_OUT, True)])
def test_what_a_live_source_lacked_for_a_while_is_a_gap_and_a_track_left_out_a_problem(code: Loss, said: bool) -> None:
    camera = source("teacher")
    records = [
        epoch_started(camera),
        StreamAccount(source="teacher", epoch=0, stream=0, kind=Kind.VIDEO, codec="h264", used=False, code=code.value),
        epoch_started(camera, 1),
        SegmentCommitted(segment=segment(camera, 0, epoch=1)),
    ]
    problems = ledger_problems(state_of(*records, specs=(camera,)))
    assert any("picture track 1 (h264) is not in the lesson" in problem for problem in problems) is said


def test_what_a_live_stream_dropped_in_a_gap_is_the_gap_and_elsewhere_it_is_said_where() -> None:
    camera = source("teacher")
    pictures = [replace(segment(camera, n, start_s=at, seconds=4), epoch=n) for n, at in enumerate((0, 20))]

    def problems(*runs: Span) -> list[str]:
        told = StreamAccount(source="teacher", epoch=1, stream=0, kind=Kind.VIDEO, dropped=SECOND, dropped_packets=25,
                             dropped_in=runs, code="undecodable")  # fmt: skip
        state = LessonState(header(sources=(camera,)))
        for record in (*(epoch_started(camera, n) for n in (0, 1)), *map(_committed, pictures), told):
            state.apply(record)
        for epoch in (0, 1):
            state.apply(Mapped(map=ClockMap("teacher", epoch, Span(0, SECOND), 0)))
        return ledger_problems(state)

    assert problems(Span(17 * SECOND, 18 * SECOND)) == []
    assert problems(Span(21 * SECOND, 22 * SECOND)) == [
        "teacher: picture: 1 s in 25 packets were dropped between 21 and 22 s: not decodable"
    ]


def _committed(one: SegmentRecord) -> SegmentCommitted:
    return SegmentCommitted(segment=one)


def test_what_an_epoch_stored_may_lie_in_the_one_before_it() -> None:
    camera = source("teacher")
    told = StreamAccount(source="teacher", epoch=1, stream=0, kind=Kind.VIDEO, codec="h264")
    records = [epoch_started(camera), SegmentCommitted(segment=segment(camera, 0)), epoch_started(camera, 1), told]
    assert ledger_problems(state_of(*records, specs=(camera,))) == []


def test_where_no_file_has_a_picture_is_said() -> None:
    film = source("teacher", imported=True, uri="file:/a.mp4")
    shots = [
        Shot(span=Span(0, 4 * SECOND), layout=Layout.FULL, sources=("teacher",), reason="x"),
        Shot(span=Span(4 * SECOND, 8 * SECOND), layout=Layout.SLATE, sources=(), reason="x"),
        Shot(span=Span(8 * SECOND, 12 * SECOND), layout=Layout.FULL, sources=("teacher",), reason="x"),
        Shot(span=Span(12 * SECOND, 12 * SECOND + 1920), layout=Layout.SLATE, sources=(), reason="x"),
    ]
    pictures = [epoch_started(film, start=0), SegmentCommitted(segment=segment(film, 0)), *shots]
    assert ledger_problems(state_of(*pictures, specs=(film,))) == [
        "no picture from 4 to 8 s: none of the files has one there"
    ]
    assert ledger_problems(state_of(*recorded(), *shots)) == [], "a lesson of sound alone has nothing to show"
    board = OverrideShot(span=Span(5 * SECOND, 8 * SECOND), layout=Layout.SLATE, sources=())
    asked = EditionStarted(number=1, at=moment(), overrides=(board,))
    state = state_of(asked, *pictures[:2], specs=(film,))
    for planned in shots:
        state.apply(planned, edition=1)
    assert ledger_problems(state) == ["no picture from 4 to 5 s: none of the files has one there"]


def test_a_lesson_recorded_here_without_any_sound_says_so() -> None:
    camera = source("teacher")
    seen = [Start(at=moment()), epoch_started(camera), SegmentCommitted(segment=segment(camera, 0))]
    assert ledger_problems(state_of(*seen, specs=(camera,))) == [], "it may still come"
    over = [SourceFinished(source="teacher", at=moment(4)), Stop(at=moment(4))]
    assert ledger_problems(state_of(*seen, *over, specs=(camera,))) == ["the lesson has no sound: no source gave any"]


@pytest.mark.parametrize("lacks", list(Kind))
def test_a_part_without_what_the_others_have_is_named(lacks: Kind) -> None:
    film = source("teacher", imported=True, uri="file:/a.mp4")
    state = LessonState(header(sources=(film,)))
    for epoch, at in enumerate((0, 6, 12)):
        shown = segment(film, epoch, epoch=epoch, start_s=0, seconds=6)
        has = {kind: None if kind is lacks and epoch == 2 else shown.video for kind in Kind}
        state.apply(epoch_started(film, epoch, start=at * SECOND))
        state.apply(SegmentCommitted(segment=replace(shown, video=has[Kind.VIDEO], audio=has[Kind.AUDIO])))
        state.apply(Mapped(map=ClockMap("teacher", epoch, Span(0, SECOND), at * SECOND)))
    word = "sound" if lacks is Kind.AUDIO else "picture"
    says = [f"teacher: no {word} from 12 to 18 s: this part of the recording has none"]
    assert ledger_problems(state) == says
    state.apply(StreamAccount(source="teacher", epoch=2, stream=0, kind=lacks, codec="x"))
    assert len(ledger_problems(state)) == 1, "announced: it is said once"


def test_a_slate_is_one_however_many_shots_it_is_planned_in() -> None:
    film = source("teacher", imported=True, uri="file:/a.mp4")
    edges = [round(at * SECOND) for at in (4, 9.28, 11.52, 12)]
    slates = [Shot(span=Span(a, b), layout=Layout.SLATE, sources=(), reason="x") for a, b in pairwise(edges)]
    state = state_of(epoch_started(film, start=0), SegmentCommitted(segment=segment(film, 0)), *slates, specs=(film,))
    assert ledger_problems(state) == ["no picture from 4 to 12 s: none of the files has one there"]


def test_an_imported_film_that_was_made_without_sound_lacks_nothing() -> None:
    film = source("teacher", imported=True, uri="file:/a.mp4")
    seen = [Start(at=moment()), epoch_started(film, start=0), SegmentCommitted(segment=segment(film, 0))]
    over = [SourceFinished(source="teacher", at=moment(4)), Stop(at=moment(4))]
    assert ledger_problems(state_of(*seen, *over, specs=(film,))) == []


def heard(*peaks: float | None) -> list[Record]:
    grid = header().grid
    chunks = [
        ChunkRecord(
            rendition="voice", index=n, span=grid.span(n), path="x", bytes=1, sha256="", inputs="", peak_db=peak
        )
        for n, peak in enumerate(peaks)
    ]
    return [FrozenUntil(at=len(peaks) * grid.chunk, final=True), *(ChunkEncoded(chunk=chunk) for chunk in chunks)]


def test_a_voice_that_is_never_heard_is_said() -> None:
    assert ledger_problems(state_of(*recorded(), *heard(-80.0, -72.4, -120.0))) == [
        "mic: no voice from 0 to 11.5 s, nothing above -72 dB"
    ]


def test_a_rest_is_no_problem_a_minute_without_a_voice_is() -> None:
    assert ledger_problems(state_of(*recorded(120), *heard(-20.0, *[-90.0] * 15, -30.0))) == []
    assert ledger_problems(state_of(*recorded(120), *heard(-20.0, *[-90.0] * 16, -30.0))) == [
        "mic: no voice from 3.8 to 65.3 s, nothing above -90 dB"
    ]


def test_where_there_is_no_sound_at_all_nobody_is_silent() -> None:
    teacher = source("teacher")
    assert ledger_problems(state_of(*heard(-120.0, -120.0), specs=(teacher,))) == []


def test_chunks_of_older_versions_say_nothing() -> None:
    assert ledger_problems(state_of(*recorded(), *heard(None, None))) == []


def test_what_may_still_come_is_not_missing() -> None:
    assert ledger_problems(state_of(epoch_started(MIC))) == []


def cut(before: str, after: str, *, imported: bool = False) -> LessonState:
    """A lesson of 12 s whose box was off after 4 s; what the wall clock showed at its start and at the next one."""
    mic = source("mic", imported=imported)
    at = [Moment("boot-1", 10**12, before), Moment("boot-2", 10**9, after)]
    state = LessonState(header(sources=(mic,)))
    state.apply(Start(at=at[0]))
    for epoch, places in enumerate([Span(0, 4 * SECOND), Span(4 * SECOND, 12 * SECOND)]):
        state.apply(epoch_started(mic, epoch, at=at[epoch], start=places.start if imported else None))
        length_s = places.duration / SECOND
        state.apply(SegmentCommitted(segment=segment(mic, epoch, epoch=epoch, start_s=0, seconds=length_s)))
        state.apply(Mapped(map=ClockMap("mic", epoch, places, places.start)))
    return state


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        ("2026-11-26T08:00:00+00:00", "2026-11-26T08:05:00+00:00", True),
        ("2026-11-26T08:00:00+00:00", "2026-11-26T07:00:00+00:00", False),
        ("1970-01-01T00:00:10+00:00", "2026-11-26T08:05:00+00:00", False),
        ("2026-11-26T08:00:00+00:00", "1970-01-01T00:00:10+00:00", False),
        ("1970-01-01T00:00:10+00:00", "1970-01-01T00:00:10+00:00", False),
    ],
)
def test_a_power_cut_that_no_clock_can_measure_is_said(before: str, after: str, known: bool) -> None:
    says = "at 4 s the box had been off, nobody knows for how long: its clock was wrong"
    assert ledger_problems(cut(before, after)) == ([] if known else [says])
    assert ledger_problems(cut(before, after, imported=True)) == []


def stopped(
    last_s: float, stop_s: float, *, for_s: float | None = None, back: str | None = None, killed: bool = False
) -> LessonState:
    """A lesson whose last sample came `last_s` after its start; `back`: the wall clock of the boot that stopped it.

    `killed`: its last seconds were salvaged, which have no arrivals.
    """
    mic = source("mic")
    state = LessonState(header(sources=(mic,)))
    state.apply(Start(at=moment(), for_s=for_s))
    state.apply(epoch_started(mic))
    kept_s = max(0.0, last_s - 3.0) if killed else last_s
    arrival = Anchor(pts=0, monotonic_ns=moment().monotonic_ns)
    kept = replace(segment(mic, 0, start_s=0, seconds=kept_s), anchors=(arrival,))
    salvaged = segment(mic, 1, start_s=kept_s, seconds=last_s - kept_s)
    for one in ([kept] if kept_s else []) + ([salvaged] if killed else []):
        state.apply(SegmentCommitted(segment=one))
    state.apply(Mapped(map=ClockMap("mic", 0, Span(0, 0), 0)))
    state.apply(Stop(at=Moment("boot-2", 10**9, back) if back else moment(stop_s)))
    state.apply(SourceFinished(source="mic", at=moment(stop_s)))
    return state


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(
    ("last_s", "stop_s", "more", "says"),
    [
        (60, 60.5, {}, None),
        (60, 64.5, {}, None),
        (3, 95, {}, "recording broke off at 3 s: the 92 s until the lesson was over are missing"),
        (60, 95, {}, "recording broke off at 60 s: the 35 s until the lesson was over are missing"),
        (60, 3600, {"for_s": 90.0}, "recording broke off at 60 s: the 30 s until the lesson was over are missing"),
        (60, 61, {"for_s": 90.0}, None),
        (60, 0, {"back": "2026-11-02T08:03:00+00:00"},
         "recording broke off at 60 s: the 120 s until the lesson was over are missing"),
        (60, 0, {"back": "1970-01-01T00:03:00+00:00"},
         "recording broke off at 60 s, nobody knows how long before the end: the box's clock was wrong"),
    ],
)  # fmt: skip
def test_a_recording_that_ended_before_its_lesson_says_so(
    last_s: float, stop_s: float, more: dict[str, Any], says: str | None, killed: bool
) -> None:
    assert ledger_problems(stopped(last_s, stop_s, killed=killed, **more)) == ([says] if says else [])


@pytest.mark.parametrize("stood_by", [False, True])
@pytest.mark.parametrize("late_s", [0.0, 0.21, 0.45, 0.55, 1.1, 1.6, 4.9, 5.2, 40.0])
def test_a_recording_that_began_late_says_so(late_s: float, stood_by: bool) -> None:
    """Feeds that stood by hold what is said at the press; where none did, cameras may take their time to wake up."""
    state = LessonState(header(sources=(source("mic"),)))
    state.apply(Start(at=moment(), stood_by=stood_by))
    state.apply(Origin(at=moment(late_s), master="mic"))
    late = late_s > (0.5 if stood_by else 5.0)
    said = {0.55: "0.6", 1.1: "1.1"}.get(late_s, f"{late_s:.0f}")
    says = [f"recording began {said} s after the lesson was started"] if late else []
    assert list(interruption_problems(state)) == says
