"""Connections that cost nothing but time: heads that never end, and readers that never read, are ended.

The server below knows only how long an idle connection is kept. What a request's body may take is the guard's to say
(`api.guard`); everything before and after it is here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long which connection is waited for, in seconds, and how many half-open ones an address may have.

    `head_s`: from the first byte (for a new connection: from its beginning) to the end of the request's head; also for
    what still comes of a body that nobody reads. `idle_s`: between two requests. `read_s`: in which a client that does
    not keep up must read 48 kB, which a line of 64 kbit/s does in 6 s. `half_open`: connections of one address whose
    request is not there yet; one more, and the oldest is ended: a person's browser sends its request at once.
    """

    head_s: float = 10.0
    idle_s: float = 20.0
    read_s: float = 30.0
    half_open: int = 50


@dataclass(slots=True)
class _HalfOpen:
    """Connections whose request is not there yet, by address, oldest first."""

    most: int
    by_address: defaultdict[str, OrderedDict[PatientProtocol, None]] = field(
        default_factory=lambda: defaultdict(OrderedDict)
    )

    def add(self, address: str, connection: PatientProtocol) -> None:
        waiting = self.by_address[address]
        waiting.setdefault(connection)
        if len(waiting) > self.most:
            oldest, _ = waiting.popitem(last=False)
            oldest.cut()

    def remove(self, address: str, connection: PatientProtocol) -> None:
        waiting = self.by_address.get(address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self.by_address[address]


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to every wait for the client. Made to measure by `patient_protocol`."""

    patience = Patience()
    half_open = _HalfOpen(patience.half_open)
    _address = ""
    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._address = _network(self.client[0] if self.client else "")
        self.half_open.add(self._address, self)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if not self._answering():
            self._await_head()
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self.half_open.add(self._address, self)
        else:
            self.half_open.remove(self._address, self)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        """Give the request's head its time, counted from its first byte however many follow."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.patience.head_s, self._end)

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def _end(self) -> None:
        """Close; what the client has not read by then it may still read, but not for ever."""
        self.transport.close()
        self._await_reading()

    def _await_reading(self) -> None:
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.patience.read_s, self.cut)

    def cut(self) -> None:
        """End the connection at once; the kernel must not go on offering what was never read either."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_timer and not self.transport.is_closing():
            self._read_timer.cancel()
            self._read_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.half_open.remove(self._address, self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # which uvicorn leaves to itself after an error
        for timer in (self._head_timer, self._read_timer):
            if timer:
                timer.cancel()


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, in which every machine can give itself any number of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def patient_protocol(patience: Patience) -> type[PatientProtocol]:
    """The protocol class for one server, with a count of its own: `uvicorn.Config(http=…, timeout_keep_alive=…)`."""
    return type(
        "MeasuredProtocol", (PatientProtocol,), {"patience": patience, "half_open": _HalfOpen(patience.half_open)}
    )
