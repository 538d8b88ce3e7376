"""A disk that is full or fails: said at once, and nothing that was committed is harmed."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.background_sync import BackgroundSync
from lesson.errors import StorageError
from media.segment import file_digest
from process.stage import EXIT_RETRY
from tests.kit.capturing import Capture, live_lesson, losses, marks, open_segment, segments, stop_now, wait_for_media
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
        assert capture.wait(15) == EXIT_RETRY
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
        assert capture.wait(15) == EXIT_RETRY
        assert "File too large" in capture.log
        assert "Traceback" not in capture.log
    assert not segments(folder, "mic")
    assert losses(folder, "mic")
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
        sync.watch(None)
        sync.check()
    finally:
        sync.close()
