"""Whatever lies where a lesson's file was: nobody waits for it or reads it all, and only that lesson is damaged."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lesson.catalogue import Catalogue
from lesson.errors import ClassreelError, StorageError
from lesson.folder import LessonFolder, lessons_in
from lesson.journal import JournalWriter, read_journal
from lesson.listing import listed_lesson
from lesson.reading import MOST_BYTES, read_whole
from lesson.verify import verify_local
from lesson.view import load_state
from publish.body import FileBody
from tests.kit.places import GOLDEN

ROOM_BYTES = 1 << 30
"""Address space that reading may take: far less than the absurd files have."""


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def connection(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)  # the address of a socket may have 107 bytes
        listener.bind(path.name)
        os.chdir(here)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    os.truncate(path, 20 << 30)


def huge_and_written(path: Path) -> None:
    os.truncate(path, 20 << 30)
    with path.open("r+b") as file:
        file.seek(19 << 30)
        file.write(b"x\n")


IN_ITS_PLACE: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe, "an endless device": endless, "a socket": connection, "a folder": folder, "a circle": circle,
    "20 GB": huge, "20 GB with something at the end": huge_and_written,
}  # fmt: skip
FILES = ("lesson.json", "control.jsonl", "pub/journal.jsonl", "manifest.json", "plan/g0.jsonl")


@pytest.fixture
def little_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def lesson(tmp_path: Path) -> LessonFolder:
    """The golden lesson that was published, in a root of its own."""
    published = next(one for one in lessons_in(GOLDEN) if load_state(one).verified)
    shutil.copytree(published.path, tmp_path / published.id, copy_function=shutil.copyfile)
    return LessonFolder(tmp_path / published.id)


@pytest.mark.parametrize("what", IN_ITS_PLACE)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("little_memory")
def test_only_that_lesson_is_damaged(lesson: LessonFolder, name: str, what: str) -> None:
    path = lesson.path / name
    assert path.is_file(), "the lesson has such a file"
    IN_ITS_PLACE[what](path)
    catalogue = Catalogue(lesson.path.parent)
    assert catalogue.running() is None
    catalogue.unfinished()
    catalogue.damaged()
    (entry,) = catalogue.page()
    assert listed_lesson(entry).lesson_id == lesson.id
    try:
        problems = verify_local(lesson)
    except ClassreelError as error:
        problems = [str(error)]
    assert problems or what == "20 GB", "a hole behind the lines of a journal is no loss"


@pytest.mark.usefixtures("little_memory")
def test_a_hole_behind_a_journal_costs_nothing(lesson: LessonFolder) -> None:
    path = lesson.control_journal
    before = read_journal(path)
    length = path.stat().st_size
    huge(path)
    assert read_journal(path) == before
    JournalWriter(path).close()
    assert path.stat().st_size == length, "its next writer cuts it"
    assert read_journal(path) == before


@pytest.mark.usefixtures("little_memory")
def test_what_was_written_and_is_too_long_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.touch()
    os.truncate(path, MOST_BYTES)
    assert len(read_whole(path)) == MOST_BYTES
    huge_and_written(path)
    with pytest.raises(StorageError, match=rf"^{path}: \d+ bytes, more than it can have$"):
        read_whole(path)


@pytest.mark.parametrize("what", ["a pipe", "an endless device", "a folder"])
def test_nothing_is_written_into_what_is_no_file(tmp_path: Path, what: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    IN_ITS_PLACE[what](path)
    with pytest.raises(StorageError):
        JournalWriter(path)


@pytest.mark.parametrize("what", ["a pipe", "a socket", "an endless device", "a folder"])
def test_what_is_no_file_is_not_sent_to_a_store(tmp_path: Path, what: str) -> None:
    path = tmp_path / "chunk.m4s"
    path.write_bytes(b"media")
    IN_ITS_PLACE[what](path)
    with pytest.raises(StorageError):
        b"".join(FileBody(path, 0, 5).blocks())
