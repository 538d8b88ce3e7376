"""Notices a store that hangs: it takes connections and answers nothing, or so slowly that nothing comes of it.

How long a request takes says nothing of that: 1 MB needs two minutes at 64 kbit/s. What counts is whether bytes move on
its connection, sent and acknowledged or received, as the kernel counts them. Where none do, something on the way may
have taken a body at once to hand it on slowly, as modems of satellites do. So the store is then asked something small
on another connection, and hangs if it does not answer that either. Once an answer has begun, nothing lies in a modem:
it must go on coming until it is whole (`publish.answer`). A request of which nothing moves for too long is ended; until
then it may still be answered.
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
from publish.answer import Lag

LOOK_S = 1.0
QUIET_S = 8.0
"""After so long without movement the store is asked: servers that sync to slow disks answer within a few seconds."""
LEAST_BYTES = 1_000
"""Fewer than these in `QUIET_S` are no movement: it would be 1 kbit/s. An answer that has begun brings as many."""
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


def moved(sock: socket.socket | None) -> int:
    """Bytes sent and acknowledged, and received, of a connection, encryption included; 0 while there is none."""
    if sock is None:
        return 0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _THEIR_OFFSET + _BYTES_ACKED_RECEIVED.size)
    except OSError:  # closed just now
        return 0
    if len(info) < _THEIR_OFFSET + _BYTES_ACKED_RECEIVED.size:
        return 0
    return sum(_BYTES_ACKED_RECEIVED.unpack_from(info, _THEIR_OFFSET))


class _Question(threading.Thread):
    """Asks the server of the URL `base`, while others go on looking. `answered`: None until that is known."""

    def __init__(self, base: str, still_s: float) -> None:
        super().__init__(name="hang-question", daemon=True)
        self.answered: bool | None = None
        self.still_s = still_s
        self._base = base
        self.start()

    def run(self) -> None:
        self.answered = answers(self._base)


class HangWatch:
    """Watches the requests to the server of the URL `base`, one at a time, and ends those still for `give_up_s`.

    An answer that lies so far behind the slowest one is ended, too.
    """

    def __init__(self, base: str, *, give_up_s: float) -> None:
        self._base = base
        self._give_up_s = give_up_s
        self._connection: HTTPConnection | None = None
        self._answering: socket.socket | None = None
        self._heard: int | None = None
        self._lock = threading.Lock()
        self.gave_up = False
        """Whether the last request was ended here, because nothing came of it any more."""

    def talks(self, connection: HTTPConnection) -> None:
        """The request under way goes over this connection."""
        self._connection, self._answering, self._heard = connection, None, None

    def hears(self, sock: socket.socket) -> None:
        """Its answer has begun. A connection that is closed after it has let go of its socket by then."""
        self._answering, self._heard = sock, 0

    def heard(self, count: int) -> None:
        """So many bytes more of its body are here."""
        self._heard = (self._heard or 0) + count

    def heard_all(self) -> None:
        """It is whole."""
        self._answering, self._heard = None, None

    @property
    def _sock(self) -> socket.socket | None:
        return self._answering or (self._connection.sock if self._connection else None)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While a request is under way."""
        ended = threading.Event()
        self._connection, self._answering, self._heard = None, None, None
        self.gave_up = False
        threading.Thread(target=self._watch, args=(ended,), name="hang-watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:  # nothing is said of a request once it has ended
                ended.set()

    def _watch(self, ended: threading.Event) -> None:
        movement = Movement(time.monotonic(), moved(self._sock))
        lag, was_behind, asked, ask_after_s = Lag(LEAST_BYTES, QUIET_S), False, None, QUIET_S
        while not ended.wait(LOOK_S):
            now = time.monotonic()
            still_s = movement.still_s(now, moved(self._sock))
            behind_s = lag.behind_s(now, self._heard)
            if max(still_s, behind_s) > self._give_up_s:
                self._end(ended)
                return
            beat()
            behind = behind_s >= QUIET_S + ANSWER_S
            if behind and not was_behind:
                self._say(ended, "the store does not end its answer")
            was_behind = behind
            if still_s < QUIET_S:
                ask_after_s = QUIET_S
            elif asked is None and still_s >= ask_after_s:
                asked = _Question(self._base, still_s)
            if asked is not None and asked.answered is not None:
                # a line so full that the question waited behind the request's own bytes has moved them meanwhile
                if not asked.answered and still_s >= asked.still_s:
                    self._say(ended, "the store does not answer")
                asked, ask_after_s = None, still_s + QUIET_S

    def _say(self, ended: threading.Event, words: str) -> None:
        with self._lock:
            if not ended.is_set():
                complain(f"{self._base}: {words}")

    def _end(self, ended: threading.Event) -> None:
        with self._lock:
            sock = self._sock
            if sock is None or ended.is_set():
                return
            self.gave_up = True
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
