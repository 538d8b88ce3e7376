"""Live sources under hostile treatment: kills, signals, stops; judged by the pictures that were recorded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.time import TICKS_PER_SECOND, Ticks
from media.feeds.segment import file_digest
from process.parentage import EXIT_TERMINATED
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    losses,
    marks,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.lessons import source
from tests.kit.waiting import wait_until

LONGEST_LOSS_S = 0.5
SCENE = source("teacher", uri="test:teacher?size=320x180&fps=25")
TONE = source("mic", uri="test:tone")
PERIOD = 1_920


def scene_times(folder: LessonFolder, found: list[SegmentRecord]) -> list[Ticks]:
    """Scene times of all pictures, every one of which must be readable."""
    shown = marks(folder, found)
    assert all(mark is not None for _, mark in shown)
    return [mark.at for _, mark in shown if mark]


def assert_whole(folder: LessonFolder, source_id: str) -> None:
    """Every committed file is there with the bytes that were committed, numbered without a hole."""
    found = segments(folder, source_id)
    assert [segment.seq for segment in found] == list(range(len(found)))
    for segment in found:
        assert file_digest(folder.absolute(segment.path)) == (segment.bytes, segment.sha256)


def test_pictures_are_recorded_in_order_without_a_hole(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(2)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    (found,) = by_epoch(segments(folder, "teacher")).values()
    times = scene_times(folder, found)
    assert times == [times[0] + n * PERIOD for n in range(len(times))]
    first = found[0].span(Kind.VIDEO)
    assert first is not None
    assert first.duration == 4 * TICKS_PER_SECOND
    assert finished(folder, "teacher")
    assert not losses(folder, "teacher")
    assert_whole(folder, "teacher")


@pytest.mark.parametrize("spec", [SCENE, TONE], ids=["pictures", "sound"])
def test_a_killed_process_loses_half_a_second_at_most_and_the_next_goes_on(tmp_path: Path, spec: SourceSpec) -> None:
    folder = live_lesson(tmp_path, spec)
    kind = Kind.AUDIO if spec is TONE else Kind.VIDEO
    with Capture(folder, spec.id) as capture:
        (first,) = capture.wait_for_segments(1)
        wait_for_media(folder, spec.id)
        killed_ns = time.monotonic_ns()
        capture.kill()
    with Capture(folder, spec.id) as capture:
        wait_for_media(folder, spec.id, epoch=1)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    found = segments(folder, spec.id)
    recovered = found[1]
    assert (recovered.closed_by, recovered.epoch, recovered.seq) == ("recovered", 0, 1)
    assert [epoch.epoch for epoch in epochs(folder, spec.id)] == [0, 1]
    assert_whole(folder, spec.id)
    span = recovered.span(kind)
    assert span is not None
    anchor = first.anchors[0]
    end_ns = anchor.monotonic_ns + (span.end * 1_000 // TICKS_PER_SECOND - anchor.pts) * 1_000_000
    lost_s = (killed_ns - end_ns) / 1e9
    assert lost_s <= LONGEST_LOSS_S, f"{lost_s:.3f} s"
    if kind is Kind.VIDEO:
        times = scene_times(folder, found[:2])
        assert times == [times[0] + n * PERIOD for n in range(len(times))]


def test_killed_in_its_first_segment_the_tail_can_still_be_placed_in_time(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=30_000)
        capture.kill()
    stop_now(folder)
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 0
    (recovered,) = segments(folder, "teacher")
    (anchor,) = recovered.anchors
    (shown_at, mark), *_ = marks(folder, [recovered])
    assert mark is not None
    scene_ns = mark.at * 10**9 // TICKS_PER_SECOND
    shown_ns = anchor.monotonic_ns - anchor.pts * 10**6 + shown_at * 10**9 // TICKS_PER_SECOND
    assert abs(shown_ns % (2**32 * 10**9 // TICKS_PER_SECOND) - scene_ns) < 200_000_000
    assert finished(folder, "teacher")
    assert epochs(folder, "teacher")[-1].epoch == 0, "nothing new is recorded after Stop"


def test_a_torn_file_with_nothing_in_it_is_no_segment(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher") as capture:
        torn = wait_for_media(folder, "teacher")
        capture.kill()
    torn.write_bytes(b"\x1aE\xdf\xa3" + bytes(500))
    stop_now(folder)
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 0, capture.log
    assert not segments(folder, "teacher")
    assert finished(folder, "teacher")


def test_told_to_end_it_commits_what_it_has_and_can_go_on_later(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    for _ in range(2):
        with Capture(folder, "teacher") as capture:
            wait_for_media(folder, "teacher", epoch=len(epochs(folder, "teacher")))
            assert capture.terminate() == EXIT_TERMINATED
    found = segments(folder, "teacher")
    assert [(segment.epoch, segment.seq, segment.closed_by) for segment in found] == [
        (0, 0, "terminated"),
        (1, 1, "terminated"),
    ]
    assert_whole(folder, "teacher")
    assert not finished(folder, "teacher")
    assert not any(path.name not in {f.name for f in files(folder, found)} for path in tmp_path.rglob("*.mkv"))


def test_started_after_stop_it_is_done_at_once(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    stop_now(folder)
    for _ in range(2):
        with Capture(folder, "teacher") as capture:
            assert capture.wait() == 0
    assert finished(folder, "teacher")
    assert not epochs(folder, "teacher")


def test_no_journal_is_read_but_its_own_and_control(tmp_path: Path) -> None:
    """However long the lesson is. Whoever opens a pipe that nobody writes to waits for ever."""
    folder = live_lesson(tmp_path, SCENE, TONE)
    others = {*folder.state_journals(), folder.observe_journal("teacher")}
    for path in others - {folder.control_journal, folder.raw_journal("teacher")}:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(1)
        capture.kill()
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: len(epochs(folder, "teacher")) == 2, 20)
        stop_now(folder)
        assert capture.wait() == 0, capture.log


def test_two_processes_never_record_one_source(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: epochs(folder, "teacher"), 10)
        with Capture(folder, "teacher") as second:
            assert second.wait() == 1
            assert "another process is writing this journal" in second.log
        stop_now(folder)
        assert capture.wait() == 0


@pytest.mark.parametrize(
    ("uri", "says"),
    [("push:", "HOST is 0.0.0.0"), ("v4l3:/dev/video0", "no such kind of source"), ("test:teachr", "no such scene")],
    ids=["pushed", "unknown", "misspelt"],
)
def test_a_source_that_will_never_be_there_is_finished_with_its_reason(tmp_path: Path, uri: str, says: str) -> None:
    folder = live_lesson(tmp_path, source("teacher", uri=uri))
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 2
        assert says in capture.log
        assert "Traceback" not in capture.log
    assert says in losses(folder, "teacher")[0]
    assert finished(folder, "teacher")


def test_unknown_lessons_and_sources_are_errors_in_one_line(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "board") as capture:
        assert capture.wait() == 2
        assert "has no source 'board'" in capture.log
    with Capture(LessonFolder(tmp_path / "nowhere"), "teacher") as capture:
        assert capture.wait() == 2
        assert "Traceback" not in capture.log


def test_libavfilter_pictures_and_tones(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, source("screen", uri="test:?size=320x180&fps=10"), source("mic", uri="test:sine"))
    with Capture(folder, "screen") as pictures, Capture(folder, "mic") as sound:
        pictures.wait_for_segments(1)
        sound.wait_for_segments(1)
        stop_now(folder)
        assert (pictures.wait(), sound.wait()) == (0, 0)
    video, audio = segments(folder, "screen")[0].video, segments(folder, "mic")[0].audio
    assert video is not None
    assert audio is not None
    assert 38 <= video.packets <= 42
    assert 3_900 <= audio.end - audio.first <= 4_200
