"""A disk that is full or fails: said at once, and nothing that was committed is harmed."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.background_sync import BackgroundSync
from capture.connection import Connection, Ending, Wishes
from capture.disk import Disk
from capture.recorder import Recorder
from capture.recovery import read_source
from lesson.clock import Moment
from lesson.errors import StorageError
from lesson.journal import JournalWriter, read_journal
from lesson.loss import Loss
from lesson.records import SourceFinished, SourceLost
from media.feeds.segment import file_digest
from process.stage import EXIT_DISK
from tests.kit.capturing import (
    Capture,
    live_lesson,
    marks,
    open_segment,
    records,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.lessons import source
from tests.kit.waiting import wait_until

SCENE = source("teacher", uri="test:teacher?size=320x180&fps=25")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["/bin/umount", "-l", disk], check=True)


def fill(path: Path) -> None:
    """Take all the space there is."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        deque(iter(lambda: os.write(fd, bytes(4096)), 0), maxlen=0)
    os.close(fd)


def test_a_full_disk_ends_recording_with_one_clear_line(small_disk: Path) -> None:
    folder = live_lesson(small_disk, SCENE)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(1)
        torn = open_segment(folder, "teacher")
        wait_until(lambda: torn.is_file() and torn.stat().st_size > 30_000, 5)
        ballast = small_disk / "ballast"
        fill(ballast)
        assert capture.wait(15) == EXIT_DISK
        assert "no space left on the disk" in capture.log
        assert "Traceback" not in capture.log
    committed = segments(folder, "teacher")
    assert committed
    for segment in committed:
        assert file_digest(folder.absolute(segment.path)) == (segment.bytes, segment.sha256)
    ballast.unlink()
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", epoch=1)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    recovered = segments(folder, "teacher")[len(committed)]
    assert recovered.closed_by == "recovered"
    shown = [mark.at for _, mark in marks(folder, [*committed, recovered]) if mark]
    assert shown == [shown[0] + n * 1_920 for n in range(len(shown))]


def test_a_file_that_may_not_grow_ends_recording_with_one_clear_line(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, source("mic", uri="test:tone"))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # two seconds of PCM

    with Capture(folder, "mic", preexec=limit) as capture:
        assert capture.wait(15) == EXIT_DISK
        assert "File too large" in capture.log
        assert "Traceback" not in capture.log
    assert not segments(folder, "mic")
    assert [loss.code for loss in records(folder, "mic", SourceLost)] == [Loss.DISK]
    stop_now(folder)
    with Capture(folder, "mic") as capture:
        assert capture.wait() == 0
    (recovered,) = segments(folder, "mic")
    assert recovered.audio is not None
    assert 1_500 < recovered.audio.end - recovered.audio.first < 2_200


def test_a_failed_sync_is_never_swallowed(tmp_path: Path) -> None:
    sync = BackgroundSync()
    try:
        sync.check()
        sync.watch(Path("/dev/full/x"))  # opening it fails as a dead disk does
        with pytest.raises(StorageError, match="/dev/full/x"):
            wait_until(lambda: sync.check() or False, 5)
        sync.watch(tmp_path / "not there yet")
        sync.watch()
        sync.check()
    finally:
        sync.close()


def test_a_disk_too_slow_for_the_memory_is_a_loss_of_its_own_and_what_waited_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.connection.LIVE_BYTES", 100_000)
    folder = live_lesson(tmp_path, SCENE)
    disk, sync, goes_on = Disk(), BackgroundSync(), threading.Event()
    disk.keep_journal(JournalWriter(folder.raw_journal("teacher")))
    disk.ask(goes_on.wait)
    recorder = Recorder(folder, SCENE, read_source(folder, SCENE), disk, sync)
    connection = Connection(SCENE)
    outcome = connection.run(recorder, Wishes(folder, may_stop=True), disk, sync)
    assert (outcome.ending, outcome.code) == (Ending.LOST, Loss.DISK)
    recorder.lost(outcome.reason, outcome.code)
    assert connection.close()
    goes_on.set()
    wait_until(disk.drained, 10)
    disk.check()
    disk.close()
    sync.close()
    assert [loss.code for loss in records(folder, "teacher", SourceLost)] == [Loss.DISK]
    shown = [mark.at for _, mark in marks(folder, segments(folder, "teacher")) if mark]
    assert len(shown) > 25
    assert shown == [shown[0] + n * 1_920 for n in range(len(shown))]


def test_a_refused_segment_and_those_after_it_are_not_committed_but_the_loss_is(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, SCENE)
    disk = Disk()
    disk.keep_journal(JournalWriter(folder.raw_journal("teacher")))
    done = SourceFinished(source="teacher", at=Moment.now())
    (folder.raw_folder("teacher") / "taken").mkdir()
    for name in ("good", "taken", "later"):
        file = disk.create(folder.raw_folder("teacher") / name)
        file.write(b"x")
        disk.commit(file, lambda _size, _sha256: done)
        wait_until(disk.drained, 10)
    loss = SourceLost(source="teacher", epoch=0, at=Moment.now(), reason="disk", code=Loss.DISK)
    disk.append(loss, regardless=True)
    wait_until(disk.drained, 10)
    with pytest.raises(StorageError, match="taken"):
        disk.check()
    disk.close()
    assert read_journal(folder.raw_journal("teacher")) == [done, loss]
