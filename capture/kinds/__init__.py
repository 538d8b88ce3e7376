"""Every kind of source there is: one file each, and one line in `KINDS`.

Settings, the self-test and capture know sources through this table alone. Reading an address opens nothing and loads
no media library.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from capture.kinds import alsa, file, push, rtsp, test, v4l2, x11
from capture.kinds.kind import Source, SourceKind
from capture.kinds.remedies import EVERYWHERE
from lesson.errors import ConfigError
from lesson.source_fault import SourceFault
from process.logs import redacted

KINDS: tuple[SourceKind, ...] = (rtsp.KIND, v4l2.KIND, alsa.KIND, x11.KIND, push.KIND, file.KIND, test.KIND)


def source_kind(uri: str) -> SourceKind | None:
    """The kind that an address is of, or None."""
    scheme, colon, _ = uri.partition(":")
    return next((kind for kind in KINDS if colon and scheme in kind.schemes), None)


def parse_source(uri: str) -> Source:
    """What an address names.

    Raises `ConfigError` naming the known kinds, for kinds and options that there are not, and for credentials in it.
    """
    if not uri.isprintable():
        raise ConfigError(f"{redacted(uri)!r}: there is a control character in it")
    kind = source_kind(uri)
    if kind is None:
        raise ConfigError(
            f"{redacted(uri)}: no such kind of source; there is {', '.join(kind.example for kind in KINDS)}"
        )
    _refuse_credentials(uri)
    return kind.parse(uri)


def remedy(uri: str, fault: SourceFault) -> str:
    """What helps when the source at this address fails so."""
    kind = source_kind(uri)
    return (kind.remedies.get(fault) if kind else None) or EVERYWHERE[fault]


def missing_password(uri: str) -> str:
    """What is to be said of a source at this address that names no password; nothing if it may be so."""
    kind = source_kind(uri)
    return kind.needs_password if kind else ""


def alone_at(uri: str) -> str | None:
    """What of this machine a source at this address has for itself alone, in words."""
    kind = source_kind(uri)
    return kind.alone_at(uri) if kind and kind.alone_at else None


def _refuse_credentials(uri: str) -> None:
    """Also those with a slash in the password, which make of its beginning a port that is none."""
    try:
        parts = urlsplit(uri)
        _, has_user = parts.port, "@" in parts.netloc
    except ValueError:  # without an @ the kind says more
        has_user = "@" in uri
    if has_user:
        raise ConfigError(f"{redacted(uri)}: no user or password in a URI: name variables in user_env, password_env")
