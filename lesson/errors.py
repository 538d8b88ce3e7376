"""The exception tree. Every error a user may see is a `ClassreelError` with a one-line message."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesson.loss import Loss
from lesson.source_fault import SourceFault
from lesson.store_fault import StoreFault


class ClassreelError(Exception):
    """Base of all errors this product raises on purpose; `str()` is one line fit for a terminal."""


class ConfigError(ClassreelError):
    """A setting is missing, unknown or wrong; the message names the file and the key."""


class CredentialMissingError(ConfigError):
    """The environment variable that should hold a source's user or password is not set."""


class LessonNotFoundError(ClassreelError):
    """No lesson, or more than one, answers to the given name."""


class LessonFormatError(ClassreelError):
    """A lesson folder cannot be read: missing or damaged header, or a newer schema."""


class JournalError(ClassreelError):
    """A journal cannot be written any more, or has another writer."""


class JournalBusyError(JournalError):
    """Another process is the writer of this journal."""


class StorageError(ClassreelError):
    """The local disk refused to store something."""


class DiskFullError(StorageError):
    """No space is left on the device."""


class DiskFailsError(StorageError):
    """The disk itself does not answer: what was known of the file is neither confirmed nor denied."""


class MediaError(ClassreelError):
    """Media could not be read, decoded, encoded or written. `fault`: what to mend, where that is known."""

    def __init__(self, message: str, fault: SourceFault = SourceFault.UNKNOWN) -> None:
        super().__init__(message)
        self.fault = fault


class UnusableMediaError(MediaError):
    """A file or feed holds nothing that can be recorded; retrying will not help."""

    def __init__(self, message: str, fault: SourceFault = SourceFault.UNUSABLE) -> None:
        super().__init__(message, fault)


class SourceLostError(MediaError):
    """A live feed ended, stalled or cannot be reached; retrying may help. `code` is a `lesson.loss.Loss`."""

    def __init__(self, message: str, code: str = Loss.NO_SIGNAL, fault: SourceFault = SourceFault.UNKNOWN) -> None:
        super().__init__(message, fault)
        self.code = code


class StoreError(ClassreelError):
    """The object store refused or lost something; retrying may help. `fault`: what to mend, where that is known."""

    def __init__(self, message: str, fault: StoreFault = StoreFault.UNKNOWN) -> None:
        super().__init__(message)
        self.fault = fault


class ObjectNotFoundError(StoreError):
    """There is no object under this key."""


class IntegrityError(ClassreelError):
    """Stored bytes are not the bytes that were meant to be stored."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Map `OSError` while writing `path` to `DiskFullError`, `DiskFailsError` or `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(f"{path}: no space left on the disk; free some and start again") from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        failing = error.errno in {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.ESHUTDOWN}
        raise (DiskFailsError if failing else StorageError)(f"{path}: {reason}") from error
