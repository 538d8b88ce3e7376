"""By which names the box may be called: a pure rule.

A page of another site can have its name's address changed to the box's (DNS rebinding) and is then, to the browser, of
the same origin as the box. Such a request still says the other site's name in `Host`. An address instead of a name
cannot be changed so, and is always let through.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

ANY_HOST = "*"
"""Among the allowed: whatever name; for boxes behind a proxy that checks it."""

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
