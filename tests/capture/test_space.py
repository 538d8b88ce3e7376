"""Space runs out in the middle of a lesson: who rests first, who goes on to the last byte, and how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.health import RoomStatus, SourceStatus, room_health
from capture.disk import Disk
from capture.space import SpaceWatch
from lesson.clock import Moment
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.lifecycle import LessonTemplate, start_lesson, stop_lesson
from lesson.loss import Loss
from lesson.model import SourceSpec
from lesson.records import SourceLost
from lesson.verify import verify_local
from lesson.view import load_state
from process.disk import DiskSpace
from process.stage import EXIT_DISK
from tests.kit.capturing import Capture, epochs, finished, marks, open_segment, records, segments, wait_for_media
from tests.kit.lessons import TINY_LADDER, header, source
from tests.kit.waiting import wait_until

SIZE = 20 << 20
FOR_OPTIONAL, FOR_NEEDED = SIZE // 20, SIZE // 50
TEACHER = source("teacher", uri="test:teacher?size=320x180&fps=25", required=True)
MIC = source("mic", uri="test:tone", required=True)
SCREEN = source("screen", uri="test:board?size=320x180&fps=10", required=True)
BOARD = source("board", uri="test:board?size=320x180&fps=10")
SEEN_WITHIN_S = 15.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk]
    mounted = subprocess.run(argv, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["/bin/umount", "-l", disk], check=True)


class Ballast:
    """What else fills the disk."""

    def __init__(self, disk: Path) -> None:
        self._disk, self._path = disk, disk / "ballast"

    def leave(self, free: int) -> None:
        """Exactly so many bytes, at this moment."""
        with self._path.open("ab") as file:
            more = shutil.disk_usage(self._disk).free - free
            if more > 0:
                os.posix_fallocate(file.fileno(), file.tell(), more)
            else:
                file.truncate(max(0, file.tell() + more))


def started(root: Path, *sources: SourceSpec) -> LessonFolder:
    template = LessonTemplate(room="Room 3", timezone="UTC", languages=(), sources=sources, ladder=TINY_LADDER)
    return start_lesson(root, template)[0]


def lost(folder: LessonFolder, source_id: str) -> list[str]:
    return [loss.code for loss in records(folder, source_id, SourceLost)]


def health(folder: LessonFolder) -> tuple[RoomStatus, dict[str, tuple[SourceStatus, str | None]]]:
    found = room_health(load_state(folder), Moment.now())
    return found.status, {one.id: (one.state, one.code) for one in found.sources}


def test_optional_sources_rest_first_and_voice_and_teacher_go_on_to_the_last_byte(small_disk: Path) -> None:
    folder, ballast = started(small_disk, TEACHER, SCREEN, BOARD, MIC), Ballast(small_disk)
    with ExitStack() as stack:
        captures = {one.id: stack.enter_context(Capture(folder, one.id)) for one in folder.header.sources}
        for capture in captures.values():
            capture.wait_for_segments(1)
        ballast.leave(FOR_OPTIONAL - 100_000)
        wait_until(lambda: lost(folder, "board"), SEEN_WITHIN_S)
        assert {one: lost(folder, one) for one in captures} == {
            "teacher": [], "mic": [], "screen": [], "board": [Loss.NO_SPACE],
        }  # fmt: skip
        status, states = health(folder)
        assert (status, states["board"]) == (RoomStatus.RECORDING, (SourceStatus.LOST, Loss.NO_SPACE))
        ballast.leave(FOR_NEEDED - 100_000)
        wait_until(lambda: lost(folder, "screen"), SEEN_WITHIN_S)
        assert {one: lost(folder, one) for one in captures} == {
            "teacher": [], "mic": [], "screen": [Loss.NO_SPACE], "board": [Loss.NO_SPACE],
        }  # fmt: skip
        wait_until(lambda: just_begun(folder, ballast), SEEN_WITHIN_S, what="a segment is begun")
        before = len(segments(folder, "teacher"))
        ballast.leave(30_000)  # which does not last until its end
        codes = {one: captures[one].wait(60) for one in ("teacher", "mic")}
        assert set(codes.values()) == {EXIT_DISK}
        assert len(segments(folder, "teacher")) >= before
        assert captures["board"].process.poll() is None, "it waits for space"
        assert shutil.disk_usage(small_disk).free < 100_000
        assert_ends_clean_on_the_full_disk(folder, small_disk, captures)


def just_begun(folder: LessonFolder, ballast: Ballast) -> bool:
    """Whether the teacher's open segment has far to go; until then there is as much space as before."""
    ballast.leave(FOR_NEEDED - 100_000)
    path = open_segment(folder, "teacher")
    return path.exists() and 0 < path.stat().st_size < 50_000


