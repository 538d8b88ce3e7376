"""Names of hosts in the settings, and those by which this machine knows itself."""

from __future__ import annotations

import ipaddress
import re
import socket

_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE | re.ASCII)


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
