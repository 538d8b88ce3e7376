from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from lesson.errors import DiskFullError, MediaError, UnusableMediaError
from media.errors import media_errors


def test_errors_of_libav_become_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("not media")
    with pytest.raises(MediaError) as caught, media_errors(str(path)):
        av.open(str(path))
    assert str(caught.value) == f"{path}: Invalid data found when processing input"
    assert isinstance(caught.value.__cause__, av.FFmpegError)


def test_passwords_never_show() -> None:
    with pytest.raises(MediaError) as caught, media_errors("rtsp://anna:secret@10.0.0.1/main"):
        raise ValueError("no route\nto rtsp://anna:secret@10.0.0.1/main")
    assert str(caught.value) == "rtsp://***@10.0.0.1/main: no route to rtsp://***@10.0.0.1/main"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_apart(number: int) -> None:
    with pytest.raises(DiskFullError, match=r"^/x/000001\.mkv: no space left"), media_errors("/x/000001.mkv"):
        raise OSError(number, "No space left on device")


def test_our_own_errors_pass_unchanged() -> None:
    error = UnusableMediaError("x: empty")
    with pytest.raises(UnusableMediaError) as caught, media_errors("y"):
        raise error
    assert caught.value is error
