"""Bytes that survive: replaced whole or not at all, folders made once, the disk's refusals in one line."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lesson.durable import make_folder, sync_file, sync_folder, write_atomic
from lesson.errors import DiskFullError, StorageError, storage_errors


def test_a_replaced_file_is_old_or_new_at_every_instant(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + n]) * 200_000 for n in range(12)]
    write_atomic(path, contents[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for content in contents[1:]:
            write_atomic(path, content)
    finally:
        done.set()
        watcher.join()
    assert seen <= set(contents)
    assert path.read_bytes() == contents[-1]
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_two_threads_may_replace_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + n]) * 50_000 for n in range(8)]

    def replace(content: bytes) -> None:
        for _ in range(10):
            write_atomic(path, content)

    threads = [threading.Thread(target=replace, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_a_refused_replacement_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="folder: "):
        write_atomic(tmp_path / "folder", b"new")
    assert [left.name for left in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(StorageError, match="No such file"):
        write_atomic(tmp_path / "none" / "file", b"new")


def test_folders_are_made_with_their_parents_and_may_exist(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        make_folder(tmp_path / "file" / "b")
    with pytest.raises(StorageError):
        make_folder(tmp_path / "file")


def test_syncing_what_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none: No such file"):
        sync_file(tmp_path / "none")
    with pytest.raises(StorageError, match="none: No such file"):
        sync_folder(tmp_path / "none")


def test_a_full_disk_has_its_own_class_and_remedy(tmp_path: Path) -> None:
    full = Path("/dev/full")
    with pytest.raises(DiskFullError, match="no space left on the disk; free some"), storage_errors(tmp_path):
        full.write_bytes(b"x")
