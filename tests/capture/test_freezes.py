"""Streams that freeze while others go on, at any instant and beside lost connections: named once, where, and why.

The rules of capture over made-up arrivals, and of the lesson over what they journal; only files and clocks are made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from capture import intake as intake_module
from capture import recorder as recorder_module
from capture.background_sync import BackgroundSync
from capture.disk import Disk
from capture.intake import LiveIntake
from capture.recorder import Recorder
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.ledger import ledger_problems
from lesson.loss import Loss
from lesson.model import Kind, StreamInfo
from lesson.records import Mapped, Record, SegmentCommitted, Start, Stop
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, ClockMap, Span
from media.feeds.packets import Announced, Feed, FeedPacket, FeedStream
from media.feeds.segment import Contents, RangeCounter
from tests.capture.test_presence import BOTH, PATIENCE_S, SECOND, START, Scene
from tests.kit.lessons import header, source

CAMERA = source("teacher")
APART_S = 9.0
EXACT_S = 0.5
STREAMS = {
    kind: FeedStream(StreamInfo(kind=kind, codec=codec), cast("Any", None))
    for kind, codec in ((Kind.VIDEO, "h264"), (Kind.AUDIO, "aac"))
}


@dataclass
class CountingWriter:
    """Counts what a segment file would hold."""

    path: object
    sink: object
    streams: Mapping[Kind, FeedStream]
    label: str = ""
    ranges: dict[Kind, RangeCounter] = field(default_factory=dict)
    newest: dict[Kind, int] = field(default_factory=dict)

    def write(self, packet: FeedPacket) -> bool:
        if packet.pts < self.newest.get(packet.kind, 0):
            return False
        self.newest[packet.kind] = packet.pts
        ms = [round(ticks * 1000 / TICKS_PER_SECOND) for ticks in (packet.pts, packet.duration)]
        self.ranges.setdefault(packet.kind, RangeCounter(packet.kind)).add(ms[0], ms[1], key=packet.key)
        return True

    def finish(self) -> Contents:
        found = {kind: counted for kind, counter in self.ranges.items() if (counted := counter.result())}
        return Contents(found, ())

    def abandon(self) -> None:
        """There is no file."""


class JournalOnly:
    """A disk that takes everything at once, and keeps the records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def create(self, path: object) -> SimpleNamespace:
        return SimpleNamespace(path=path)

    def commit(self, _file: object, record: Callable[[int, str], Record]) -> None:
        self.records.append(record(1, "0" * 64))

    def append(self, *records: Record, regardless: bool = False) -> None:  # noqa: ARG002 - as the real one
        self.records += records


@dataclass(frozen=True)
class Away:
    """From `start_s` to `end_s` nothing comes of `kind`; of None: the connection is lost, and there again."""

    kind: Kind | None
    start_s: float
    end_s: float


@dataclass
class Recording:
    """A camera that is recorded, with a clock that only its packets move."""

    aways: list[Away]
    gop_s: float
    length_s: int
    now_ns: int = 0
    disk: JournalOnly = field(default_factory=JournalOnly)

    @property
    def scene(self) -> Scene:
        away = {kind: [(a.start_s, a.end_s) for a in self.aways if a.kind in (kind, None)] for kind in Kind}
        return Scene(length_s=self.length_s, away=away, gop_s=self.gop_s)

    def records(self, folder: LessonFolder) -> list[Record]:
        sync = cast("BackgroundSync", SimpleNamespace(watch=lambda *_: None))
        clock = SimpleNamespace(monotonic_ns=lambda: self.now_ns, monotonic=lambda: self.now_ns / SECOND)
        moments = SimpleNamespace(now=lambda: moment_at(self.now_ns), of=moment_at)
        with (
            mock.patch.object(recorder_module, "SegmentWriter", CountingWriter),
            mock.patch.object(recorder_module, "Moment", moments),
            mock.patch.object(intake_module, "Moment", moments),
            mock.patch.object(intake_module, "time", clock),
        ):
            recorder = Recorder(folder, CAMERA, SourceState(CAMERA), cast("Disk", self.disk), sync)
            cuts = [a for a in self.aways if a.kind is None]
            arrivals = list(held_back(self.scene.packets()))
            begins = [0.0, *(cut.end_s for cut in cuts)]
            ends = [*(cut.start_s for cut in cuts), float(self.length_s)]
            for since_s, until_s in zip(begins, ends, strict=True):
                self._connection(recorder, arrivals, since_s, until_s)
                if until_s < self.length_s:
                    recorder.lost("the camera closed", Loss.ENDED)
            recorder.finished()
        return self.disk.records

    def _connection(
        self, recorder: Recorder, arrivals: list[tuple[int, FeedPacket]], since_s: float, until_s: float
    ) -> None:
        """What a connection does with its packets, until it is lost."""
        self.now_ns = max(self.now_ns, round(since_s * SECOND))
        feed = SimpleNamespace(
            streams=STREAMS, expected=BOTH, stall_s=PATIENCE_S, late=frozenset(), reopens=False,
            announced=[Announced(stream=0, kind=Kind.VIDEO, codec="h264"),
                       Announced(stream=1, kind=Kind.AUDIO, codec="aac")],
        )  # fmt: skip
        taking, heard = LiveIntake(CAMERA, cast("Feed", feed), recorder), {}
        while self.now_ns < until_s * SECOND:
            while arrivals and arrivals[0][0] <= self.now_ns:
                _, packet = arrivals.pop(0)
                if packet.pts - START >= since_s * TICKS_PER_SECOND:  # else libav lost it with the connection
                    heard[packet.kind] = self.now_ns
                    taking.take(packet)
            lost = taking.look(heard)
            assert lost is None, lost
            self.now_ns += SECOND // 10
        taking.end()


