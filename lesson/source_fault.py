"""Why a source cannot be opened, or gives nothing: what its remedy is looked up by, never by matching words."""

from __future__ import annotations

from enum import StrEnum


class SourceFault(StrEnum):
    """What is wrong with a source, as far as a person could mend it."""

    BAD_ADDRESS = "bad_address"  # its URI makes no sense
    NO_CREDENTIAL = "no_credential"  # the variable that should hold its user or password is not set
    REFUSED = "refused"  # it wants another user or password
    NO_SUCH_STREAM = "no_such_stream"  # it answers, but gives nothing under this path
    NOT_SERVED = "not_served"  # the machine is there, nothing listens on the port
    UNREACHABLE = "unreachable"  # nobody answers at the address
    NO_ANSWER = "no_answer"  # what answers does not speak as it should
    ABSENT = "absent"  # no such device, screen or file
    BUSY = "busy"  # another program uses it
    NOT_PERMITTED = "not_permitted"  # the operating system keeps it from us
    NO_DRIVER = "no_driver"  # something that reads such sources is not installed
    NOT_SENT = "not_sent"  # it comes when somebody sends it, and nobody does
    SILENT = "silent"  # open, but without pictures and sound
    HANGS = "hangs"  # neither opens nor fails
    UNUSABLE = "unusable"  # holds nothing that can be recorded
    UNKNOWN = "unknown"  # none of these, or nobody knows
