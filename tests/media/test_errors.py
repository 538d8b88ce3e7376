from __future__ import annotations

import errno
import pickle
from pathlib import Path

import av
import pytest

from lesson.errors import DiskFullError, MediaError, SourceLostError, UnusableMediaError
from lesson.loss import Loss
from lesson.source_fault import SourceFault
from media.errors import media_errors


def test_errors_of_libav_become_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("not media")
    with pytest.raises(MediaError) as caught, media_errors(str(path)):
        av.open(str(path))
    assert str(caught.value) == f"{path}: Invalid data found when processing input"
    assert isinstance(caught.value.__cause__, av.FFmpegError)
    assert caught.value.fault is SourceFault.NO_ANSWER


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


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errno.ECONNREFUSED, SourceFault.NOT_SERVED),
        (errno.EHOSTUNREACH, SourceFault.UNREACHABLE),
        (errno.ENETUNREACH, SourceFault.UNREACHABLE),
        (errno.ETIMEDOUT, SourceFault.UNREACHABLE),
        (errno.EACCES, SourceFault.NOT_PERMITTED),
        (errno.EPERM, SourceFault.NOT_PERMITTED),
        (errno.ENOENT, SourceFault.ABSENT),
        (errno.ENODEV, SourceFault.ABSENT),
        (errno.ENOTTY, SourceFault.ABSENT),
        (errno.EBUSY, SourceFault.BUSY),
        (errno.EIO, SourceFault.UNKNOWN),
        (av.error.HTTPUnauthorizedError, SourceFault.REFUSED),
        (av.error.HTTPForbiddenError, SourceFault.REFUSED),
        (av.error.HTTPNotFoundError, SourceFault.NO_SUCH_STREAM),
        (av.error.HTTPBadRequestError, SourceFault.NO_SUCH_STREAM),
        (av.error.HTTPOtherClientError, SourceFault.NO_SUCH_STREAM),
        (av.error.HTTPServerError, SourceFault.UNKNOWN),
    ],
)
def test_an_error_says_what_is_at_fault_in_whatever_language(
    error: int | type[av.FFmpegError], fault: SourceFault
) -> None:
    raised = OSError(error, "как угодно") if isinstance(error, int) else error(2**20, "как угодно")
    with pytest.raises(MediaError) as caught, media_errors("x"):
        raise raised
    assert caught.value.fault is fault


def test_a_fault_survives_the_way_to_another_process() -> None:
    sent = pickle.dumps(SourceLostError("x: gone", Loss.REFUSED, SourceFault.REFUSED))
    error = pickle.loads(sent)  # noqa: S301 - made here
    assert (str(error), error.code, error.fault) == ("x: gone", Loss.REFUSED, SourceFault.REFUSED)
