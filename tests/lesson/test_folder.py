"""Lesson folders: names that are paths, headers nobody can twist, records that cannot point outside."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import LessonFormatError, LessonNotFoundError, StorageError
from lesson.folder import LessonFolder, find_lesson, is_name, lessons_in, new_lesson_id
from lesson.verify import verify_local
from tests.kit.lessons import HIGH, TINY_LADDER, header, make_lesson, record_all, source


def rewrite(folder: LessonFolder, **changes: Any) -> LessonFolder:
    """As another version could have written it: without a checksum, and without a copy."""
    data = json.loads(folder.header_path.read_bytes()) | changes
    data.pop("crc", None)
    folder.header_path.write_text(json.dumps(data))
    folder.header_copy.unlink(missing_ok=True)
    return LessonFolder(folder.path)


def test_a_header_comes_back_whole(tmp_path: Path) -> None:
    given_header = header("lesson", languages=("bo", "zh"), sources=(source("teacher", user_env="U", required=True),))
    made = LessonFolder.create(tmp_path / "not" / "there" / "yet", given_header)
    assert LessonFolder(made.path).header == given_header


@pytest.mark.parametrize("title", ["ཨ་མེ་རི་ཀ", "两 个 \u2028 lines", 'quote " and \\', "caf\udce9"])
def test_titles_in_any_script_come_back(tmp_path: Path, title: str) -> None:
    assert LessonFolder(make_lesson(tmp_path, title=title).path).header.title == title


@given(st.text(max_size=80))
def test_a_name_is_one_harmless_path_component(text: str) -> None:
    if is_name(text):
        assert Path(text).name == text
        assert text not in {".", ".."}
        assert text == text.lower()
        assert text.isascii()
        assert len(os.fsencode(text)) <= 64


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "Ä", "a b", "-a", "a\n", "a\0", "A", "x" * 65, "../a", "~"]
)
def test_what_is_no_name_names_nothing(tmp_path: Path, name: str) -> None:
    assert not is_name(name)
    for bad in (
        header(name),
        header(sources=(source("teacher", name),)) if name else header(name),
        header(ladder=(HIGH, *TINY_LADDER)),
        header(sources=(source("teacher"), source("board", "teacher"))),
    ):
        with pytest.raises(LessonFormatError, match=r"is no name|names two"):
            LessonFolder.create(tmp_path, bad)
    assert list(tmp_path.iterdir()) == []


def test_a_twisted_header_is_refused_before_it_becomes_a_path(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    twisted = json.loads(folder.header_path.read_bytes())["sources"]
    twisted[0]["id"] = "../../elsewhere"
    with pytest.raises(LessonFormatError, match="is no name"):
        _ = rewrite(folder, sources=twisted).header


def test_a_lesson_is_never_overwritten(tmp_path: Path) -> None:
    make_lesson(tmp_path, title="first")
    with pytest.raises(LessonFormatError, match="exists already"):
        make_lesson(tmp_path, title="second")
    assert LessonFolder(tmp_path / "lesson").header.title == "first"


def test_ids_sort_by_time_and_differ() -> None:
    early, late = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
    assert new_lesson_id(early).startswith("20260102-030405-")
    assert new_lesson_id(early) < new_lesson_id(late)
    assert is_name(new_lesson_id())
    assert len({new_lesson_id(early) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"schema": 1}',
        b'{"schema": "1"}',
        b'{"schema": 2}',
        b"[" * 200_000,
    ],
    ids=lambda content: repr(content[:16]),
)
def test_headers_that_cannot_be_read_are_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    folder = make_lesson(tmp_path)
    folder.header_path.write_bytes(content)
    folder.header_copy.unlink()
    with pytest.raises(LessonFormatError) as refused:
        _ = LessonFolder(folder.path).header
    assert str(folder.header_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_newer_schema_is_refused_and_newer_fields_are_skipped(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    assert rewrite(folder, weather="fine").header == header()
    with pytest.raises(LessonFormatError, match="newer than this version"):
        _ = rewrite(folder, schema=99).header
    with pytest.raises(LessonFormatError, match="not a lesson header"):
        _ = rewrite(folder, schema=1, grid={"chunk": 100, "frame": 33}).header


def test_no_header_is_no_lesson(tmp_path: Path) -> None:
    with pytest.raises(LessonNotFoundError, match="no lesson folder"):
        _ = LessonFolder(tmp_path / "none").header
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LessonNotFoundError):
        _ = LessonFolder(tmp_path / "file").header
    (tmp_path / "odd" / "lesson.json").mkdir(parents=True)
    with pytest.raises(StorageError, match="Is a directory"):
        _ = LessonFolder(tmp_path / "odd").header


@pytest.mark.parametrize(
    "relative",
    ["../other/raw/x.mkv", "/etc/passwd", "raw/../../other", "..", ".", "", "raw/..", "raw/link/x", "a\0b"],
)
def test_no_record_points_outside_its_lesson(tmp_path: Path, relative: str) -> None:
    folder = make_lesson(tmp_path)
    (folder.path / "raw" / "link").symlink_to(tmp_path)
    with pytest.raises(LessonFormatError, match=r"outside the lesson|can be no file"):
        folder.absolute(relative)


def test_links_in_a_circle_are_refused_or_stay_inside(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    (folder.path / "circle").symlink_to("../circle2")
    (tmp_path / "circle2").symlink_to("lesson/circle")
    try:
        found = folder.absolute("circle")
    except LessonFormatError:
        return
    assert folder.path.resolve() in found.parents  # Python 3.13 finds a place for it


@given(st.text(max_size=60))
def test_paths_either_lie_inside_or_are_refused(tmp_path_factory: pytest.TempPathFactory, relative: str) -> None:
    folder = LessonFolder(tmp_path_factory.getbasetemp() / "lesson")
    try:
        path = folder.absolute(relative)
    except LessonFormatError:
        return
    assert folder.path.resolve() in path.parents


def test_a_lesson_reached_through_a_link_works(tmp_path: Path) -> None:
    make_lesson(tmp_path / "real")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    folder = find_lesson(tmp_path / "root", "lesson")
    path = folder.absolute("raw/teacher/e00/000000.mkv")
    assert path == (tmp_path / "real/lesson/raw/teacher/e00/000000.mkv").resolve()


def test_every_path_is_relative_to_the_lesson(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    segment = folder.segment_path("teacher", 3, 12)
    assert folder.relative(segment) == "raw/teacher/e03/000012.mkv"
    assert folder.absolute(folder.relative(segment)) == segment.resolve()
    assert folder.relative(folder.chunk_path("low", 7, "3fa9c1")) == "enc/low/000007-3fa9c1.m4s"
    assert folder.relative(folder.init_path("low", "3fa9c1")) == "enc/low/init-3fa9c1.mp4"


def test_lessons_are_listed_oldest_first_and_other_folders_are_not(tmp_path: Path) -> None:
    for name in ("20260102-1", "20251231-9", "20260102-0"):
        make_lesson(tmp_path, name)
    (tmp_path / "store").mkdir()
    (tmp_path / ".staging").mkdir()
    (tmp_path / "20260103-x").write_bytes(b"")
    assert [folder.id for folder in lessons_in(tmp_path)] == ["20251231-9", "20260102-0", "20260102-1"]
    assert list(lessons_in(tmp_path / "none")) == []


def test_a_lesson_is_found_by_id_beginning_or_folder(tmp_path: Path) -> None:
    for name in ("20260102-1", "20260102-12", "20251231-9"):
        make_lesson(tmp_path, name)
    assert find_lesson(tmp_path, "20260102-1").id == "20260102-1"
    assert find_lesson(tmp_path, "2025").id == "20251231-9"
    assert find_lesson(tmp_path / "elsewhere", str(tmp_path / "20251231-9")).id == "20251231-9"
    with pytest.raises(LessonNotFoundError, match="may mean 2 lessons"):
        find_lesson(tmp_path, "20260102")


@pytest.mark.parametrize("name", ["", "..", "none", "x" * 5_000, "a\0b", "/nowhere", "./", "20251231-9/"])
def test_what_is_not_there_is_not_found(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_lesson(tmp_path / "root", "20251231-9")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LessonNotFoundError):
        find_lesson(tmp_path / "root", name)


def test_who_made_a_lesson_and_who_reads_it_call_its_renditions_the_same(tmp_path: Path) -> None:
    whole = tuple(replace(rung, crf=30) for rung in TINY_LADDER)  # no float
    made = LessonFolder.create(tmp_path, header(ladder=whole))
    read = LessonFolder(made.path)
    assert made.header == read.header
    assert [rung.digest for rung in made.header.ladder] == [rung.digest for rung in read.header.ladder]


@given(st.data())
def test_no_bit_that_flips_makes_another_lesson_of_it(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        lesson = make_lesson(Path(folder), title="Чтение 读 ཀློག")
        whole = lesson.header_path.read_bytes()
        at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << bit
        lesson.header_path.write_bytes(spoilt)
        assert LessonFolder(lesson.path).header == lesson.header, "its copy stands in for it"
        lesson.header_copy.unlink()
        try:
            found = LessonFolder(lesson.path).header
        except LessonFormatError:
            return
        assert found == lesson.header, "a bit that says nothing, such as a blank"


def test_a_copy_that_is_spoilt_is_no_help_and_no_harm(tmp_path: Path) -> None:
    lesson = make_lesson(tmp_path)
    lesson.header_copy.write_text("{")
    assert LessonFolder(lesson.path).header == lesson.header
    lesson.header_path.write_text("{")
    with pytest.raises(LessonFormatError, match=r"/lesson/lesson\.json: not a lesson header"):
        _ = LessonFolder(lesson.path).header


def test_a_source_whose_name_was_spoilt_is_missed_by_name(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    folder.header_copy.unlink()
    data = json.loads(folder.header_path.read_bytes())
    data["sources"][0]["id"] = "teacler"
    data.pop("crc")
    folder.header_path.write_text(json.dumps(data))
    spoilt = LessonFolder(folder.path)
    assert any(line.startswith("raw/teacher: recorded, but no source") for line in verify_local(spoilt))
