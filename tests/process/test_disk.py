"""Asking the disk itself: is it there, is it the one it was, does it take what is written?"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lesson.box import Fault
from lesson.errors import DiskFailsError, StorageError
from lesson.lifecycle import START_LOCK
from process.disk import LOCK, DiskGoneError, DiskProbe, Findings, RootAsFound, demand_same, identity_of, space_for
from tests.kit.waiting import wait_until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / LOCK).touch()
    return root


def always_anew(root: Path, trial: Callable[[], Findings] | None = None, *, patience_s: float = 20.0) -> DiskProbe:
    """A probe that tries again whenever it is asked."""
    trial = trial or RootAsFound(root).trial
    return DiskProbe(root, trial, every_s=0.0, again_s=0.0, hangs_s=2 * patience_s, patience_s=patience_s)


def test_a_sound_disk_has_no_fault_and_one_that_is_not_made_yet_neither(root: Path) -> None:
    assert always_anew(root).faults() == {}
    assert always_anew(root / "later").faults() == {}
    assert not (root / "later").exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC])
def test_what_refuses_a_write_is_said_until_it_takes_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    probe = always_anew(root)

    def refuses(_fd: int, _data: bytes, _at: int) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuses)
        found = probe.faults()
    assert found.keys() == {Fault.DISK_REFUSES}
    assert str(root) in found[Fault.DISK_REFUSES]
    assert probe.faults() == {}


def test_a_disk_that_hangs_keeps_nobody_waiting_and_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, probe, sync = threading.Event(), always_anew(root, patience_s=0.05), os.fdatasync

    def hangs(fd: int) -> None:
        go_on.wait(20)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", hangs)
    wait_until(lambda: probe.faults().keys() == {Fault.DISK_SLOW}, 20)
    go_on.set()
    wait_until(lambda: probe.faults() == {}, 20)


@pytest.mark.parametrize("found", [{}, {Fault.DISK_LOW: "0.1 GB free"}])
def test_what_was_found_holds_for_a_while_and_what_is_wrong_for_a_shorter_one(root: Path, found: Findings) -> None:
    asked: list[None] = []

    def trial() -> Findings:
        asked.append(None)
        return found

    hour = 3600.0
    probe = DiskProbe(root, trial, every_s=hour, again_s=0.0, hangs_s=20.0, patience_s=20.0)
    assert [probe.faults() for _ in range(3)] == [found] * 3
    assert len(asked) == (3 if found else 1)


def test_a_folder_in_the_place_of_the_root_is_not_the_root(root: Path) -> None:
    as_found = RootAsFound(root, identity_of(root))
    probe = always_anew(root, as_found.trial)
    away = root.rename(root.with_name("away"))
    for there in (False, True):
        if there:
            root.mkdir()
        with pytest.raises(DiskGoneError, match="the disk is gone"):
            as_found.demand()
        assert "the disk is gone" in probe.faults()[Fault.DISK_REFUSES]
    assert list(root.iterdir()) == []
    root.rmdir()
    away.rename(root)
    as_found.demand()
    assert probe.faults() == {}


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


def test_room_is_that_of_the_disk_on_which_the_root_is_or_will_be(root: Path) -> None:
    there, later = space_for(root), space_for(root / "not" / "made" / "yet")
    assert there.free > 0
    assert abs(there.free - later.free) < 1_000_000_000
    assert not (root / "not").exists()


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

    probe = always_anew(root)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuses)
        found = probe.faults()
    assert found == {Fault.DISK_REFUSES: f"{root / name}: {os.strerror(number)}"}
    assert probe.faults() == {}
