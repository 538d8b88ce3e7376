"""The boundary: what libav and the system raise becomes one line of `lesson.errors`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av

from lesson.errors import DiskFullError, MediaError
from process.logs import redacted

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def reason_of(error: BaseException) -> str:
    """The error in one line, without error numbers, log tails and credentials."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redacted(" ".join(str(text).split()))


FOREIGN = (av.FFmpegError, OSError, ValueError)
"""What libav, PyAV and the system raise."""


def error_of(what: str, error: BaseException) -> MediaError | DiskFullError:
    """The error to raise for one of `FOREIGN`: "`what`: reason"; `DiskFullError` for a full disk."""
    if getattr(error, "errno", None) in _FULL:
        return DiskFullError(f"{redacted(what)}: no space left on the disk; free some and start again")
    return MediaError(f"{redacted(what)}: {reason_of(error)}")


@contextmanager
def media_errors(what: str) -> Iterator[None]:
    """Map errors of libav and of the system by `error_of`. Errors of our own pass unchanged, as does `SystemExit`."""
    try:
        yield
    except FOREIGN as error:
        raise error_of(what, error) from error
