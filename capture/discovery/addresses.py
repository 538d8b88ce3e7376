"""Addresses as cameras give them, made true: the host is the one that answered, and no credentials are in them.

Cameras say 0.0.0.0, an address from before they were moved, or one behind a router; a hostile one names its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from capture.kinds import parse_source, rtsp
from lesson.errors import ConfigError
from process.logs import redacted

_LOGIN_FIELD = re.compile(
    r"(user|usr|username|login|pass|passwd|password|pwd|secret|token|auth|signature|credential)=", re.I
)
_PIECES = re.compile(r"[/?&=:;,_]+")
_SURELY_MEANT = 6
"""Characters from which on a password that stands in a longer word is no accident."""


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """`uri`: None if nothing can be opened that is fit to be shown. `had_login`: there were credentials in it."""

    uri: str | None
    had_login: bool = False


def service_url(xaddrs: Iterable[str], address: str) -> str | None:
    """Where to ask a device that answered from `address`: its own URL for that address, else any, at that address."""
    urls = [parts for parts in map(_split, xaddrs) if parts and parts.scheme in {"http", "https"}]
    urls.sort(key=lambda parts: parts.hostname != address)
    return urlunsplit(_at(urls[0], address)) if urls else None


def stream_address(said: str, address: str, password: str | None = None) -> StreamAddress:
    """The address of a stream as the device at `address` gives it; `password`: what must not be in it, if known."""
    parts = _split(said.strip())
    if parts is None or parts.scheme not in rtsp.KIND.schemes:
        return StreamAddress(None)
    fields = parts.query.split("&") if parts.query else []
    kept = [field for field in fields if not _LOGIN_FIELD.match(field)]
    had_login = "@" in parts.netloc or len(kept) < len(fields)
    uri = urlunsplit(_at(parts, address)._replace(query="&".join(kept), fragment=""))
    if redacted(uri) != uri or _LOGIN_FIELD.search(uri) or _holds(uri, password):
        return StreamAddress(None, had_login=True)  # a login in its path: without it nothing opens
    try:
        parse_source(uri)
    except ConfigError:
        return StreamAddress(None, had_login)
    return StreamAddress(uri, had_login)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a port that is none, an IPv6 address without its end
        return None
    return parts if parts.netloc and port != 0 and url.isprintable() else None


def _at(parts: SplitResult, address: str) -> SplitResult:
    return parts._replace(netloc=f"{address}:{parts.port}" if parts.port else address)


def _holds(uri: str, password: str | None) -> bool:
    if not password:
        return False
    pieces = _PIECES.split(unquote(uri))
    return password in pieces or (len(password) >= _SURELY_MEANT and password in unquote(uri))
