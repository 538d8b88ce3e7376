"""Existing media: every real file is either made into a lesson or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.view import load_state
from tests.kit.clips import marked_clip
from tests.kit.footage import clips
from tests.kit.programme import classreel, decoding_errors, folder_of, pictures_of, result_of


@pytest.mark.footage
@pytest.mark.parametrize("clip", clips("slides", "teacher"))
def test_every_lecture_becomes_a_lesson(footage: Path, clip: Path, tmp_path: Path) -> None:
    assert footage.is_dir()
    result = result_of(classreel("import", "--source", f"screen={clip}", "--root", tmp_path, "--json"))
    store = folder_of(result["published_url"])
    assert result["problems"] == []
    assert decoding_errors(store / "index.m3u8") == ""
    assert max(float(picture.luma.std()) for picture in pictures_of(store / "v360")) > 10


@pytest.mark.footage
@pytest.mark.parametrize("clip", clips("odd"))
def test_an_odd_file_is_imported_or_refused_in_one_line(footage: Path, clip: Path, tmp_path: Path) -> None:
    assert footage.is_dir()
    done = classreel("import", "--source", f"teacher={clip}", "--root", tmp_path, "--json", timeout_s=150)
    assert "Traceback" not in done.stderr
    if done.returncode == 0:
        result = json.loads(done.stdout)
        store = folder_of(result["published_url"])
        assert result["duration_s"] > 0
        assert decoding_errors(store / "index.m3u8") == ""
    else:
        last = done.stderr.strip().splitlines()[-1]
        assert clip.name in last
        assert done.stdout == ""
        assert list(lessons_in(tmp_path)) == []
        assert not any((tmp_path / ".staging").glob("*"))


@pytest.mark.footage
def test_two_files_with_an_offset_start_where_they_are_told(footage: Path, tmp_path: Path) -> None:
    clip = footage / "odd" / "psd_counter.mp4"
    speech = footage / "audio" / "oc_speech_8s.mp4"
    arguments = ["--source", f"screen={clip}", "--source", f"mic={speech}", "--offset", "screen=2.0"]
    result = result_of(classreel("import", *arguments, "--root", tmp_path, "--json"))
    store = folder_of(result["published_url"])
    shown = list(pictures_of(store / "v720"))
    # two seconds of the calm card, then the counter: the same card from the first frame on, and nothing black
    assert np.array_equal(shown[0].luma, shown[40].luma) or abs(float(shown[0].luma.mean() - shown[40].luma.mean())) < 2
    assert abs(float(shown[60].luma.mean()) - float(shown[0].luma.mean())) > 5


def test_names_of_every_script_and_of_none_through_the_command(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mp4", seconds=2)
    names = [b"100% #1 what?.mp4", "张老师 的课.mp4".encode(), "བོད་.mp4".encode(), b"it's [1]+(2),&=\xff\n?loop"]
    arguments = []
    for name in names:
        (tmp_path / os.fsdecode(name)).hardlink_to(clip)
        arguments += ["--source", f"board={tmp_path / os.fsdecode(name)}"]
    result = result_of(classreel("import", *arguments, "--root", tmp_path / "root", "--json"))
    assert result["problems"] == []
    assert result["duration_s"] == pytest.approx(2, abs=0.1)
    state = load_state(LessonFolder(Path(result["lesson_dir"])))
    assert [sum(s.video.packets for s in source.segments if s.video) for source in state.sources.values()] == [50] * 4


def test_the_report_says_what_was_announced_and_is_missing(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mkv", seconds=8)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    result = result_of(classreel("import", "--source", f"board={cut}", "--root", tmp_path / "root", "--json"))
    picture, voice = result["streams"]
    assert picture.keys() == {
        "source", "kind", "announced", "first_s", "last_s", "held_s", "stated_s", "dropped_s", "reason",
    }  # fmt: skip
    assert [(entry["source"], entry["kind"], entry["reason"]) for entry in (picture, voice)] == [
        ("board", "video", "truncated"),
        ("board", "audio", "truncated"),
    ]
    assert picture["stated_s"] == pytest.approx(8, abs=0.1)
    assert picture["held_s"] == pytest.approx(picture["last_s"], abs=0.1)
    assert 3 < picture["last_s"] < 5.5
    assert f"board: picture ends after {picture['last_s']:.1f} of 8 s" in result["problems"]


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    arguments = ["--source", f"teacher={tmp_path / 'pipe.mp4'}", "--root", tmp_path / "root"]
    done = classreel("import", *arguments, timeout_s=20)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "pipe.mp4: a named pipe" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"), [("empty.mp4", b""), ("text.mp4", b"This is no video.\n" * 50), ("missing.mp4", None)]
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    done = classreel("import", "--source", f"teacher={file}", "--root", tmp_path / "root", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert name in done.stderr
