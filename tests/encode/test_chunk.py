from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from encode.chunk import run
from encode.jobs import ChunkJob, make_job
from encode.pool import without_sources
from lesson.folder import LessonFolder
from lesson.model import FULL_FRAME, CropKey, Kind, Layout, Rectangle, Rendition
from lesson.records import CropPath, FrozenUntil, Mapped, Shot
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Grid, Span, Ticks
from lesson.view import load_state
from media.output.video_encoder import video_init
from tests.kit.filmed import Take, film
from tests.kit.lessons import VOICE, make_lesson, source
from tests.kit.marks import BOARD, TEACHER, read_mark

SECOND = TICKS_PER_SECOND
SIZE = (320, 180)
TOP = Rendition(name="top", kind=Kind.VIDEO, codec="h264", width=320, height=180, crf=16, maxrate=4_000_000,
                bufsize=4_000_000, preset="ultrafast")  # fmt: skip
LOW = Rendition(name="low", kind=Kind.VIDEO, codec="h264", width=160, height=90, frame_divisor=4, crf=20,
                maxrate=900_000, bufsize=900_000, preset="ultrafast")  # fmt: skip
CAMERA, PANEL = source("teacher"), source("board")
GRID = Grid()


def lesson(root: Path, *, seconds: float = 8.0, board_pts: Ticks = 355_200, **board: object) -> LessonFolder:
    folder = make_lesson(root, sources=(CAMERA, PANEL), ladder=(VOICE, LOW, TOP))
    film(folder, CAMERA, Take(TEACHER, seconds, size=SIZE))
    values: dict[str, object] = {"fps": 10, "pts": board_pts, "shade": 150, **board}
    film(folder, PANEL, Take(BOARD, seconds, size=SIZE, **values))  # type: ignore[arg-type]
    return folder


def planned(folder: LessonFolder, *shots: Shot | CropPath, end: Ticks, board_pts: Ticks = 355_200) -> LessonState:
    state = load_state(folder)
    state.apply(Mapped(map=ClockMap("teacher", 0, Span(0, end), 0)))
    state.apply(Mapped(map=ClockMap("board", 0, Span(0, end), -board_pts)))
    for shot in shots:
        state.apply(shot)
    state.apply(FrozenUntil(at=end, final=True))
    return state


def shot(start: float, end: float, layout: Layout, *sources: str) -> Shot:
    return Shot(span=Span(round(start * SECOND), round(end * SECOND)), layout=layout, sources=sources, reason="test")


def job_for(folder: LessonFolder, state: LessonState, first: int, count: int = 1) -> ChunkJob:
    spans = dict(enumerate(GRID.spans(state.frozen_until)))
    wanted = {index: spans[index] for index in range(first, first + count)}
    return make_job(folder, state, wanted, (LOW, TOP))


def frames_of(job: ChunkJob, rendition: Rendition = TOP) -> list[NDArray[np.uint8]]:
    data = b"".join(chunk.data for chunk in run(job) if chunk.rendition == rendition)
    with av.open(io.BytesIO(video_init(rendition, GRID) + data), format="mp4") as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_every_frame_shows_its_own_instant(tmp_path: Path) -> None:
    folder = lesson(tmp_path)
    state = planned(folder, shot(0, 4, Layout.FULL, "teacher"), shot(4, 8, Layout.FULL, "board"), end=8 * SECOND)
    frames = frames_of(job_for(folder, state, 0, 3))
    assert len(frames) == 200
    for number, luma in enumerate(frames):
        at = number * GRID.frame
        mark = read_mark(luma)
        assert mark is not None
        assert mark.source == (TEACHER if at < 4 * SECOND else BOARD)
        period = GRID.frame if mark.source == TEACHER else SECOND // 10
        rounding = SECOND // 1000  # Matroska keeps milliseconds
        assert -rounding <= at - mark.at < period + rounding


def test_a_rung_with_fewer_frames_shows_the_same_instants(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=4)
    state = planned(folder, shot(0, 4, Layout.FULL, "teacher"), end=4 * SECOND)
    frames = frames_of(job_for(folder, state, 0, 2), LOW)
    marks = [read_mark(luma, drawn_height=180) for luma in frames]
    assert [mark.at if mark else None for mark in marks] == [n * 4 * GRID.frame for n in range(25)]


def test_parts_of_a_batch_are_the_same_bytes_as_chunks_made_alone(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=12, segment_s=5)
    state = planned(
        folder,
        shot(0, 5, Layout.FULL, "teacher"),
        shot(5, 9, Layout.PIP, "board", "teacher"),
        shot(9, 12, Layout.SLATE),
        CropPath(source="teacher", span=Span(0, 12 * SECOND), keys=(
            CropKey(at=0, box=Rectangle(0, 0, 0.7, 0.7)), CropKey(at=9 * SECOND, box=Rectangle(0.3, 0.3, 0.7, 0.7)))),
        end=12 * SECOND,
    )  # fmt: skip
    together = run(job_for(folder, state, 0, 4))
    alone = [chunk for index in range(4) for chunk in run(job_for(folder, state, index))]
    key = {(chunk.rendition.name, chunk.index): (chunk.data, chunk.inputs) for chunk in together}
    assert key == {(chunk.rendition.name, chunk.index): (chunk.data, chunk.inputs) for chunk in alone}


def test_a_job_survives_being_carried_elsewhere(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=4)
    job = job_for(folder, planned(folder, shot(0, 4, Layout.FULL, "teacher"), end=4 * SECOND), 0)
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - our own bytes
    assert pickle.loads(pickle.dumps(run(job))) == run(job)  # noqa: S301


