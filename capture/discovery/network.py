"""The question goes out on every network of this machine; what comes back is gathered for a few seconds."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from capture.discovery.probe import PROBED_TYPES, probe
from lesson.errors import ConfigError

GROUP = "239.255.255.250"
PORT = 3702
LISTEN_S = 4.0
"""Devices answer within half a second; slow ones and lost questions get another chance."""
ASKED_AT_S = (0.0, 0.6, 1.6)
"""Seconds at which the question is sent again, as UDP loses some."""
_LOOPBACK = IPv4Address("127.0.0.1")
Heard = Callable[[bytes, str], None]
"""Called with each datagram and the address that it came from."""


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """Where a question is sent: by number, or by an address of this machine. `name`: for people."""

    name: str
    index: int = 0
    address: IPv4Address | None = None

    @property
    def is_loopback(self) -> bool:
        return self.address is not None and self.address.is_loopback

    @property
    def option(self) -> bytes:
        """`struct ip_mreqn` of Linux, BSD and macOS."""
        own = self.address or IPv4Address(0)
        return struct.pack("=4s4si", socket.inet_aton(GROUP), own.packed, self.index)


def all_interfaces() -> list[NetworkInterface]:
    """Every network of this machine. Its own inside is one, too: cameras for trials are programs."""
    named = [NetworkInterface(name, index) for index, name in socket.if_nameindex() if name not in {"lo", "lo0"}]
    return [*named, NetworkInterface("this machine itself", address=_LOOPBACK)]


def interface_of(text: str) -> NetworkInterface:
    """The network that somebody names by its interface or by this machine's address in it. Raises `ConfigError`."""
    try:
        return NetworkInterface(text, address=IPv4Address(text))
    except AddressValueError:
        pass
    known = {name: index for index, name in socket.if_nameindex()}
    if text not in known:
        raise ConfigError(f"--interface: no {text!r} here; there is {', '.join(sorted(known))}")
    return NetworkInterface(text, known[text])


class _ProbeAnswers(asyncio.DatagramProtocol):
    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._heard(data, str(addr[0]))

    def error_received(self, exc: Exception) -> None:
        """What a host refuses is no matter of the others."""


async def ask_networks(
    interfaces: Sequence[NetworkInterface], heard: Heard, *, port: int = PORT, listen_s: float = LISTEN_S
) -> list[NetworkInterface]:
    """Ask on each interface and listen for `listen_s`; those on which the question could be sent.

    Raises `ConfigError` for an address that this machine does not have.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + listen_s
    opened: dict[NetworkInterface, tuple[socket.socket, asyncio.DatagramTransport]] = {}
    reached: dict[NetworkInterface, None] = {}
    try:
        for interface in interfaces:
            made = _socket(interface)
            if made is not None:
                transport, _ = await loop.create_datagram_endpoint(lambda: _ProbeAnswers(heard), sock=made)
                opened[interface] = made, transport
        for at in ASKED_AT_S:
            await asyncio.sleep(max(0.0, min(end, end - listen_s + at) - loop.time()))
            reached.update(dict.fromkeys(one for one, (sock, _) in opened.items() if _ask(sock, port)))
        await asyncio.sleep(max(0.0, end - loop.time()))
    finally:
        for _, transport in opened.values():
            transport.close()
    return list(reached)


def _socket(interface: NetworkInterface) -> socket.socket | None:
    """None where the network is down."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)  # it is asked on this network, none beyond
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface.option)
        made.bind((str(interface.address or ""), 0))
    except OSError as error:
        made.close()
        if interface.address is not None and error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"--interface: {interface.address} is no address of this machine") from error
        return None
    return made


def _ask(sock: socket.socket, port: int) -> bool:
    """Straight to the socket: asyncio would keep to itself what the network refuses."""
    try:
        for probed in PROBED_TYPES:
            sock.sendto(probe(str(uuid.uuid4()), probed), (GROUP, port))
    except OSError:
        return False
    return True
