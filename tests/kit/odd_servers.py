"""Servers on loopback that are no good: they answer nothing, a byte a second, or without end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat

Reply = Callable[[], Iterable[bytes]]
"""What a server says to each connection, piece by piece, once it has heard something."""


@dataclass(slots=True)
class OddServer:
    """`port`: where it listens. `began`: monotonic seconds at which it first heard something. `sent`: bytes it said."""

    port: int
    began: float | None = None
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def odd_server(reply: Reply) -> Iterator[OddServer]:
    """Takes every connection and whatever comes over it, and says `reply`; the connection stays open after it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = OddServer(listening.getsockname()[1])

        def hear(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while connection.recv(65_536):
                    server.began = server.began or time.monotonic()

        def speak(connection: socket.socket) -> None:
            with suppress(OSError):
                for piece in reply():
                    if server.ended.is_set():
                        break
                    connection.sendall(piece)
                    server.sent += len(piece)

        def take() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    for work in (hear, speak):
                        threading.Thread(target=work, args=(connection,), daemon=True).start()

        taking = threading.Thread(target=take, daemon=True)
        taking.start()
        try:
            yield server
        finally:
            server.ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            taking.join(5)


def silence() -> Iterable[bytes]:
    """Nothing at all."""
    return ()


def dribble() -> Iterator[bytes]:
    """An answer, but one byte of it a second."""
    for byte in b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000):
        time.sleep(1.0)
        yield bytes([byte])


def drip() -> Iterator[bytes]:
    """The head of an answer at once, then chunks of one byte for ever."""
    yield b"HTTP/1.1 200 OK\r\nETag: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        time.sleep(0.5)
        yield b"1\r\na\r\n"


def closing_drip() -> Iterator[bytes]:
    """The same on a connection that is to be closed after it."""
    yield b"HTTP/1.1 200 OK\r\nETag: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
    while True:
        time.sleep(0.5)
        yield b"aaaaaa"


def interim() -> Iterator[bytes]:
    """Interim answers without end: 2.5 kB a second that say nothing."""
    while True:
        time.sleep(0.01)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def endless(status: str, *, kind: str = "application/xml", size: int | None = None) -> Reply:
    """A reply of `size` bytes, or (None) in chunks without end."""

    def reply() -> Iterator[bytes]:
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        yield f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{length}\r\n\r\n".encode()
        block = b"<Error>".ljust(65_536, b"x")
        if size is None:
            yield from repeat(b"10000\r\n" + block + b"\r\n")
        else:
            yield from repeat(block, size // len(block))
            yield block[: size % len(block)]

    return reply