def assert_ends_clean_on_the_full_disk(folder: LessonFolder, root: Path, captures: dict[str, Capture]) -> None:
    Ballast(root).leave(0)
    assert stop_lesson(root, folder)
    for one in ("board", "screen"):
        assert captures[one].wait() == 0, captures[one].log
    for one in ("teacher", "mic"):
        with Capture(folder, one) as again:
            assert again.wait() == 0, again.log
    state = load_state(folder)
    assert all(finished(folder, one) for one in captures)
    assert state.captured
    assert [one for one in verify_local(folder) if not one.startswith(("v", "low", "high"))] == []
    recorded = segments(folder, "teacher")
    assert recorded[-1].closed_by == "recovered", "what the full disk took of the last segment counts"
    shown = [mark.at for _, mark in marks(folder, recorded) if mark]
    assert shown == [shown[0] + n * 1_920 for n in range(len(shown))]
    assert len({one.epoch for one in recorded}) == 1


def test_a_source_that_rests_is_recorded_again_when_there_is_space(small_disk: Path) -> None:
    folder, ballast = started(small_disk, TEACHER, BOARD, MIC), Ballast(small_disk)
    with Capture(folder, "board") as board:
        board.wait_for_segments(1)
        for epoch in (1, 2):
            ballast.leave(FOR_OPTIONAL - 50_000)
            wait_until(lambda: len(lost(folder, "board")) == epoch, SEEN_WITHIN_S)  # noqa: B023
            ballast.leave(4 * FOR_OPTIONAL)
            wait_for_media(folder, "board", epoch=epoch)
        assert lost(folder, "board") == [Loss.NO_SPACE] * 2
        stop_lesson(small_disk, folder)
        assert board.wait() == 0, board.log
    assert [one.epoch for one in epochs(folder, "board")] == [0, 1, 2]
    assert {one.epoch for one in segments(folder, "board")} == {0, 1, 2}


def test_a_lesson_that_starts_short_of_space_records_what_is_needed_and_says_so(small_disk: Path) -> None:
    folder, ballast = started(small_disk, TEACHER, BOARD, MIC), Ballast(small_disk)
    ballast.leave(FOR_OPTIONAL - 50_000)
    with Capture(folder, "board") as board, Capture(folder, "mic") as mic:
        wait_until(lambda: lost(folder, "board"), SEEN_WITHIN_S)
        mic.wait_for_segments(1)
        assert epochs(folder, "board") == []
        assert health(folder)[1]["board"] == (SourceStatus.LOST, Loss.NO_SPACE)
        stop_lesson(small_disk, folder)
        assert board.wait() == 0
        assert mic.wait() == 0
    assert finished(folder, "board")


def test_imports_wait_for_nobody_and_a_disk_that_cannot_be_asked_stops_nobody(tmp_path: Path) -> None:
    imported = source("board", uri="file:/x", imported=True)
    disk, answers = Disk(), iter([DiskSpace(0, low=True, total=SIZE)] * 3)

    def refuses(_path: Path) -> DiskSpace:
        raise StorageError("dead")

    for spec, ask in ((imported, lambda _path: next(answers)), (BOARD, refuses)):
        watch = SpaceWatch(tmp_path, header(sources=(TEACHER, spec)), spec, disk, ask)
        for _ in range(3):
            assert not watch.rests(goes_on=True)
            wait_until(disk.drained, 5)
    disk.close()


def test_the_codes_say_whether_a_source_made_room_or_found_none(tmp_path: Path) -> None:
    disk = Disk()
    for spec, code in ((TEACHER, Loss.DISK), (MIC, Loss.DISK), (SCREEN, Loss.NO_SPACE), (BOARD, Loss.NO_SPACE)):
        lesson = header(sources=(TEACHER, SCREEN, BOARD, MIC))
        watch = SpaceWatch(tmp_path, lesson, spec, disk, lambda _path: DiskSpace(1000, low=True, total=SIZE))
        watch.look_now()
        assert watch.rests(goes_on=False)
        assert watch.code == code
    disk.close()
