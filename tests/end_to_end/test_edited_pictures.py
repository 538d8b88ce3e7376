"""An edited lesson, decoded: what the curator asked for, at the right times, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from lesson.editions import start_edition
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Kind, Layout, Rendition
from lesson.overrides import OverrideShot, Trim
from lesson.records import FrozenUntil, Mapped, Origin, Shot, SourceFinished
from lesson.time import TICKS_PER_SECOND, ClockMap, Grid, Span, Ticks, ticks_from_pts
from lesson.verify import verify_local
from lesson.view import load_state
from media.output.fmp4 import MEDIA_START
from tests.kit.clicks import find_clicks
from tests.kit.filmed import Take, film
from tests.kit.lessons import VOICE, files_of, make_lesson, moment, source, start, stop
from tests.kit.marks import BOARD, TEACHER, read_mark
from tests.kit.programme import classreel, decoding_errors, folder_of, result_of

S = TICKS_PER_SECOND
SECONDS = 24
TOP = Rendition(name="top", kind=Kind.VIDEO, codec="h264", width=320, height=180, crf=18, maxrate=4_000_000,
                bufsize=4_000_000, preset="ultrafast")  # fmt: skip
CAMERAS = {"teacher": TEACHER, "board": BOARD}


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    """Two cameras, one with sound, recorded for 24 s; the plan shows the teacher throughout."""
    specs = [source("teacher"), source("board")]
    folder = make_lesson(tmp_path / "lessons", sources=tuple(specs), ladder=(VOICE, TOP))
    start(folder)
    for spec in specs:
        film(folder, spec, Take(CAMERAS[spec.id], SECONDS, sound=spec.id == "teacher"))
        append_records(folder.raw_journal(spec.id), [SourceFinished(source=spec.id, at=moment(SECONDS))])
    stop(folder, at=moment(SECONDS))
    whole = Span(0, SECONDS * S)
    append_records(
        folder.plan_journal(),
        [
            Origin(at=moment(), master="teacher"),
            *(Mapped(map=ClockMap(spec.id, 0, whole, 0)) for spec in specs),
            Shot(span=whole, layout=Layout.FULL, sources=("teacher",), reason="test"),
            FrozenUntil(at=whole.end, final=True),
        ],
    )
    return folder


def process(folder: LessonFolder, tmp_path: Path) -> Path:
    """Finish the lesson as a user would; its `index.m3u8` in the store."""
    store = {"CLASSREEL_STORE_URL": (tmp_path / "store").as_uri()}
    result = result_of(classreel("process", folder.path, "--json", env=store))
    assert result["problems"] == []
    return folder_of(str(result["published_url"])) / "index.m3u8"


def shown(folder: LessonFolder) -> list[tuple[Ticks, int, Ticks]]:
    """Lesson tick of each picture, which camera it shows, and the camera's time."""
    data = b"".join(path.read_bytes() for path in files_of(folder, "top"))
    found = []
    with av.open(io.BytesIO(data), format="mp4") as container:
        base = container.streams.video[0].time_base
        assert base is not None
        for frame in container.decode(video=0):
            mark = read_mark(frame.to_ndarray(format="gray"), drawn_height=180)
            assert mark is not None
            found.append((ticks_from_pts(frame.pts or 0, base) - MEDIA_START, mark.source, mark.at))
    return found


def heard(folder: LessonFolder) -> list[Ticks]:
    """Where clicks are heard; each even second has one."""
    data = b"".join(path.read_bytes() for path in files_of(folder, "voice"))
    with av.open(io.BytesIO(data), format="mp4") as container:
        frames = list(container.decode(audio=0))
        first = ticks_from_pts(frames[0].pts or 0, container.streams.audio[0].time_base or Grid().fps) - MEDIA_START
        return find_clicks(np.concatenate([frame.to_ndarray()[0] for frame in frames]), start=first)


def test_an_edited_lesson_shows_what_was_asked_for(folder: LessonFolder, tmp_path: Path) -> None:
    process(folder, tmp_path)
    before = load_state(folder)
    assert {camera for _, camera, _ in shown(folder)} == {TEACHER}

    edit = OverrideShot(span=Span(9 * S, 11 * S), layout=Layout.FULL, sources=("board",))
    start_edition(tmp_path / "lessons", folder, [edit, Trim(span=Span(2 * S, round(20.5 * S)))])
    index = process(folder, tmp_path)
    after = load_state(folder)
    assert decoding_errors(index) == ""
    assert verify_local(folder) == []
    pictures = shown(folder)
    begin, end = round(2.24 * S), round(20.48 * S)  # the next multiple of 0.32 s, and the last whole frame
    assert [at for at, _, _ in pictures] == list(range(begin, end, 1_920))
    assert [at for at, camera, _ in pictures if camera == BOARD] == list(range(9 * S, 11 * S, 1_920))
    assert max(abs(at - seen) for at, _, seen in pictures) <= S // 1000
    clicks = heard(folder)
    assert len(clicks) == 9
    assert max(abs(at - second * S) for at, second in zip(clicks, range(4, 21, 2), strict=True)) <= S // 500
    for name, again in {"voice": [0, 5], "top": [0, 2, 5]}.items():
        old, new = before.renditions[name].chunks, after.renditions[name].chunks
        assert sorted(index for index in new if new[index] != old[index]) == again
    assert after.duration == end - begin
