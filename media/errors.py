"""The boundary: what libav and the system raise becomes one line of `lesson.errors`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av

from lesson.errors import DiskFullError, MediaError
from lesson.source_fault import SourceFault
from process.logs import redacted

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_BY_TYPE = (
    # RTSP answers with the numbers of HTTP
    (av.error.HTTPUnauthorizedError, SourceFault.REFUSED),
    (av.error.HTTPForbiddenError, SourceFault.REFUSED),
    (av.error.HTTPClientError, SourceFault.NO_SUCH_STREAM),
    (av.error.InvalidDataError, SourceFault.NO_ANSWER),
)
_BY_NUMBER = {
    errno.ECONNREFUSED: SourceFault.NOT_SERVED,
    errno.EHOSTUNREACH: SourceFault.UNREACHABLE,
    errno.EHOSTDOWN: SourceFault.UNREACHABLE,
    errno.ENETUNREACH: SourceFault.UNREACHABLE,
    errno.ETIMEDOUT: SourceFault.UNREACHABLE,
    errno.EBUSY: SourceFault.BUSY,
    errno.EACCES: SourceFault.NOT_PERMITTED,
    errno.EPERM: SourceFault.NOT_PERMITTED,
    errno.ENOENT: SourceFault.ABSENT,
    errno.ENODEV: SourceFault.ABSENT,
    errno.ENXIO: SourceFault.ABSENT,
    errno.ENOTTY: SourceFault.ABSENT,  # a file, but no device of this sort
}


def fault_of(error: BaseException) -> SourceFault:
    """What an error of libav or of the system says is wrong with the source that was read."""
    for kind, fault in _BY_TYPE:
        if isinstance(error, kind):
            return fault
    number = getattr(error, "errno", None)
    return _BY_NUMBER.get(number, SourceFault.UNKNOWN) if number else SourceFault.UNKNOWN


def reason_of(error: BaseException) -> str:
    """The error in one line, without error numbers, log tails and credentials."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redacted(" ".join(str(text).split()))


FOREIGN = (av.FFmpegError, OSError, ValueError)
"""What libav, PyAV and the system raise."""


def error_of(what: str, error: BaseException) -> MediaError | DiskFullError:
    """The error to raise for one of `FOREIGN`: "`what`: reason" with its fault; `DiskFullError` for a full disk."""
    if getattr(error, "errno", None) in _FULL:
        return DiskFullError(f"{redacted(what)}: no space left on the disk; free some and start again")
    return MediaError(f"{redacted(what)}: {reason_of(error)}", fault_of(error))


@contextmanager
def media_errors(what: str) -> Iterator[None]:
    """Map errors of libav and of the system by `error_of`. Errors of our own pass unchanged, as does `SystemExit`."""
    try:
        yield
    except FOREIGN as error:
        raise error_of(what, error) from error