def test_the_inset_and_the_picture_below_are_of_the_same_instant(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=4, fps=25)
    state = planned(folder, shot(0, 4, Layout.PIP, "board", "teacher"), end=4 * SECOND)
    frames = frames_of(job_for(folder, state, 0))
    for number, luma in enumerate(frames[::10]):
        mark = read_mark(luma)
        assert mark is not None
        assert mark.source == BOARD
        assert abs(mark.at - number * 10 * GRID.frame) <= SECOND // 1000


def test_pictures_that_come_when_they_like_are_held(tmp_path: Path) -> None:
    times = (0, 10_000, 11_000, 100_000, 150_000, 191_000)
    folder = lesson(tmp_path, seconds=4, board_pts=0, frames=times)
    state = planned(folder, shot(0, 4, Layout.FULL, "board"), end=4 * SECOND, board_pts=0)
    stored = [round(at / 48) * 48 for at in times]
    for number, luma in enumerate(frames_of(job_for(folder, state, 0))):
        at = number * GRID.frame
        mark = read_mark(luma)
        assert mark is not None
        early = GRID.frame // 2
        assert mark.at == max(time for time, kept in zip(times, stored, strict=True) if kept < at + early)


@pytest.mark.parametrize("late", [0, 1, 300, GRID.frame // 2, GRID.frame // 2 + 60, GRID.frame - 60])
def test_pictures_between_the_points_of_the_grid_are_never_shown_more_than_half_a_step_off(
    tmp_path: Path, late: int
) -> None:
    """Held until the next point they were up to a whole step late against the voice, and always late."""
    times = tuple(number * GRID.frame + late for number in range(100))
    folder = lesson(tmp_path, seconds=4, board_pts=0, frames=times)
    state = planned(folder, shot(0, 4, Layout.FULL, "board"), end=4 * SECOND, board_pts=0)
    for number, luma in enumerate(frames_of(job_for(folder, state, 0))):
        mark = read_mark(luma)
        assert mark is not None
        if 0 < number < 95:
            assert abs(mark.at - number * GRID.frame) <= GRID.frame // 2 + SECOND // 1000


def test_a_picture_that_cannot_be_decoded_is_replaced_by_another_source(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=8)
    state = planned(folder, shot(0, 8, Layout.FULL, "board"), end=8 * SECOND)
    for path in folder.raw_folder("board").rglob("*.mkv"):
        path.write_bytes(os.urandom(5_000))
    frames = frames_of(job_for(folder, state, 0))
    assert {mark.source for luma in frames if (mark := read_mark(luma))} == {TEACHER}


def test_a_file_that_is_gone_is_replaced_as_well(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=8)
    state = planned(folder, shot(0, 8, Layout.PIP, "board", "teacher"), end=8 * SECOND)
    for path in folder.path.rglob("raw/*/e00/*.mkv"):
        path.unlink()
    frames = frames_of(job_for(folder, state, 0))
    assert len(frames) == 96
    assert all(luma.std() > 0.3 and luma.mean() > 40 for luma in frames)  # the slate, not black


def test_a_crop_path_moves_the_picture(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=4)
    keys = (CropKey(at=0, box=FULL_FRAME), CropKey(at=2 * SECOND, box=Rectangle(0.5, 0.5, 0.5, 0.5)))
    crop = CropPath(source="teacher", span=Span(0, 4 * SECOND), keys=keys)
    whole = planned(folder, shot(0, 4, Layout.FULL, "teacher"), end=4 * SECOND)
    moved = planned(folder, shot(0, 4, Layout.FULL, "teacher"), crop, end=4 * SECOND)
    frames, cropped = frames_of(job_for(folder, whole, 0)), frames_of(job_for(folder, moved, 0))
    assert np.abs(frames[0].astype(int) - cropped[0]).mean() < 2
    scaled = np.kron(frames[80][90:, 160:], np.ones((2, 2)))
    assert np.abs(scaled[:140] - cropped[80][:140]).mean() < 4


def test_without_feeds_there_is_still_a_chunk(tmp_path: Path) -> None:
    folder = lesson(tmp_path, seconds=8)
    job = job_for(folder, planned(folder, shot(0, 8, Layout.FULL, "teacher"), end=8 * SECOND), 1)
    frames = frames_of(without_sources(job))
    assert len(frames) == 96
    assert max(luma.std() for luma in frames) < 20


@pytest.mark.parametrize("change", ["shot", "clock", "segment", "nothing"])
def test_inputs_name_everything_a_chunk_was_made_from(tmp_path: Path, change: str) -> None:
    folder = lesson(tmp_path / "a", seconds=8)
    end = 8 * SECOND
    first = job_for(folder, planned(folder, shot(0, 8, Layout.FULL, "teacher"), end=end), 0, 2).inputs
    if change == "segment":
        folder = make_lesson(tmp_path / "b", sources=(CAMERA, PANEL), ladder=(VOICE, LOW, TOP))
        film(folder, CAMERA, Take(TEACHER, 8, size=SIZE, shade=91))
        film(folder, PANEL, Take(BOARD, 8, size=SIZE, fps=10, pts=355_200, shade=150))
    state = planned(folder, shot(0, 8, Layout.FULL, "board" if change == "shot" else "teacher"), end=end)
    if change == "clock":
        state.sources["teacher"].maps[0] = [ClockMap("teacher", 0, Span(0, end), 48)]
    second = job_for(folder, state, 0, 2).inputs
    assert (first == second) is (change == "nothing")
    assert len(set(first)) == 2
