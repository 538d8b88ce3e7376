"""What systemd is told, where it started us and asks (sd_notify(3)): that we are there, and that we go on."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

READY = "READY=1"
WATCHDOG = "WATCHDOG=1"
"""Without this for as long as the unit's WatchdogSec= the process is killed and started anew."""


def notify(state: str) -> None:
    """Send one state to the service manager; where there is none, nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.setblocking(False)  # a manager that is busy is told next time
        link.sendto(state.encode(), address)
