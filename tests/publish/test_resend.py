"""A published lesson whose store lost something afterwards."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lesson.errors import IntegrityError
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.view import load_state
from publish.folder_store import FolderStore
from publish.resend import resend
from publish.uploader import Uploader
from publish.verify import verify_remote
from tests.kit.lessons import made_lesson


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    folder = made_lesson(tmp_path / "root")
    Uploader(folder, FolderStore(tmp_path / "store")).run()
    return folder


@pytest.mark.parametrize("seed", range(8))
def test_what_the_store_lost_or_holds_altered_is_sent_again(folder: LessonFolder, tmp_path: Path, seed: int) -> None:
    rng, store = random.Random(seed), FolderStore(tmp_path / "store")
    held = sorted(path for path in (tmp_path / "store").rglob("*") if path.is_file())
    hurt = rng.sample(held, rng.randint(1, len(held)))
    for path in hurt:
        path.unlink() if rng.random() < 0.5 else path.write_bytes(rng.randbytes(rng.choice([0, path.stat().st_size])))
    assert len(verify_remote(folder, store)) == len(hurt)
    assert resend(folder, store) == len(hurt)
    assert verify_remote(folder, store) == []
    assert resend(folder, store) == 0
    assert load_state(folder).verified is not None


def test_what_is_gone_here_too_is_said(folder: LessonFolder, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for root in (folder.path / "enc", tmp_path / "store" / folder.id):
        next(iter(sorted(root.rglob("000001*.m4s")))).unlink()
    (tmp_path / "store" / folder.id / INDEX).unlink()
    with pytest.raises(IntegrityError, match=r"000001.*1 of 2 such objects could not be sent again"):
        resend(folder, store)
    assert (tmp_path / "store" / folder.id / INDEX).exists(), "all else is sent"


def test_what_cannot_be_sent_keeps_nothing_else_back(folder: LessonFolder, tmp_path: Path) -> None:
    store, held = FolderStore(tmp_path / "store"), tmp_path / "store" / folder.id
    for name in ("voice/init.mp4", INDEX, "manifest.json"):
        (held / name).unlink()
    (held / "voice" / "init.mp4").mkdir()
    with pytest.raises(IntegrityError, match=r"voice/init\.mp4.*1 of 3 such objects could not be sent again"):
        resend(folder, store)
    assert all((held / name).is_file() for name in (INDEX, "manifest.json"))
    (held / "voice" / "init.mp4").rmdir()
    assert resend(folder, store) == 1
    assert verify_remote(folder, store) == []


def test_a_lesson_that_goes_to_another_store_from_now_on_is_sent_there(folder: LessonFolder, tmp_path: Path) -> None:
    other = FolderStore(tmp_path / "other")
    assert resend(folder, other) == 0
    Uploader(folder, other).run()
    assert (tmp_path / "other" / folder.id / INDEX).exists()
    assert verify_remote(folder, other) == []
