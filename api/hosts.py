"""By which names the box may be called, and by which it knows itself: pure rules.

A page of another site can have its name's address changed to the box's (DNS rebinding) and is then, to the browser, of
the same origin as the box. Such a request still says the other site's name in `Host`. An address instead of a name
cannot be changed so, and is always let through.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection

ANY_HOST = "*"
"""Among the allowed: whatever name; for boxes behind a proxy that checks it."""

_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_HEADER = re.compile(r"(?P<name>[^:\[\]]+|\[[^\[\]]*\])(:[0-9]*)?")


def may_be_called(host: str | None, allowed: Collection[str]) -> bool:
    """Whether a request whose `Host` header is `host` (None: it has none, so no browser sent it) is meant for the box.

    `allowed`: names in lower case; of `localhost` all names below it too (RFC 6761 keeps them on this machine).
    """
    if host is None or ANY_HOST in allowed:
        return True
    parts = _HEADER.fullmatch(host.strip())
    if parts is None:
        return False
    name = parts["name"].lower().removesuffix(".")
    return _is_address(name) or name in allowed or ("localhost" in allowed and name.endswith(".localhost"))


def _is_address(name: str) -> bool:
    try:
        if name.startswith("["):
            ipaddress.IPv6Address(name[1:-1])
        else:
            ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether `text` is a host name or an address, IPv6 in brackets, without a port."""
    try:
        if text.startswith("[") and text.endswith("]"):
            ipaddress.IPv6Address(text[1:-1])
        else:
            ipaddress.IPv4Address(text)
    except ValueError:
        # a name that ends in a number is a mistyped address, such as 10.0.0.300: to browsers too
        return _NAME.fullmatch(text) is not None and not text.rpartition(".")[2].isdecimal()
    return True


def own_hosts(listen: str) -> frozenset[str]:
    """In lower case: names by which this machine knows itself, and the host of `listen` (`host:port`)."""
    name = socket.gethostname().lower().rstrip(".")
    short = name.partition(".")[0]
    names = {"localhost", name, short, f"{short}.local", listen.rpartition(":")[0].lower()}
    return frozenset(one for one in names if is_host(one))
