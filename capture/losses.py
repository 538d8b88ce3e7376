"""From errors to codes: why media is missing, as the journal says it, and what is wrong with a source."""

from __future__ import annotations

from lesson.errors import (
    ConfigError,
    CredentialMissingError,
    JournalError,
    MediaError,
    SourceLostError,
    StorageError,
    UnusableMediaError,
)
from lesson.loss import Loss
from lesson.source_fault import SourceFault


def loss_code(error: BaseException) -> str:
    """The `Loss` that an error which ended a connection amounts to."""
    match error:
        case SourceLostError(code=code):
            return code
        case StorageError() | JournalError():
            return Loss.DISK
        case UnusableMediaError() | ConfigError():
            return Loss.UNUSABLE
        case MediaError(fault=SourceFault.ABSENT | SourceFault.NOT_PERMITTED | SourceFault.UNREACHABLE):
            return Loss.NO_SIGNAL
        case _:
            return Loss.UNDECODABLE


def source_fault(error: BaseException) -> SourceFault:
    """What an error that kept a source from being opened or watched says is wrong with it."""
    match error:
        case MediaError(fault=fault):
            return fault
        case CredentialMissingError():
            return SourceFault.NO_CREDENTIAL
        case ConfigError():
            return SourceFault.BAD_ADDRESS
        case _:
            return SourceFault.UNKNOWN
