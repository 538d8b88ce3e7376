"""Asking the disk itself: is it there, is it the one it was, does it take what is written?"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from lesson.box import Fault
from lesson.errors import DiskFailsError, StorageError
from lesson.lifecycle import START_LOCK
from process import disk
from process.disk import LOCK, DiskGoneError, DiskLook, demand_same, identity_of
from tests.kit.waiting import wait_until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / LOCK).touch()
    return root


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "EVERY_S", 0.0)
    monkeypatch.setattr(disk, "PATIENCE_S", 20.0)


def test_a_sound_disk_has_no_fault_and_one_that_is_not_made_yet_neither(root: Path) -> None:
    assert DiskLook(root).fault() is None
    assert DiskLook(root / "later").fault() is None
    assert not (root / "later").exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC])
def test_what_refuses_a_write_is_said_until_it_takes_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    look = DiskLook(root)

    def refuses(_fd: int, _data: bytes, _at: int) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuses)
        first, second = look.fault(), look.fault()
    assert first is not None
    assert second is not None
    assert (first.code, first.about) == (Fault.DISK_REFUSES, "disk")
    assert first.at == second.at  # since when, not since the last look
    assert look.fault() is None


def test_a_disk_that_hangs_keeps_nobody_waiting_and_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PATIENCE_S", 0.05)
    monkeypatch.setattr(disk, "HANGS_S", 0.1)
    go_on, look, sync = threading.Event(), DiskLook(root), os.fdatasync

    def hangs(fd: int) -> None:
        go_on.wait(20)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", hangs)
    wait_until(lambda: (fault := look.fault()) is not None and fault.code == Fault.DISK_SLOW, 20)
    go_on.set()
    wait_until(lambda: look.fault() is None, 20)


def test_a_folder_in_the_place_of_the_root_is_not_the_root(root: Path) -> None:
    look = DiskLook(root, identity_of(root))
    away = root.rename(root.with_name("away"))
    for there in (False, True):
        if there:
            root.mkdir()
        with pytest.raises(DiskGoneError, match="the disk is gone"):
            look.demand()
        fault = look.fault()
        assert fault is not None
        assert "the disk is gone" in fault.detail
    assert list(root.iterdir()) == []
    root.rmdir()
    away.rename(root)
    look.demand()
    assert look.fault() is None


def test_a_disk_that_was_mounted_again_is_the_one_it_was(root: Path) -> None:
    known = identity_of(root)
    demand_same(root, known._replace(device=known.device + 1, inode=known.inode + 1))
    with pytest.raises(DiskGoneError):
        demand_same(root, known._replace(device=known.device + 1, lock_inode=known.lock_inode + 1))


def test_a_disk_that_does_not_answer_is_not_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = identity_of(root)

    def fails(*_: object, **__: object) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "stat", fails)
    with pytest.raises(StorageError, match="Input/output error") as raised:
        demand_same(root, known)
    assert isinstance(raised.value, DiskFailsError)


@pytest.mark.parametrize("name", [START_LOCK, ".trial"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR])
def test_a_file_that_a_press_needs_and_cannot_open_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    really = os.open

    def refuses(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number))
        return really(path, flags, mode)

    look = DiskLook(root)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuses)
        found = look.fault()
    assert found is not None
    assert (found.code, found.detail) == (Fault.DISK_REFUSES, f"{root / name}: {os.strerror(number)}")
    assert look.fault() is None
