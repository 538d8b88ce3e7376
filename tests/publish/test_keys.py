"""The files that hold the keys of a store: whatever lies there, they are keys or one line that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lesson.errors import ConfigError
from publish.settings import StoreSettings
from publish.store import MAX_KEY_BYTES, credentials

PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "folder": Path.mkdir,
    "nothing": lambda _path: None,
    "circle": lambda path: path.symlink_to(path.name),
    "empty": Path.touch,
    "blanks": lambda path: path.write_text(" \n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "too long": lambda path: path.write_bytes(b"x" * (MAX_KEY_BYTES + 1)),
    "huge": lambda path: (path.touch(), os.truncate(path, 20 << 30)),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("half", ["access_key", "secret_key"])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_key_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, half: str) -> None:
    PLACES[place](tmp_path / "key")
    other = {"access_key": "secret_key", "secret_key": "access_key"}[half]
    monkeypatch.setenv("OTHER_HALF", "here")
    store = StoreSettings.model_validate({f"{half}_file": tmp_path / "key", f"{other}_env": "OTHER_HALF"})
    with pytest.raises(ConfigError) as caught:
        credentials(store)
    assert str(caught.value).startswith(f"store.{half}_file: {tmp_path / 'key'}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("written", [b"s3cret", b"s3cret\n", b" s3cret\r\n", b"\xef\xbb\xbfs3cret\n"])
def test_a_key_is_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes) -> None:
    (tmp_path / "key").write_bytes(written)
    (tmp_path / "link").symlink_to(tmp_path / "key")  # as an orchestrator mounts secrets
    monkeypatch.setenv("OTHER_HALF", "here")
    pair = credentials(StoreSettings(access_key_env="OTHER_HALF", secret_key_file=tmp_path / "link"))
    assert pair is not None
    assert (pair.access_key, pair.secret_key) == ("here", "s3cret")
