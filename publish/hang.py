"""Notices a store that hangs: it takes connections and answers nothing, or so slowly that nothing comes of it.

How long a request takes says nothing of that: 1 MB needs two minutes at 64 kbit/s. What counts is whether bytes move on
its connection, sent and acknowledged or received, as the kernel counts them. Where none do, something on the way may
have taken a body at once to hand it on slowly, as modems of satellites do. So the store is then asked something small
on another connection, and hangs if it does not answer that either. A request of which nothing moves for too long is
ended; until then it may still be answered.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection

from process.beat import beat, complain

LOOK_S = 1.0
QUIET_S = 8.0
"""After so long without movement the store is asked: servers that sync to slow disks answer within a few seconds."""
LEAST_BYTES = 1_000
"""Fewer than these in `QUIET_S` are no movement: it would be 1 kbit/s."""
ANSWER_S = 8.0
"""The question and its answer take 2 to 4 s at 64 kbit/s and 600 ms, TLS included."""
_BYTES_ACKED_RECEIVED = struct.Struct("=QQ")
_THEIR_OFFSET = 120
"""In `struct tcp_info` of linux/tcp.h, since Linux 4.1."""


class Movement:
    """How long a request has been without movement. Pure: told the time and the bytes of its connection."""

    def __init__(self, now: float, moved: int) -> None:
        self._at = now
        self._moved = moved

    def still_s(self, now: float, moved: int) -> float:
        """Seconds for which fewer than `LEAST_BYTES` moved; another connection than before is movement."""
        if not 0 <= moved - self._moved < LEAST_BYTES:
            self._at, self._moved = now, moved
        return now - self._at


def moved(connection: HTTPConnection | None) -> int:
    """Bytes sent and acknowledged, and received, of a connection, encryption included; 0 while there is none."""
    sock = connection.sock if connection else None
    if sock is None:
        return 0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _THEIR_OFFSET + _BYTES_ACKED_RECEIVED.size)
    except OSError:  # closed just now
        return 0
    if len(info) < _THEIR_OFFSET + _BYTES_ACKED_RECEIVED.size:
        return 0
    return sum(_BYTES_ACKED_RECEIVED.unpack_from(info, _THEIR_OFFSET))


class HangWatch:
    """Watches the requests to the server of the URL `base`, one at a time, and ends those still for `give_up_s`."""

    def __init__(self, base: str, *, give_up_s: float) -> None:
        self._base = base
        self._give_up_s = give_up_s
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()

    def talks(self, connection: HTTPConnection) -> None:
        """The request under way goes over this connection."""
        self._connection = connection

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While a request is under way."""
        ended = threading.Event()
        self._connection = None
        threading.Thread(target=self._watch, args=(ended,), name="hang-watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:  # nothing is said of a request once it has ended
                ended.set()

    def _watch(self, ended: threading.Event) -> None:
        movement = Movement(time.monotonic(), moved(self._connection))
        ask_after_s = QUIET_S
        while not ended.wait(LOOK_S):
            still_s = movement.still_s(time.monotonic(), moved(self._connection))
            if still_s > self._give_up_s:
                self._end(ended)
                return
            beat()
            if still_s < QUIET_S:
                ask_after_s = QUIET_S
            elif still_s >= ask_after_s:
                answered = answers(self._base)
                # a line so full that the question waited behind the request's own bytes has moved them meanwhile
                if not answered and movement.still_s(time.monotonic(), moved(self._connection)) >= still_s:
                    self._say(ended, f"{self._base}: the store does not answer")
                ask_after_s = still_s + ANSWER_S + QUIET_S

    def _say(self, ended: threading.Event, words: str) -> None:
        with self._lock:
            if not ended.is_set():
                complain(words)

    def _end(self, ended: threading.Event) -> None:
        with self._lock:
            sock = self._connection.sock if self._connection else None
            if sock is None or ended.is_set():
                return
            try:
                sock.shutdown(socket.SHUT_RDWR)  # whoever waits for it is woken
            except OSError:
                return


def answers(base: str) -> bool:
    """Whether the server of the URL `base` says anything to a question, whatever it says, within `ANSWER_S`."""
    parts = urlsplit(base)
    secure, host = parts.scheme == "https", parts.hostname or ""
    deadline = time.monotonic() + ANSWER_S
    try:
        with socket.create_connection((host, parts.port or (443 if secure else 80)), ANSWER_S) as plain:
            _limit(plain, deadline)
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain as sock:
                _limit(sock, deadline)
                question = f"HEAD {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                sock.sendall(question.encode())
                return _hears_a_line(sock, deadline)
    except ssl.SSLError:  # its certificate is the question of the request itself
        return True
    except OSError:
        return False


def _hears_a_line(sock: socket.socket, deadline: float) -> bool:
    heard = b""
    while b"\n" not in heard:
        _limit(sock, deadline)
        block = sock.recv(1024)
        if not block:
            return False
        heard += block
    return True


def _limit(sock: socket.socket, deadline: float) -> None:
    """Have whatever is done with the socket end by `deadline`. Raises `TimeoutError` after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
