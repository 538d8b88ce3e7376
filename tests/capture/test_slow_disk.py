"""A disk that is slow, or stands still for a while, costs nothing; only what it holds is known later."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord
from lesson.time import TICKS_PER_SECOND
from media.feeds.segment import file_digest
from process.beat import BEAT_ENV, EVERY_S
from tests.kit.camera_content import FRAME, content
from tests.kit.capturing import (
    Capture,
    epochs,
    finished,
    live_lesson,
    losses,
    marks,
    packet_count,
    segments,
    stop_now,
)
from tests.kit.lessons import source
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.shims import slow_fsync
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

SCENE = source("teacher", uri="test:teacher?size=320x180&fps=25")


def assert_whole(folder: LessonFolder, found: list[SegmentRecord]) -> None:
    """Every committed file has the bytes that were committed; no picture and no sample is missing in them."""
    assert [segment.seq for segment in found] == list(range(len(found)))
    for segment in found:
        assert file_digest(folder.absolute(segment.path)) == (segment.bytes, segment.sha256)
    shown = [mark.at for _, mark in marks(folder, found) if mark]
    assert {(b - a) % content().length for a, b in pairwise(shown)} == {FRAME}


def recorded_for(seconds: float) -> None:
    """Let real time pass: the disk is slow in it."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds + 1)


def media_files(folder: LessonFolder) -> list[Path]:
    return [path for _, _, path in folder.segment_files("teacher")]


@pytest.mark.parametrize("sync_ms", [300, 2_500, 5_000], ids=["of_300_ms", "of_2500_ms", "of_5_s"])
def test_slow_syncs_cost_no_packet(tmp_path: Path, sync_ms: int) -> None:
    disk = slow_fsync(tmp_path, sync_ms)
    camera = RtspCamera().start()
    folder = live_lesson(tmp_path, source("teacher", uri=camera.url))
    try:
        with Capture(folder, "teacher", env=disk.env) as capture:
            wait_until(lambda: media_files(folder), 60, what="the first segment file")
            recorded_for(24)
            stop_now(folder)
            disk.set(50)
            assert capture.wait(60) == 0, capture.log
    finally:
        camera.stop()
    found = segments(folder, "teacher")
    assert not losses(folder, "teacher")
    assert len(epochs(folder, "teacher")) == 1
    assert_whole(folder, found)
    seen = packet_count(found, Kind.VIDEO) * FRAME / TICKS_PER_SECOND
    heard = packet_count(found, Kind.AUDIO) * 1_024 / TICKS_PER_SECOND
    assert seen >= 23.5
    assert abs(seen - heard) < 0.5
    assert ('"code": "disk"' in capture.log) == (sync_ms > 1_000), "a disk that lags is said, and no other"


def test_a_disk_that_stands_still_for_ten_seconds_costs_no_packet_and_no_sign_of_life(tmp_path: Path) -> None:
    disk = slow_fsync(tmp_path)
    heard, beats = os.pipe()
    camera = RtspCamera().start()
    folder = live_lesson(tmp_path, source("teacher", uri=camera.url))
    try:
        with Capture(folder, "teacher", env={**disk.env, BEAT_ENV: str(beats)}, pass_fds=(beats,)) as capture:
            capture.wait_for_segments(1)
            os.read(heard, 1_000)
            disk.set(10_000)
            recorded_for(6)
            disk.set(0)
            recorded_for(12)
            assert len(os.read(heard, 1_000)) > 18 / EVERY_S * 0.7, "in ten seconds without one it would be replaced"
            stop_now(folder)
            assert capture.wait(30) == 0, capture.log
    finally:
        camera.stop()
        os.close(heard)
        os.close(beats)
    assert not losses(folder, "teacher")
    assert len(epochs(folder, "teacher")) == 1
    assert_whole(folder, segments(folder, "teacher"))


def test_killed_while_the_disk_lags_all_that_was_written_is_salvaged(tmp_path: Path) -> None:
    """Several segments are not committed by then; the epoch's own line may be missing, too."""
    disk = slow_fsync(tmp_path)
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher", env=disk.env) as capture:
        capture.wait_for_segments(1)
        disk.set(60_000)
        wait_until(lambda: len(media_files(folder)) >= 4, 30, what="segments that are not committed")
        capture.kill()
    assert len(segments(folder, "teacher")) <= 2
    stop_now(folder)
    with Capture(folder, "teacher") as capture:
        assert capture.wait(30) == 0, capture.log
    found = segments(folder, "teacher")
    assert len(found) >= len(media_files(folder)) - 1 >= 3, "all but perhaps one that was just begun"
    assert [segment.closed_by for segment in found[2:]] == ["recovered"] * len(found[2:])
    assert [segment.seq for segment in found] == list(range(len(found)))
    shown = [mark.at for _, mark in marks(folder, found) if mark]
    assert {b - a for a, b in pairwise(shown)} == {FRAME}
    assert finished(folder, "teacher")


def test_an_epoch_whose_line_never_reached_the_journal_is_known_from_its_segments(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(2)
        capture.kill()
    (before,) = epochs(folder, "teacher")
    journal = folder.raw_journal("teacher")
    journal.write_bytes(b"")
    stop_now(folder)
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 0, capture.log
    assert epochs(folder, "teacher") == [before]
    assert len(segments(folder, "teacher")) >= len(media_files(folder)) - 1 >= 1


def test_told_to_end_it_waits_for_the_disk(tmp_path: Path) -> None:
    disk = slow_fsync(tmp_path)
    folder = live_lesson(tmp_path, SCENE)
    with Capture(folder, "teacher", env=disk.env) as capture:
        capture.wait_for_segments(1)
        disk.set(1_500)
        recorded_for(2)
        capture.terminate()
    found = segments(folder, "teacher")
    assert found[-1].closed_by == "terminated"
    assert len(found) == len(media_files(folder))
