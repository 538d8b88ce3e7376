"""Lessons of earlier versions: read, verified, planned, encoded and published again by this one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind
from lesson.state import LessonState, Phase
from lesson.verify import verify_local
from lesson.view import load_state
from tests.kit.places import GOLDEN
from tests.kit.programme import classreel, decoding_errors, folder_of, result_of

LESSONS = [folder.path for folder in lessons_in(GOLDEN)]


@pytest.fixture(params=LESSONS, ids=lambda path: path.name)
def lesson(request: pytest.FixtureRequest, tmp_path: Path) -> LessonFolder:
    copy = tmp_path / "lessons" / request.param.name
    shutil.copytree(request.param, copy)
    return LessonFolder(copy)


def process(folder: LessonFolder, tmp_path: Path) -> dict[str, object]:
    store = {"CLASSREEL_STORE_URL": (tmp_path / "store").as_uri()}
    return result_of(classreel("process", folder.path, "--json", env=store))


def frames(state: LessonState) -> dict[str, int]:
    return {name: len(rendition.chunks) for name, rendition in state.renditions.items()}


def test_there_are_golden_lessons() -> None:
    assert LESSONS


def test_it_is_read_and_sound(lesson: LessonFolder) -> None:
    state = load_state(lesson)
    assert state.phase is Phase.PUBLISHED
    assert state.duration == 528_000
    assert [(gap.source, gap.span.start, gap.span.end) for gap in state.gaps()] == [("board", 216_961, 332_160)]
    assert state.sources["board"].last_epoch == 1
    assert [s.closed_by for s in state.sources["board"].segments].count("recovered") == 1
    assert all(source.lesson_coverage(Kind.VIDEO) for name, source in state.sources.items() if name != "mic")
    assert verify_local(lesson) == []


def test_it_is_published_again_as_it_was(lesson: LessonFolder, tmp_path: Path) -> None:
    before = load_state(lesson)
    shutil.rmtree(lesson.publish_journal.parent)
    result = process(lesson, tmp_path)
    after = load_state(lesson)
    url = str(result["published_url"])
    assert url.startswith((tmp_path / "store").as_uri())
    chunks = {key: stored.sha256 for key, stored in before.objects.items() if key.endswith((".m4s", ".mp4"))}
    assert {key: stored.sha256 for key, stored in after.objects.items() if key in chunks} == chunks
    assert decoding_errors(folder_of(url) / "index.m3u8") == ""
    assert verify_local(lesson) == []


def _forget_everything_after_recording(lesson: LessonFolder) -> None:
    for made in ("observe", "plan", "enc", "pub"):
        shutil.rmtree(lesson.path / made)
    lesson.manifest_path.unlink()


def _forget_half_of_the_chunks(lesson: LessonFolder) -> None:
    shutil.rmtree(lesson.publish_journal.parent)
    for rendition in lesson.header.ladder:
        journal = lesson.rendition_journal(rendition.name)
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:20])  # and a torn tail


@pytest.mark.parametrize("forget", [_forget_everything_after_recording, _forget_half_of_the_chunks])
def test_it_is_made_again(lesson: LessonFolder, tmp_path: Path, forget: Callable[[LessonFolder], None]) -> None:
    before = load_state(lesson)
    forget(lesson)
    result = process(lesson, tmp_path)
    after = load_state(lesson)
    assert result["problems"] == []
    assert after.phase is Phase.PUBLISHED
    assert abs(after.duration - before.duration) <= before.header.grid.frame
    assert frames(after) == frames(before)
    assert after.shots[0].span.start == 0
    assert after.shots[-1].span.end == after.duration
    assert decoding_errors(folder_of(str(result["published_url"])) / "index.m3u8") == ""
    assert verify_local(lesson) == []
