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


@contextmanager
def media_errors(what: str) -> Iterator[None]:
    """Map errors of libav and of the system to `MediaError` "`what`: reason"; a full disk to `DiskFullError`.

    Errors of our own pass unchanged, as does `SystemExit`.
    """
    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        line = f"{redacted(what)}: {reason_of(error)}"
        if getattr(error, "errno", None) in _FULL:
            raise DiskFullError(f"{redacted(what)}: no space left on the disk; free some and start again") from error
        raise MediaError(line) from error
