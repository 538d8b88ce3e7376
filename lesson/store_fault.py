"""Why an object store cannot be used: what its remedy is looked up by, never by matching words."""

from __future__ import annotations

from enum import StrEnum


class StoreFault(StrEnum):
    """What is wrong with a store, as far as a person could mend it."""

    UNREACHED = "unreached"  # nobody takes the connection, or no way leads there
    PLAIN_HTTP = "plain_http"  # asked for TLS, the port speaks without
    UNKNOWN_CERTIFICATE = "unknown_certificate"  # signed by nobody whom this machine trusts
    OTHER_NAME = "other_name"  # its certificate is for another host
    OUT_OF_DATE = "out_of_date"  # its certificate is, or this machine's clock
    CLOCK = "clock"  # it refuses what is signed now: this machine's clock and its own differ
    UNKNOWN = "unknown"  # none of these, or nobody knows
