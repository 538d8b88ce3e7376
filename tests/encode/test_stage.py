"""`python -m encode` as a process: whole lessons, killed in the middle, workers dying, the disk full."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from encode.settings import EncodeSettings
from encode.stage import EncodeStage
from lesson.folder import LessonFolder
from lesson.journal import append_records, read_journal
from lesson.model import Kind, Layout, Rendition
from lesson.records import ChunkEncoded, FrozenUntil, Mapped, Origin, Shot, SourceFinished
from lesson.time import TICKS_PER_SECOND, ClockMap, Grid, Span, Ticks, ticks_from_pts
from lesson.verify import verify_local
from lesson.view import load_state
from media.output.fmp4 import MEDIA_START
from process.disk import DiskSpace
from process.stage import EXIT_DISK
from tests.kit.clicks import find_clicks
from tests.kit.filmed import Take, film
from tests.kit.fragments import read_segment
from tests.kit.lessons import VOICE, files_of, make_lesson, moment, source, start, stop
from tests.kit.marks import TEACHER, flash_lit, flash_starts, read_mark
from tests.kit.processes import alive, children, command_line
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

SECOND = TICKS_PER_SECOND
GRID = Grid()
SECONDS = 17.0
END: Ticks = round(SECONDS * SECOND)
TOP = Rendition(name="top", kind=Kind.VIDEO, codec="h264", width=320, height=180, crf=18, maxrate=4_000_000,
                bufsize=4_000_000, preset="ultrafast")  # fmt: skip
LOW = Rendition(name="low", kind=Kind.VIDEO, codec="h264", width=160, height=90, frame_divisor=4, crf=24,
                maxrate=400_000, bufsize=400_000, preset="ultrafast")  # fmt: skip
CAMERA = source("teacher")


def filmed(root: Path, *, stopped: bool = True) -> LessonFolder:
    """A lesson of 17 s, recorded and (unless it goes on) stopped, its plan not begun."""
    folder = make_lesson(root, sources=(CAMERA,), ladder=(VOICE, LOW, TOP))
    start(folder)
    film(folder, CAMERA, Take(TEACHER, SECONDS, sound=True, pts=SECOND * 3))
    append_records(folder.raw_journal("teacher"), [SourceFinished(source="teacher", at=moment(SECONDS))])
    if stopped:
        stop(folder, at=moment(SECONDS))
    return folder


def freeze(folder: LessonFolder, until: Ticks, *, final: bool) -> None:
    append_records(folder.plan_journal(), [FrozenUntil(at=until, final=final)])


def plan(folder: LessonFolder, *, frozen: Ticks = END, final: bool = True) -> LessonFolder:
    append_records(
        folder.plan_journal(),
        [
            Origin(at=moment(), master="teacher"),
            Mapped(map=ClockMap("teacher", 0, Span(0, END), -3 * SECOND)),
            Shot(span=Span(0, END), layout=Layout.FULL, sources=("teacher",), reason="test"),
        ],
    )
    freeze(folder, frozen, final=final)
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> LessonFolder:
    return filmed(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def lesson(recorded: LessonFolder, tmp_path: Path) -> LessonFolder:
    return LessonFolder(Path(shutil.copytree(recorded.path, tmp_path / "lesson")))


@contextmanager
def encoding(folder: LessonFolder, *, workers: int = 2) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "encode", str(folder.path), EncodeSettings(workers=workers).argument()]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def encode(folder: LessonFolder, *, workers: int = 2) -> str:
    """Run the stage to its end; what it logged."""
    with encoding(folder, workers=workers) as process:
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        return log


def joined(folder: LessonFolder, rendition: Rendition) -> bytes:
    return b"".join(path.read_bytes() for path in files_of(folder, rendition.name))


def pictures(folder: LessonFolder, rendition: Rendition) -> list[tuple[Ticks, NDArray[np.uint8]]]:
    with av.open(io.BytesIO(joined(folder, rendition)), format="mp4") as container:
        base = container.streams.video[0].time_base
        assert base is not None
        return [
            (ticks_from_pts(frame.pts or 0, base) - MEDIA_START, frame.to_ndarray(format="gray"))
            for frame in container.decode(video=0)
        ]


def clicks(folder: LessonFolder) -> list[Ticks]:
    with av.open(io.BytesIO(joined(folder, VOICE)), format="mp4") as container:
        frames = list(container.decode(audio=0))
        first = ticks_from_pts(frames[0].pts or 0, container.streams.audio[0].time_base or GRID.fps) - MEDIA_START
        return find_clicks(np.concatenate([frame.to_ndarray()[0] for frame in frames]), start=first)


def assert_whole(folder: LessonFolder) -> None:
    """Everything a viewer may rely on, by decoding it."""
    assert verify_local(folder) == []
    assert load_state(folder).encoded
    for rendition in folder.header.ladder:
        path = folder.path / f"{rendition.name}.mp4"
        path.write_bytes(joined(folder, rendition))
        argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
        assert subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stderr == ""
    for rendition in (LOW, TOP):
        step = GRID.frame * rendition.frame_divisor
        shown = pictures(folder, rendition)
        assert [at for at, _ in shown] == [at for s in GRID.spans(END) for at in range(s.start, s.end, step)]
        late = [at - mark.at for at, luma in shown if (mark := read_mark(luma, drawn_height=180))]
        assert len(late) == len(shown)
        assert max(map(abs, late)) <= SECOND // 1000
    heard = clicks(folder)
    assert len(heard) == 9
    assert max(abs(at - number * 2 * SECOND) for number, at in enumerate(heard)) <= SECOND * 2 // 1000
    lit = flash_starts([(at, flash_lit(luma, drawn_height=180)) for at, luma in pictures(folder, TOP)])
    assert lit == [number * 2 * SECOND for number in range(1, 9)]
    for rendition in folder.header.ladder:
        fragments = [read_segment(path.read_bytes()) for path in files_of(folder, rendition.name)[1:]]
        assert all(b.decode_time - a.decode_time == a.duration == GRID.chunk for a, b in pairwise(fragments))
        records = read_journal(folder.rendition_journal(rendition.name))
        names = [record.chunk.index for record in records if isinstance(record, ChunkEncoded)]
        assert sorted(names) == list(range(GRID.chunks(END)))


def test_a_lesson_is_encoded_whole(lesson: LessonFolder) -> None:
    encode(plan(lesson))
    assert_whole(lesson)
    packets = [len(read_segment(path.read_bytes()).samples) for path in files_of(lesson, "voice")[1:]]
    assert packets[:4] == [180] * 4


def test_the_same_lesson_twice_is_the_same_bytes(lesson: LessonFolder, recorded: LessonFolder, tmp_path: Path) -> None:
    again = LessonFolder(Path(shutil.copytree(recorded.path, tmp_path / "again")))
    encode(plan(lesson), workers=1)
    encode(plan(again), workers=2)
    for rendition in lesson.header.ladder:
        assert joined(lesson, rendition) == joined(again, rendition)


def test_chunks_come_while_the_lesson_goes_on(lesson: LessonFolder) -> None:
    plan(lesson, frozen=GRID.chunk - 1, final=False)
    with encoding(lesson) as process:
        for chunks in range(1, 4):
            freeze(lesson, chunks * GRID.chunk + 4_000, final=False)
            wait_until(lambda: all(r.leading == chunks for r in load_state(lesson).renditions.values()), 60)  # noqa: B023
        freeze(lesson, END, final=True)
        assert process.wait(60) == 0
    assert_whole(lesson)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_killed_in_the_middle_it_goes_on_where_it_was(lesson: LessonFolder, chunks: int) -> None:
    plan(lesson, frozen=2 * GRID.chunk + 4_000, final=False)
    with encoding(lesson) as process:
        wait_until(lambda: sum(r.leading for r in load_state(lesson).renditions.values()) >= 3 * chunks, 60)
        workers = children(process.pid)
        process.kill()
        wait_until(lambda: not any(map(alive, workers)), 20)
    freeze(lesson, END, final=True)
    encode(lesson)
    assert_whole(lesson)


def test_a_worker_that_dies_takes_nothing_with_it(lesson: LessonFolder) -> None:
    plan(lesson)
    with encoding(lesson) as process:

        def workers() -> list[int]:
            return [pid for pid in children(process.pid) if "spawn_main" in command_line(pid)]

        os.kill(wait_until(workers, 60)[0], signal.SIGKILL)
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        assert "encode_worker_died" in log
    assert_whole(lesson)


def test_a_second_encoder_keeps_away(lesson: LessonFolder) -> None:
    plan(lesson, frozen=GRID.chunk, final=False)
    with encoding(lesson):
        wait_until(lambda: load_state(lesson).renditions["top"].leading == 1, 60)
        argv = [sys.executable, "-m", "encode", str(lesson.path)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "another process is writing" in done.stderr


def test_nothing_recorded_is_nothing_to_encode(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(CAMERA,), ladder=(VOICE, LOW))
    freeze(folder, 0, final=True)
    encode(folder)
    assert verify_local(folder) == []


def test_told_to_end_it_ends_at_once_and_leaves_no_worker(lesson: LessonFolder) -> None:
    plan(lesson)
    with encoding(lesson) as process:
        workers = wait_until(lambda: children(process.pid), 60)
        process.terminate()
        assert process.wait(20) == 143
        wait_until(lambda: not any(map(alive, workers)), 20)
    encode(lesson)
    assert_whole(lesson)


def test_while_a_lesson_is_recorded_the_disks_last_space_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is encoded later: as soon as there is space, or the lesson is over."""
    free = [0]
    monkeypatch.setattr("encode.stage.space_for", lambda _path: DiskSpace(free[0], low=True, total=1 << 40))
    monkeypatch.setattr("encode.stage.SPACE_LOOK_S", 0.0)
    folder = plan(filmed(tmp_path, stopped=False), final=False)

    def chunks() -> int:
        return sum(len(one.chunks) for one in load_state(folder).renditions.values())

    with EncodeStage(folder, workers=1) as stage:
        stage.step()
        assert not any(stage.step() for _ in range(20))
        free[0] = 1 << 39
        wait_until(lambda: stage.step() and chunks(), 60)
        free[0] = 0
        wait_until(lambda: not stage.step() and not stage.step(), 60, what="what was begun is finished")
        made = chunks()
        stop(folder, at=moment(SECONDS))
        freeze(folder, END, final=True)
        wait_until(lambda: stage.step() is not None and stage.done, 120)
        assert chunks() > made
    assert_whole(folder)


def test_a_full_disk_is_said_and_what_was_committed_stays_good(lesson: LessonFolder) -> None:
    enc = lesson.path / "enc"
    enc.mkdir()
    mount, umount = shutil.which("mount") or "mount", shutil.which("umount") or "umount"
    small = [mount, "-t", "tmpfs", "-o", "size=130k", "classreel-test", str(enc)]
    if subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        plan(lesson)
        with encoding(lesson) as process:
            _, log = process.communicate(timeout=120)
        assert process.returncode == EXIT_DISK
        assert "no space left on the disk" in log
        assert "Traceback" not in log
        problems = verify_local(lesson)
        assert all("missing" in problem or "chunk" in problem for problem in problems), problems
        assert sum(len(r.chunks) for r in load_state(lesson).renditions.values()) > 0
        subprocess.run([mount, "-o", "remount,size=20m", str(enc)], check=True)
        encode(lesson)
        assert_whole(lesson)
    finally:
        subprocess.run([umount, str(enc)], check=True)
