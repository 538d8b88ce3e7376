"""The answer to a request as it comes in: how much of it counts, and how far it lies behind the slowest line.

A store may begin an answer and never end it: a byte now and then, or one `100 Continue` after the other. No time-out of
a read sees that, as each byte begins it anew. What a connection carries does not tell either: encryption says something
of its own before the answer begins. So the bytes are counted where they are read.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any, Protocol

MAX_HEAD_BYTES = 256 << 10
"""Of S3 a head has some 1 kB; whoever sends more, or interim answers (1xx) without end, is not the store."""


class Listener(Protocol):
    """Who is told of the answer under way."""

    def hears(self, sock: socket.socket) -> None:
        """The first bytes are here."""

    def heard(self, count: int) -> None:
        """So many bytes more of the body."""

    def heard_all(self) -> None:
        """The answer is whole, or nobody listens any more."""


class Lag:
    """How far an answer lies behind one that brings `least_bytes` in `within_s`. Pure: told time and bytes."""

    def __init__(self, least_bytes: int, within_s: float) -> None:
        self._s_a_byte = within_s / least_bytes
        self._at: float | None = None
        self._heard = 0
        self._behind_s = 0.0

    def behind_s(self, now: float, heard: int | None) -> float:
        """Seconds; 0.0 while it has not begun (`heard` is None), as what was sent may still be on its way."""
        if heard is None:
            self._at, self._heard, self._behind_s = None, 0, 0.0
            return 0.0
        passed = 0.0 if self._at is None else now - self._at
        gained = max(0, heard - self._heard) * self._s_a_byte
        self._behind_s = max(0.0, self._behind_s + passed - gained)
        self._at, self._heard = now, heard
        return self._behind_s


class _Ear(io.RawIOBase):
    """What comes from a socket. Until its head is whole nothing of an answer counts, interim answers never."""

    def __init__(self, sock: socket.socket, listener: Listener) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._listener = listener
        self._head_bytes = 0
        self.head_is_whole = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        if self.head_is_whole:
            self._listener.heard(count or 0)
            return count
        if count and not self._head_bytes:
            self._listener.hears(self._sock)
        self._head_bytes += count or 0
        if self._head_bytes > MAX_HEAD_BYTES:
            raise http.client.HTTPException(f"more than {MAX_HEAD_BYTES} bytes before an answer: is that the store?")
        return count

    def close(self) -> None:
        if not self.closed:
            self._listener.heard_all()
            self._raw.close()
        super().close()


def heard_by(listener: Listener) -> type[http.client.HTTPResponse]:
    """A class of answers that tell `listener` what comes of them."""

    class Heard(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *what: Any, **how: Any) -> None:
            self._ear = _Ear(sock, listener)
            super().__init__(sock, *what, **how)
            self.fp.close()  # the one that is not listened to
            self.fp = io.BufferedReader(self._ear)

        def begin(self) -> None:
            super().begin()
            self._ear.head_is_whole = True

    return Heard
