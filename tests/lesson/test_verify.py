from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lesson.files import file_sha256
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.manifest import manifest
from lesson.records import SegmentCommitted, Verified
from lesson.verify import verify_local
from lesson.view import load_state
from tests.kit.lessons import encode_all, make_lesson, old_chunk, old_init, plan_all, record_all


@pytest.fixture
def whole(tmp_path: Path) -> LessonFolder:
    folder = make_lesson(tmp_path)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


def flip(path: Path, at: int = 10) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_lesson_has_no_problems(whole: LessonFolder) -> None:
    assert verify_local(whole) == []


def test_a_lesson_that_only_begins_has_no_problems(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    assert verify_local(folder) == []
    record_all(folder, finished=False)
    assert verify_local(folder) == []


def test_files_no_journal_names_are_no_problem(whole: LessonFolder) -> None:
    whole.segment_path("teacher", 0, 99).write_bytes(b"cut short by a crash")
    old_chunk(whole, "low", 99).write_bytes(b"x")
    assert verify_local(whole) == []


DAMAGES: dict[str, tuple[Callable[[LessonFolder], object], str]] = {
    "a bit of a segment": (lambda f: flip(f.segment_path("teacher", 0, 1)), "raw/teacher/e00/000001.mkv: its bytes"),
    "a segment cut short": (
        lambda f: f.segment_path("mic", 0, 0).write_bytes(b"short"),
        "raw/mic/e00/000000.mkv: 5 bytes, committed were",
    ),
    "a chunk gone": (lambda f: old_chunk(f, "high", 2).unlink(), "enc/high/000002.m4s: missing"),
    "a bit of an init": (lambda f: flip(old_init(f, "voice"), 1), "enc/voice/init.mp4: its bytes"),
    "a line in the middle": (
        lambda f: flip(f.raw_journal("mic"), 30),
        "raw/mic/journal.jsonl: 1 line(s) with a wrong byte",
    ),
    "two bytes of a line": (
        lambda f: (flip(f.raw_journal("mic"), 30), flip(f.raw_journal("mic"), 50)),
        "raw/mic/journal.jsonl: 1 damaged line",
    ),
    "the last line": (
        lambda f: [flip(f.rendition_journal("low"), f.rendition_journal("low").stat().st_size - at) for at in (40, 60)],
        "low: 1 of 4 chunks missing, first 3",
    ),
}


@pytest.mark.parametrize("name", list(DAMAGES))
def test_each_damage_is_named(whole: LessonFolder, name: str) -> None:
    harm, line = DAMAGES[name]
    harm(whole)
    problems = verify_local(whole)
    assert any(line in problem for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


def test_garbage_after_the_last_line_of_a_finished_journal_is_named(whole: LessonFolder) -> None:
    with whole.raw_journal("teacher").open("ab") as file:
        file.write(b'{"type":"SourceFin')
    assert verify_local(whole) == ["raw/teacher/journal.jsonl: its last 18 bytes are no sound line"]


def test_a_record_pointing_outside_is_named_not_followed(whole: LessonFolder) -> None:
    evil = replace(load_state(whole).sources["teacher"].segments[0], seq=9, path="../../../etc/hostname")
    append_records(whole.raw_journal("teacher"), [SegmentCommitted(segment=evil)])
    assert any("outside the lesson" in problem for problem in verify_local(whole))


def test_the_manifest_must_be_the_published_one(whole: LessonFolder) -> None:
    whole.manifest_path.write_bytes(manifest(load_state(whole)))
    append_records(
        whole.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256=file_sha256(whole.manifest_path))]
    )
    assert verify_local(whole) == []
    flip(whole.manifest_path)
    assert verify_local(whole) == ["manifest.json: not the manifest that was published"]
    whole.manifest_path.unlink()
    assert verify_local(whole) == ["manifest.json: missing"]
