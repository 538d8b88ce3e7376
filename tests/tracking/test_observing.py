"""Observing and planning a lesson of real (small) media by the real processes, crashes included."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lesson.folder import LessonFolder
from lesson.journal import append_records, read_journal
from lesson.model import Kind, Layout, PtsRange, SegmentRecord, SourceSpec, StreamInfo
from lesson.records import (
    EpochStarted,
    FrozenUntil,
    Mapped,
    Record,
    SegmentCommitted,
    SegmentObserved,
    Shot,
    SourceFinished,
)
from lesson.time import TICKS_PER_SECOND, Span
from lesson.view import load_state
from process.job import Job
from tests.kit.films import cut, film, frame_of
from tests.kit.lessons import make_lesson, moment, source, start, stop
from tests.kit.waiting import wait_until
from tests.tracking.drawn_room import board, person
from tracking.detectors import DETECTORS
from tracking.evidence_reader import EvidenceReader
from tracking.observe import Observer
from tracking.watchman import Watchman

S = TICKS_PER_SECOND
SIZE = (640, 360)
SECONDS = 24
TEACHER, BOARD = source("teacher", imported=True), source("board", imported=True)


def _teacher(at: int) -> av.VideoFrame:
    """Walks to and fro; is away from 16 s on."""
    picture = board(0, SIZE)
    if at < 16 * S:
        person(picture, 0.3 + 0.1 * np.sin(at / S * 2), 0.35)
    return frame_of(picture)


def _board(at: int) -> av.VideoFrame:
    """A line of writing at 7, 9 and 11 s."""
    return frame_of(board(sum(at >= second * S for second in (7, 9, 11)), SIZE))


def _record(folder: LessonFolder, spec: SourceSpec, path: Path) -> None:
    info = StreamInfo(kind=Kind.VIDEO, codec="h264", width=SIZE[0], height=SIZE[1], fps=Fraction(10))
    records: list[Record] = [EpochStarted(source=spec.id, epoch=0, at=moment(), streams=(info,), start=0)]
    for seq, part in enumerate(cut(path, folder.segment_path(spec.id, 0, 0).parent, every=4 * S)):
        records.append(SegmentCommitted(segment=_segment(folder, spec, seq, part)))
    records.append(SourceFinished(source=spec.id, at=moment()))
    append_records(folder.raw_journal(spec.id), records)


def _segment(folder: LessonFolder, spec: SourceSpec, seq: int, part: Path) -> SegmentRecord:
    first, end = seq * 4 * S, (seq + 1) * 4 * S  # ten pictures a second, a key frame every two
    data = part.read_bytes()
    return SegmentRecord(
        source=spec.id,
        epoch=0,
        seq=seq,
        path=folder.relative(part),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        time_base=Fraction(1, S),
        video=PtsRange(first=first, last=end - S // 10, end=end, key=first, packets=40),
    )


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    times = range(0, SECONDS * S, S // 10)
    options = {"preset": "ultrafast", "g": "20", "crf": "20"}
    return {
        spec.id: film(folder / f"{spec.id}.mkv", times, options=options, size=SIZE, draw=draw)
        for spec, draw in ((TEACHER, _teacher), (BOARD, _board))
    }


@pytest.fixture
def lesson(tmp_path: Path, films: dict[str, Path]) -> LessonFolder:
    folder = make_lesson(tmp_path, sources=(TEACHER, BOARD))
    start(folder)
    for spec in (TEACHER, BOARD):
        _record(folder, spec, films[spec.id])
    stop(folder)
    return folder


def _tracking(folder: LessonFolder, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tracking", str(folder.path), *options],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )


def _shown(folder: LessonFolder, second: float) -> tuple[Layout, tuple[str, ...]]:
    (shot,) = [shot for shot in load_state(folder).shots if round(second * S) in shot.span]
    return shot.layout, shot.sources


def test_a_lesson_is_observed_and_planned_to_its_end(lesson: LessonFolder) -> None:
    assert _tracking(lesson).wait(timeout=120) == 0
    state = load_state(lesson)
    assert state.final
    assert state.frozen_until == SECONDS * S
    assert _shown(lesson, 2) == (Layout.FULL, ("teacher",))
    assert _shown(lesson, 10) == (Layout.PIP, ("board", "teacher"))
    assert _shown(lesson, 22) == (Layout.FULL, ("board",))
    assert _tracking(lesson).wait(timeout=60) == 0  # a finished plan is left alone
    assert load_state(lesson).shots == state.shots


def test_blind_tracking_looks_at_nothing(lesson: LessonFolder) -> None:
    assert _tracking(lesson, "--blind").wait(timeout=60) == 0
    state = load_state(lesson)
    assert state.final
    assert {(shot.layout, shot.sources) for shot in state.shots} == {(Layout.FULL, ("teacher",))}
    assert not lesson.observe_journal("teacher").exists()


def test_killed_at_any_instant_it_goes_on_where_it_was(lesson: LessonFolder) -> None:
    for lines in (3, 9, 17):
        process = _tracking(lesson)
        wait_until(lambda: _observed(lesson) >= lines or process.poll() is not None, 60, what="observations")  # noqa: B023 - called here only
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert _tracking(lesson).wait(timeout=120) == 0
    _assert_whole(lesson)
    assert _shown(lesson, 10) == (Layout.PIP, ("board", "teacher"))


def _lines(folder: LessonFolder, spec: SourceSpec) -> list[SegmentObserved]:
    return [r for r in read_journal(folder.observe_journal(spec.id)) if isinstance(r, SegmentObserved)]


def _observed(folder: LessonFolder) -> int:
    return sum(len(_lines(folder, spec)) for spec in (TEACHER, BOARD))


def _assert_whole(folder: LessonFolder) -> None:
    records = read_journal(folder.plan_journal())
    assert len([r for r in records if isinstance(r, Mapped)]) == 2
    shots = [r.span for r in records if isinstance(r, Shot)]
    assert shots[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(shots))
    assert [r for r in records if isinstance(r, FrozenUntil)][-1] == FrozenUntil(at=shots[-1].end, final=True)
    for spec in (TEACHER, BOARD):
        names = [f"{name}/1" for name in DETECTORS[spec.role]]
        seen = [(r.seq, r.detector) for r in _lines(folder, spec)]
        assert list(dict.fromkeys(seen)) == [(seq, name) for seq in range(6) for name in names]
        assert len(seen) <= len(set(seen)) + len(names)  # twice only what a kill tore in two


def test_sigterm_ends_it_and_its_observer(lesson: LessonFolder) -> None:
    process = _tracking(lesson)
    wait_until(lambda: _observed(lesson) >= 1, 60, what="the first observation")
    process.terminate()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    Observer(lesson).close()  # its journals are free again: no observer is left behind


def test_what_cannot_be_decoded_is_said_and_passed_over(lesson: LessonFolder) -> None:
    broken = lesson.segment_path("teacher", 0, 1)
    broken.write_bytes(b"\x00" * 5_000)
    lesson.segment_path("board", 0, 2).unlink()
    observer = Observer(lesson)
    try:
        observer.run()
    finally:
        observer.close()
    found = {(r.source, r.seq, r.detector): r.problem for spec in (TEACHER, BOARD) for r in _lines(lesson, spec)}
    assert {key for key, problem in found.items() if problem} == {
        ("teacher", 1, "motion/1"), ("teacher", 1, "faces/1"), ("board", 2, "motion/1"), ("board", 2, "ink/1"),
    }  # fmt: skip
    assert len(found) == 24
    assert "000001.mkv" in str(found["teacher", 1, "motion/1"])
    reader, teacher = EvidenceReader(lesson), load_state(lesson).sources["teacher"]
    reader.poll()
    assert not any(reader.evidence.missing(teacher, segment) for segment in teacher.segments)


def test_an_observation_does_not_depend_on_where_the_observer_was_killed(lesson: LessonFolder) -> None:
    whole = Observer(lesson)
    whole.run()
    whole.close()
    first = {spec.id: _lines(lesson, spec) for spec in (TEACHER, BOARD)}
    for spec in (TEACHER, BOARD):
        lesson.observe_journal(spec.id).unlink()
    for _ in range(12):  # a new observer for every segment: each warms up on the one before
        again = Observer(lesson)
        assert again.step()
        again.close()
    for spec in (TEACHER, BOARD):
        for old, new in zip(first[spec.id], _lines(lesson, spec), strict=True):
            assert (old.seq, old.detector) == (new.seq, new.detector)
            assert [o.at for o in old.observations] == [o.at for o in new.observations]
            inks = [sum(o.board_activity for o in r.observations) for r in (old, new)]
            assert inks[0] == pytest.approx(inks[1], rel=0.2, abs=1e-5)


# --- the watchman ----------------------------------------------------------------------------------------------------


def _watch(folder: LessonFolder, program: str, seconds: float) -> tuple[Watchman, EvidenceReader]:
    watchman = Watchman(folder, Job(stage="observe", module="tests.kit.run_code", arguments=(program,), vital=True))
    reader = EvidenceReader(folder)
    state = load_state(folder)

    def looked() -> bool:
        reader.poll()
        watchman.watch(state, reader.evidence)
        return watchman.hopeless or all(
            not reader.evidence.missing(x, segment) for x in state.sources.values() for segment in x.segments
        )

    try:
        wait_until(looked, seconds, what="all segments observed or given up")
    finally:
        watchman.stop()
    return watchman, reader


def test_segments_that_kill_the_observer_are_given_up(lesson: LessonFolder) -> None:
    """This observer dies at the third segment of the board, every time."""
    deadly = f"""
