"""From errors to the codes by which the journal says why media is missing."""

from __future__ import annotations

from lesson.errors import ConfigError, JournalError, SourceLostError, StorageError, UnusableMediaError
from lesson.loss import Loss


def loss_code(error: BaseException) -> str:
    """The `Loss` that an error which ended a connection amounts to."""
    match error:
        case SourceLostError(code=code):
            return code
        case StorageError() | JournalError():
            return Loss.DISK
        case UnusableMediaError() | ConfigError():
            return Loss.UNUSABLE
        case _:
            return Loss.UNDECODABLE
