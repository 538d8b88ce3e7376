"""Lessons of earlier versions: read, verified, planned, encoded and published again by this one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lesson.editions import start_edition
from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind, Layout
from lesson.overrides import OverrideShot, Trim
from lesson.phase import Phase
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Span
from lesson.verify import verify_local
from lesson.view import load_state
from publish.folder_store import FolderStore
from publish.verify import verify_remote
from tests.kit.places import GOLDEN
from tests.kit.programme import classreel, decoding_errors, folder_of, result_of
from tests.kit.stages import coded, without_workers, work

S = TICKS_PER_SECOND
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


def test_its_renditions_are_called_what_they_were_called(lesson: LessonFolder) -> None:
    """Else an edit of one shot would have all of it encoded again."""
    started = {name: progress.started for name, progress in load_state(lesson).renditions.items()}
    assert {rung.name: rung.digest for rung in lesson.header.ladder} == {
        name: record.digest for name, record in started.items() if record
    }


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


EDIT = (
    OverrideShot(span=Span(4 * S, 5 * S), layout=Layout.FULL, sources=("teacher",)),
    Trim(span=Span(1 * S, 11 * S)),
)
"""Chunks last 3.84 s: the first is cut, the second shows something else, the third is as it was."""


@pytest.mark.parametrize("seen", [True, False], ids=["where it was published", "in another store"])
def test_it_is_edited(lesson: LessonFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    without_workers(monkeypatch)
    store = FolderStore(tmp_path / "store")
    place = store.root / lesson.header.id
    if seen:
        shutil.rmtree(lesson.publish_journal.parent)
        work(lesson, store)
    before = load_state(lesson)
    files = {path: path.read_bytes() for path in [*lesson.path.glob("enc/*/*.m*"), *place.rglob("*.m*")]}

    start_edition(lesson.path.parent, lesson, EDIT)
    coded.clear()
    work(lesson, store, blind=False)
    after = load_state(lesson)
    assert (after.phase, after.shown) == (Phase.PUBLISHED, 1)
    assert after.duration == 11 * S - round(1.28 * S)  # from the next multiple of 0.32 s
    pictures = [rung.name for rung in lesson.header.ladder if rung.kind is Kind.VIDEO]
    assert sorted(coded) == sorted((name, index) for name in pictures for index in (0, 1))
    for name, progress in after.renditions.items():
        old, again = before.renditions[name].chunks, [0, 1] if name in pictures else [0]
        assert [index for index in old if progress.chunks[index] != old[index]] == again
    assert decoding_errors(place / "index.m3u8") == ""
    assert (verify_local(lesson), verify_remote(lesson, store, deep=True)) == ([], [])

    first = after.seen_as(0)
    assert (first.shots, first.duration, first.renditions) == (before.shots, before.duration, before.renditions)
    changed = {path for path, data in files.items() if path.read_bytes() != data}
    assert changed == ({place / "index.m3u8"} if seen else set())
    if seen:  # whoever opened it before plays it to its end
        opened = place / "opened-before.m3u8"
        opened.write_bytes(files[place / "index.m3u8"])
        assert opened.read_bytes() != (place / "index.m3u8").read_bytes()
        assert decoding_errors(opened) == ""