import os
from pathlib import Path
from lesson.folder import LessonFolder
from tracking.observe import Observer
observer = Observer(LessonFolder(Path({str(lesson.path)!r})))
look = observer._look_through
def look_or_die(detectors, segment, thin):
    if (segment.source, segment.seq) == ("board", 2):
        os.kill(os.getpid(), 11)
    return look(detectors, segment, thin)
observer._look_through = look_or_die
observer.run()
"""
    watchman, _ = _watch(lesson, deadly, 120)
    assert not watchman.hopeless
    problems = [line for spec in (TEACHER, BOARD) for line in _lines(lesson, spec) if line.problem]
    assert [(line.source, line.seq) for line in problems] == [("board", 2)]


def test_an_observer_that_cannot_work_at_all_is_done_without(lesson: LessonFolder) -> None:
    watchman, _ = _watch(lesson, "raise SystemExit(3)", 60)
    assert watchman.hopeless


def test_a_hanging_observer_is_ended(lesson: LessonFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.watchman.HANGS_AFTER_S", -7.9)  # of which two lengths of a segment are left: 0.1 s
    watchman, _ = _watch(lesson, "import time; from process.beat import beat; beat(); time.sleep(1000)", 60)
    assert watchman.hopeless


def test_observed_spans_are_placed_on_the_lesson_clock(lesson: LessonFolder) -> None:
    assert _tracking(lesson).wait(timeout=120) == 0
    state, reader = load_state(lesson), EvidenceReader(lesson)
    reader.poll()
    spans = reader.evidence.observed_spans(state.sources["teacher"], Span(0, SECONDS * S))
    assert spans == [Span(0, SECONDS * S)]
    seen = reader.evidence.seen(state.sources["teacher"], Span(5 * S, 6 * S))
    assert len(seen) == 4
    assert all(look.what.motion for look in seen)
