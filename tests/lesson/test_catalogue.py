"""Which lesson runs, beside many others, damaged ones and foreign folders; and how little is looked at for it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lesson import catalogue as module
from lesson import glance
from lesson.catalogue import SETTLE_S, Catalogue
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import ObjectStored, PublishStarted, Verified
from tests.kit.damaged import HEADER_DAMAGE
from tests.kit.lessons import make_lesson, source, start, stop

SHA = "0" * 64


class Work:
    """Files opened and folders listed below `root`, in order."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.done: list[str] = []

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.root is not None and event in {"open", "os.scandir", "os.listdir"}:
            path = str(arguments[0])
            if path.startswith(self.root):
                self.done.append(path.removeprefix(self.root))


WORK = Work()
sys.addaudithook(WORK.audit)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[list[str]]:
    WORK.root, WORK.done = str(tmp_path), []
    yield WORK.done
    WORK.root = None


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets so much time pass that what has not changed is believed."""
    passed = 0.0
    real = time.monotonic

    def go() -> None:
        nonlocal passed
        passed += SETTLE_S

    monkeypatch.setattr(module.time, "monotonic", lambda: real() + passed)
    return go


def published(root: Path, lesson_id: str) -> LessonFolder:
    folder = make_lesson(root, lesson_id)
    start(folder)
    stop(folder)
    stored = [ObjectStored(key=f"low/{n:06d}.m4s", bytes=1, sha256=SHA) for n in range(40)]
    end = Verified(objects=1, bytes=1, manifest_sha256=SHA, url="file:///a")
    append_records(folder.publish_journal, [PublishStarted(url="file:///a"), *stored, end])
    return folder


def recording(root: Path, lesson_id: str, **fields: object) -> LessonFolder:
    folder = make_lesson(root, lesson_id, **fields)
    start(folder)
    return folder


def processing(root: Path, lesson_id: str) -> LessonFolder:
    folder = recording(root, lesson_id)
    stop(folder)
    return folder


def running(catalogue: Catalogue) -> str | None:
    folder = catalogue.running()
    return folder.id if folder else None


def ids(folders: list[LessonFolder]) -> list[str]:
    return [folder.id for folder in folders]


@pytest.mark.parametrize("lesson_id", ["19700101-000140-aaaa", "20260102-120000-aaaa", "20991231-235959-ffff"])
def test_the_running_lesson_is_found_wherever_its_id_sorts(tmp_path: Path, lesson_id: str) -> None:
    for day in range(1, 6):
        published(tmp_path, f"2026010{day}-080000-aaaa")
    make_lesson(tmp_path, "20260109-080000-aaaa")
    recording(tmp_path, "20260108-080000-aaaa", sources=(source("teacher", imported=True),))
    catalogue = Catalogue(tmp_path)
    assert running(catalogue) is None
    folder = recording(tmp_path, lesson_id)
    assert running(catalogue) == running(Catalogue(tmp_path)) == lesson_id
    stop(folder)
    assert running(catalogue) is None


def test_unfinished_ones_come_in_the_order_of_need(tmp_path: Path) -> None:
    processing(tmp_path, "20260101-080000-aaaa")
    published(tmp_path, "20260102-080000-aaaa")
    recording(tmp_path, "20260103-080000-aaaa")  # was never stopped, and another one was started
    imported = recording(tmp_path, "20260104-080000-aaaa", sources=(source("teacher", imported=True),))
    recording(tmp_path, "20260105-080000-aaaa")
    last = processing(tmp_path, "20260106-080000-aaaa")
    make_lesson(tmp_path, "20260107-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    days = [name[:8] for name in ids(catalogue.unfinished())]
    assert days == ["20260105", "20260101", "20260103", imported.id[:8], "20260106"]
    append_records(last.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256=SHA)])
    assert last.id not in ids(catalogue.unfinished())
    append_records(last.publish_journal, [PublishStarted(url="file:///b")])  # to another store, soon after
    assert last.id in ids(catalogue.unfinished())


@pytest.mark.parametrize("damage", HEADER_DAMAGE)
def test_a_damaged_lesson_never_runs_and_keeps_none_from_it(tmp_path: Path, damage: str) -> None:
    broken = recording(tmp_path, "20990101-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    assert running(catalogue) == broken.id
    HEADER_DAMAGE[damage](broken.header_path)
    broken.header_copy.unlink()
    for one in (catalogue, Catalogue(tmp_path)):
        assert running(one) is None
        assert one.unfinished() == []
        assert one.newest() is None
        [entry] = one.damaged()
        assert (entry.folder.id, entry.phase) == (broken.id, None)
        assert "lesson.json" in str(entry.problem)
        assert [listed.problem for listed in one.page()] == [entry.problem]
    folder = recording(tmp_path, "20260101-080000-aaaa")
    for one in (catalogue, Catalogue(tmp_path)):
        assert running(one) == folder.id
        assert ids(one.unfinished()) == [folder.id]
        newest = one.newest()
        assert newest is not None
        assert newest.id == folder.id
        assert [entry.phase for entry in one.page()] == [None, "recording"]


@pytest.mark.parametrize("name", ["control.jsonl", "pub/journal.jsonl"])
def test_a_journal_that_cannot_be_read_makes_the_lesson_damaged_as_long_as_it_cannot(tmp_path: Path, name: str) -> None:
    broken = processing(tmp_path, "20260102-080000-aaaa")
    whole = recording(tmp_path, "20260101-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    journal = broken.path / name
    kept = journal.read_bytes() if journal.exists() else b""
    journal.unlink(missing_ok=True)
    journal.mkdir(parents=True)
    for _ in range(2):
        assert running(catalogue) == whole.id
        assert ids(catalogue.unfinished()) == [whole.id]
        assert [entry.folder.id for entry in catalogue.damaged()] == [broken.id]
    journal.rmdir()
    journal.write_bytes(kept)
    assert ids(catalogue.unfinished()) == [whole.id, broken.id]
    assert catalogue.damaged() == []


def test_a_disk_that_answers_nothing_ends_no_lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = recording(tmp_path, "20260101-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    assert running(catalogue) == lesson.id

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(module, "_signature", lambda _path: (-1, -1, -1) if _path.suffix else (0, 0, 0))
        patched.setattr(os, "open", fails)
        for _ in range(2):
            assert running(catalogue) == lesson.id
        assert running(Catalogue(tmp_path)) is None  # of which nothing is known
    stop(lesson)
    assert running(catalogue) is None


def test_what_is_no_lesson_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "20260101-080000-aaaa").mkdir()  # half created, or emptied by hand
    (tmp_path / "20260102-080000-aaaa").write_bytes(b"")
    (tmp_path / "20260103-080000-aaaa").symlink_to("nowhere")
    (tmp_path / "20260104-080000-aaaa").symlink_to("20260104-080000-aaaa")
    (tmp_path / ".staging").mkdir()
    (tmp_path / "Upper").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path, tmp_path / "none", tmp_path / "file"):
        catalogue = Catalogue(root)
        assert (catalogue.page(), catalogue.unfinished(), catalogue.damaged()) == ([], [], [])
        assert (catalogue.running(), catalogue.newest()) == (None, None)


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(StorageError):
        Catalogue(tmp_path / "circle").running()


def test_a_lesson_behind_a_link_is_one(tmp_path: Path) -> None:
    folder = recording(tmp_path / "other-disk", "20260101-080000-aaaa")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / folder.id).symlink_to(folder.path)
    assert running(Catalogue(tmp_path / "root")) == folder.id


def test_pages(tmp_path: Path) -> None:
    names = [f"202601{day:02d}-080000-aaaa" for day in range(1, 13)]
    for name in names:
        published(tmp_path, name)
    (tmp_path / "20260106-1").mkdir()
    catalogue = Catalogue(tmp_path)
    first = catalogue.page(5)
    assert [entry.folder.id for entry in first] == names[:-6:-1]
    rest = catalogue.page(before=first[-1].folder.id)
    assert [entry.folder.id for entry in rest] == names[-6::-1]
    assert {entry.published_url for entry in rest} == {"file:///a/index.m3u8"}


def test_lessons_that_come_in_one_instant_are_all_seen(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    for index in range(40):
        folder = make_lesson(tmp_path, f"lesson-{index:03d}")
        start(folder)
        assert running(catalogue) == folder.id


def test_a_stop_that_the_disk_took_back_was_none(tmp_path: Path) -> None:
    folder = recording(tmp_path, "20260101-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    before = folder.control_journal.read_bytes()
    stop(folder)
    assert running(catalogue) is None
    folder.control_journal.write_bytes(before)
    assert running(catalogue) == folder.id


def test_a_folder_that_was_replaced_is_another_lesson(tmp_path: Path, later: Callable[[], None]) -> None:
    old = published(tmp_path, "20260101-080000-aaaa")
    catalogue = Catalogue(tmp_path)
    for _ in range(3):
        assert (running(catalogue), catalogue.unfinished()) == (None, [])
        later()
    fresh = recording(tmp_path / "elsewhere", old.id)
    shutil.rmtree(old.path)
    fresh.path.rename(old.path)
    assert running(catalogue) == old.id
    assert ids(catalogue.unfinished()) == [old.id]
    shutil.rmtree(old.path)
    assert (running(catalogue), catalogue.page()) == (None, [])


def test_nothing_is_opened_for_lessons_that_are_over(
    tmp_path: Path, work: list[str], later: Callable[[], None]
) -> None:
    for index in range(30):
        published(tmp_path, f"lesson-{index:03d}")
    waiting = processing(tmp_path, "lesson-010x")
    live = recording(tmp_path, "lesson-029x")
    catalogue = Catalogue(tmp_path)
    for _ in range(3):
        assert running(catalogue) == live.id
        assert ids(catalogue.unfinished()) == [live.id, waiting.id]
        later()
    catalogue.running()
    work.clear()
    for _ in range(10):
        catalogue.running()
        catalogue.unfinished()
    assert work == []
    stop(live)
    work.clear()
    assert running(catalogue) is None
    assert work == [f"/{live.id}/control.jsonl"]
    next_class = recording(tmp_path, "lesson-040")
    work.clear()
    assert running(catalogue) == next_class.id
    assert work == ["", f"/{next_class.id}/control.jsonl", f"/{next_class.id}/lesson.json"]


def test_the_newest_lesson_is_found_at_once(tmp_path: Path, work: list[str]) -> None:
    for index in range(30):
        published(tmp_path, f"lesson-{index:03d}")
    live = recording(tmp_path, "lesson-040")
    work.clear()
    assert running(Catalogue(tmp_path)) == live.id
    assert work == ["", f"/{live.id}/control.jsonl", f"/{live.id}/lesson.json"]


def test_the_first_look_opens_two_journals_a_lesson_and_reads_none_to_its_end(
    tmp_path: Path, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(20):
        published(tmp_path, f"lesson-{index:03d}")
    live = recording(tmp_path, "19700101-000140-aaaa")
    monkeypatch.setattr(glance, "read_journal", None)
    work.clear()
    catalogue = Catalogue(tmp_path)
    assert running(catalogue) == live.id
    assert ids(catalogue.unfinished()) == [live.id]
    assert len([path for path in work if path.endswith("/control.jsonl")]) == 21
    assert len([path for path in work if path.endswith("/pub/journal.jsonl")]) == 21 - 1
    assert len(work) == 21 + 20 + 2 + 1  # the root listed twice, the header of the lesson that runs


def test_a_page_opens_what_is_on_it(tmp_path: Path, work: list[str]) -> None:
    for index in range(20):
        published(tmp_path, f"lesson-{index:03d}")
    work.clear()
    Catalogue(tmp_path).page(10)
    assert {path.split("/")[1] for path in work if path} == {f"lesson-{index:03d}" for index in range(10, 20)}
    assert len(work) == 1 + 10 * 5  # no manifest here: then the plan is asked for the length
