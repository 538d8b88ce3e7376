"""A TCP proxy on loopback that breaks uploads on purpose, one chosen HTTP request at a time.

    with BadProxy(server.port) as proxy:
        proxy.fault(Fault.LOSE_REPLY, "PUT", "low/000003.m4s")
        ... talk to proxy.port ...
        proxy.requests                       # what passed, in order

It reads enough of HTTP/1.1 (request heads and Content-Length bodies) to know which request a byte belongs to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

_BLOCK = 4096
_HEAD_END = b"\r\n\r\n"


class Fault(StrEnum):
    """What happens to a request."""

    REFUSE = "refuse"  # the connection is reset before a byte of the request arrives
    CUT = "cut"  # the connection is reset in the middle of the body
    STALL = "stall"  # the body stops half way; the connection stays open until `release`
    CORRUPT = "corrupt"  # one bit of the body is flipped
    LOSE_REPLY = "lose_reply"  # the request arrives whole, the reply does not


@dataclass(slots=True)
class Request:
    """One request on its way up. `length`: bytes of its body."""

    method: str
    path: str
    length: int
    fault: Fault | None = None
    sent: int = 0


@dataclass(slots=True)
class _Rule:
    fault: Fault
    method: str
    part: str
    times: int


@dataclass(slots=True)
class _Connection:
    """The upward half of one connection, taken apart into requests."""

    head: bytes = b""
    request: Request | None = None
    lose_reply: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class _BrokenError(Exception):
    """A fault has ended this connection."""


class BadProxy:
    """Forwards to `127.0.0.1:target`. `up_bps`: bit/s every connection may send, None = as fast as it goes.

    `delay_s`: a reply comes so much later.
    """

    def __init__(self, target: int, *, up_bps: int | None = None, delay_s: float = 0.0) -> None:
        self.target = target
        self.up_bps = up_bps
        self.delay_s = delay_s
        self.requests: list[Request] = []
        self.broken = 0
        self.port = 0
        self._rules: list[_Rule] = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="bad-proxy", daemon=True)

    def fault(self, fault: Fault, method: str = "PUT", part: str = "", *, times: int = 1) -> None:
        """Let `fault` happen to the next `times` requests of `method` whose path contains `part`."""
        self._rules.append(_Rule(fault, method, part, times))

    def release(self) -> None:
        """Reset every connection that is stalled now."""
        self._loop.call_soon_threadsafe(self._released.set)

    def puts(self, part: str = "") -> list[str]:
        """Paths of all PUT requests whose body arrived whole, in order."""
        return [r.path for r in self.requests if r.method == "PUT" and part in r.path and r.sent == r.length]

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped, self._released = asyncio.Event(), asyncio.Event()
        self._connections: list[_Connection] = []
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopped.wait()
        server.close()
        self._released.set()
        for connection in list(self._connections):  # handlers end by themselves: asyncio logs cancelled ones as errors
            connection.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writers=[writer])
        self._connections.append(connection)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            connection.abort()
            return
        connection.writers.append(up_writer)
        halves = [
            asyncio.ensure_future(self._up(reader, up_writer, connection)),
            asyncio.ensure_future(self._down(up_reader, writer, connection)),
        ]
        try:
            done, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            self.broken += any(isinstance(half.exception(), _BrokenError) for half in done)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            connection.abort()
            self._connections.remove(connection)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        while data := await reader.read(_BLOCK):
            for request, piece in self._pieces(connection, data):
                if self.up_bps:
                    await asyncio.sleep(len(piece) * 8 / self.up_bps)
                writer.write(await self._suffer(connection, request, piece))
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        while data := await reader.read(_BLOCK):
            if connection.lose_reply:
                raise _BrokenError
            await asyncio.sleep(self.delay_s)
            writer.write(data)
            await writer.drain()

    def _pieces(self, connection: _Connection, data: bytes) -> Iterator[tuple[Request, bytes]]:
        """`data` cut at the borders of heads and bodies; a piece of body has been counted in `sent`."""
        while data:
            request = connection.request
            if request is None or request.sent == request.length:
                connection.head += data
                head, found, data = connection.head.partition(_HEAD_END)
                if not found:
                    return
                connection.head = b""
                connection.request = request = self._begin(head)
                yield request, head + found
                continue
            body, data = data[: request.length - request.sent], data[request.length - request.sent :]
            request.sent += len(body)
            yield request, body

    def _begin(self, head: bytes) -> Request:
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        request = Request(method, path, int(headers.get("content-length", "0")))
        for rule in self._rules:
            if rule.times and rule.method == method and rule.part in path:
                rule.times -= 1
                request.fault = rule.fault
                break
        self.requests.append(request)
        return request

    async def _suffer(self, connection: _Connection, request: Request, piece: bytes) -> bytes:
        """The piece as it goes on, after what its request's fault does to it."""
        half_way = request.sent * 2 >= request.length and request.sent > 0
        match request.fault:
            case Fault.REFUSE:
                raise _BrokenError
            case Fault.CUT if half_way:
                request.sent = 0  # it did not arrive whole
                raise _BrokenError
            case Fault.STALL if half_way:
                request.sent = 0
                await self._released.wait()
                raise _BrokenError
            case Fault.CORRUPT if request.sent:
                request.fault = None
                return bytes([piece[0] ^ 1]) + piece[1:]
            case Fault.LOSE_REPLY:
                connection.lose_reply = True
        return piece