def moment_at(monotonic_ns: int) -> Moment:
    return Moment("boot-1", monotonic_ns, "2026-11-02T08:00:00+00:00")


def held_back(packets: list[FeedPacket]) -> Iterator[tuple[int, FeedPacket]]:
    """When each packet is given out: pictures only once the next one begins, as libav reads H.264 over RTSP."""
    found: list[tuple[int, FeedPacket]] = []
    for kind in Kind:
        mine = [packet for packet in packets if packet.kind is kind]
        given = [packet.arrival_ns for packet in mine]
        given = [*given[1:], given[-1]] if kind is Kind.VIDEO else given
        found += zip(given, mine, strict=True)
    return iter(sorted(found, key=lambda one: one[0]))


def lesson_of(records: list[Record], length_s: float) -> LessonState:
    state = LessonState(header(sources=(CAMERA,)))
    state.apply(Start(at=moment_at(0)))
    for record in records:
        state.apply(record)
    for epoch in state.sources["teacher"].epochs:
        state.apply(Mapped(map=ClockMap("teacher", epoch.epoch, Span(0, TICKS_PER_SECOND), -START)))
    state.apply(Stop(at=moment_at(round(length_s * NANOSECONDS_PER_SECOND))))
    return state


@st.composite
def faults(draw: st.DrawFn) -> list[Away]:
    found, at = [], 0.0
    for _ in range(draw(st.integers(1, 4))):
        at += APART_S + draw(st.floats(0, 5))
        length = draw(st.floats(3, 20))
        found.append(Away(draw(st.sampled_from([Kind.VIDEO, Kind.AUDIO, None])), at, at + length))
        at += length
    return found


@st.composite
def reconnecting(draw: st.DrawFn) -> list[Away]:
    """A stream is away when the connection is lost, or when it is back."""
    kind = draw(st.sampled_from(list(Kind)))
    frozen, cut = draw(st.floats(10, 20)), draw(st.floats(1, 8))
    start = draw(st.floats(frozen - cut + 0.5, frozen + 10))
    return [Away(kind, frozen, frozen + draw(st.floats(9, 20))), Away(None, start, start + cut)]


def missing(aways: list[Away], kind: Kind, gop_s: float) -> list[tuple[float, float, float]]:
    """Of each stretch in which a kind is away: its start, its end, and when a decoder can start after it."""
    parts: list[list[float]] = []
    for one in sorted((a for a in aways if a.kind in (kind, None)), key=lambda a: a.start_s):
        if parts and one.start_s <= parts[-1][1] + (gop_s if kind is Kind.VIDEO else 0):
            parts[-1][1] = max(parts[-1][1], one.end_s)
        else:
            parts.append([one.start_s, one.end_s])
    return [(a, b, -(-b // gop_s) * gop_s if kind is Kind.VIDEO else b) for a, b in parts]


def named_once(folder: LessonFolder, aways: list[Away], gop_s: float) -> None:
    length_s = round(max(away.end_s for away in aways)) + 8
    state = lesson_of(Recording(aways, gop_s, length_s).records(folder), length_s)
    gaps = state.gaps()
    for kind in Kind:
        found = [gap for gap in gaps if gap.kind is kind]
        wanted = missing(aways, kind, gop_s)
        said = [(gap.span.start / TICKS_PER_SECOND, gap.span.end / TICKS_PER_SECOND, gap.code) for gap in found]
        assert len(found) == len(wanted), (kind, said, wanted)
        for (start, end, code), (gone, back, key) in zip(said, wanted, strict=True):
            assert abs(start - gone) <= EXACT_S, (kind, said, wanted)
            assert back - EXACT_S <= end <= key + EXACT_S, (kind, said, wanted)
            assert code in why(aways, kind, gone, back, key), (kind, said, wanted)
    assert ledger_problems(state) == []
    assert any(isinstance(record, SegmentCommitted) for record in folder_records(state))


def folder_records(state: LessonState) -> list[SegmentCommitted]:
    return [SegmentCommitted(segment=segment) for segment in state.sources["teacher"].segments]


def why(aways: list[Away], kind: Kind, gone: float, back: float, key: float) -> set[str]:
    """What may be said of a stretch: what was away in it, and what came after it and could not be decoded."""
    parts = [a for a in aways if a.kind in (kind, None) and gone <= a.start_s <= back]
    codes = {str(Loss.ENDED) if a.kind is None else str(Loss.ABSENT) for a in parts}
    codes |= {str(Loss.STALLED)} if any(a.kind for a in parts) else set()
    return codes | ({str(Loss.UNDECODABLE)} if key - back > (back - gone) * 0.9 else set())


few = settings(max_examples=12, deadline=None, phases=[Phase.generate])


@few
@given(aways=faults(), gop_s=st.floats(0.4, 4))
def test_freezes_and_lost_connections_are_named_once_where_and_why(
    aways: list[Away], gop_s: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    named_once(LessonFolder(tmp_path_factory.mktemp("lesson")), aways, gop_s)


@few
@given(aways=reconnecting(), gop_s=st.floats(0.4, 4))
def test_a_freeze_beside_a_lost_connection_is_named_once_where_and_why(
    aways: list[Away], gop_s: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    named_once(LessonFolder(tmp_path_factory.mktemp("lesson")), aways, gop_s)
