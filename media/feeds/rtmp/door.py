"""The port at which encoders knock: who may not send is refused here, and one at a time is let in.

A thread of its own talks to all that knock, each for `KNOCK_S` and `MOST_BYTES` at most, before any media is taken. It
goes on while one sends, so that a second one is told why it may not.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from lesson.errors import SourceLostError
from lesson.loss import Loss
from lesson.source_fault import SourceFault
from media.errors import fault_of, reason_of
from media.feeds.rtmp.amf import RtmpError
from media.feeds.rtmp.publishing import Publishing, TalkPhase

KNOCK_S = 5.0
"""From being connected to naming the key: an encoder needs a few round trips."""
MOST_BYTES = 65_536
"""Until then; an encoder sends 4 KB."""
MOST_KNOCKING = 16
"""One more ends the oldest, so that a flood keeps nobody out (docs/adr/0013-trust-lines.md)."""
ASKED_S = 12.0
"""How long one that may send waits for its answer; it is given as soon as the feed is opened again."""
FAREWELL_S = 1.0
"""For a reply to arrive before its connection is closed."""
SAID_AGAIN_S = 600.0
"""A refusal is logged once, and after this time again: an encoder tries for ever."""

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Sender:
    """One connection."""

    socket: socket.socket
    address: str
    talk: Publishing
    until: float
    came: int = 0
    over: Callable[[Sender], None] | None = field(default=None, repr=False)

    def say(self) -> None:
        """Send what is due, as far as the network takes it; who does not read it has to live without."""
        out = self.talk.to_send()
        if out:
            with suppress(OSError):
                self.socket.send(out, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def gone(self) -> bool:
        """Whether it went away; what it sent meanwhile stays to be read."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
        if self.over is not None:
            self.over(self)


class Door:
    """Listens at an address of this machine for an encoder that names `name` and `key`.

    Raises `SourceLostError` when it cannot: another program listens there, or the address is not this machine's.
    """

    def __init__(self, host: str, port: int, name: str, key: str) -> None:
        self._name, self._key = name, key
        self._changed = threading.Condition()
        self._asked: Sender | None = None
        self._sending: Sender | None = None
        self._refused_at: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._selector = selectors.DefaultSelector()
        self._knocking: list[Sender] = []
        where = f"[{host}]" if ":" in host else host
        with _listen_errors(f"push {where}:{port}/{name}"):
            self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.label = f"push {where}:{self.port}/{name}"
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="rtmp", daemon=True)
        self._thread.start()

    def sender(self, wait_s: float) -> Sender:
        """The encoder that sends from now on; waits for one. It is to be closed before there can be another.

        Raises `SourceLostError`: nobody came, or one sends already.
        """
        began = time.monotonic()
        with self._changed:
            if self._sending is not None:
                raise SourceLostError(f"{self.label}: is open already", Loss.NO_SIGNAL, SourceFault.BUSY)
            while not self._waits():
                left = began + wait_s - time.monotonic()
                if left <= 0:
                    raise self._nobody(began)
                self._changed.wait(left)
            sender, self._asked = self._asked, None
            assert sender is not None  # noqa: S101 - it waits
            self._sending = sender
        sender.over = self._ended
        sender.talk.grant()
        sender.say()
        return sender

    @property
    def asked(self) -> bool:
        """Whether somebody waits to be let in."""
        with self._changed:
            return self._waits()

    def close(self) -> None:
        """Listen no more, and hang up on all but who sends."""
        self._wake.close()
        self._thread.join()

    def _nobody(self, began: float) -> SourceLostError:
        """Why there is no sender. Who tried with a wrong key is told apart, as there is something to be mended."""
        wrong = [why for why, at in self._refused_at.items() if at >= began]
        if wrong:
            return SourceLostError(f"{self.label}: {wrong[-1]}", Loss.NOT_SENT, SourceFault.REFUSED)
        return SourceLostError(f"{self.label}: nobody sends", Loss.NOT_SENT, SourceFault.NOT_SENT)

    def _waits(self) -> bool:
        if self._asked is not None and self._asked.gone():
            self._asked.socket.close()
            self._asked = None
        return self._asked is not None

    def _ended(self, sender: Sender) -> None:
        with self._changed:
            if self._sending is sender:
                self._sending = None

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._woken:
                    return self._end()
                if key.fileobj is self._socket:
                    self._let_knock()
                else:
                    self._hear(key.data)
            self._tire_of()
        return None

    def _end(self) -> None:
        self._selector.close()
        for sender in [*self._knocking, *filter(None, [self._asked])]:
            sender.socket.close()
        self._socket.close()
        self._woken.close()

    def _patience(self) -> float | None:
        """Until somebody's time is over."""
        with self._changed:
            ends = [sender.until for sender in [*self._knocking, *filter(None, [self._asked])]]
        return max(0.0, min(ends) - time.monotonic()) + 0.01 if ends else None

    def _let_knock(self) -> None:
        try:
            connection, peer = self._socket.accept()
        except OSError:  # gone again, or too many files: those that are open end soon
            time.sleep(0.05)
            return
        connection.setblocking(False)
        talk = Publishing(self._name, self._key)
        sender = Sender(connection, str(peer[0]), talk, time.monotonic() + KNOCK_S)
        self._knocking.append(sender)
        self._selector.register(connection, selectors.EVENT_READ, sender)
        if len(self._knocking) > MOST_KNOCKING:
            self._drop(self._knocking[0])

    def _hear(self, sender: Sender) -> None:
        if sender not in self._knocking:  # dropped in this round
            return
        try:
            data = sender.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        sender.came += len(data)
        if not data or sender.came > MOST_BYTES:
            self._drop(sender)
        elif sender.talk.phase is not TalkPhase.OVER:  # else it was refused, and is listened to until it hangs up
            self._listen_to(sender, data)

    def _listen_to(self, sender: Sender, data: bytes) -> None:
        try:
            sender.talk.receive(data)
        except RtmpError as error:
            self._refuse(sender, str(error))
            return
        if sender.talk.phase is TalkPhase.ASKED:
            self._ask(sender)
        else:
            sender.say()

    def _ask(self, sender: Sender) -> None:
        """Have it wait for the feed to be opened, unless there is one already."""
        with self._changed:
            if self._sending is None and not self._waits():
                self._forget(sender)
                sender.socket.setblocking(True)
                sender.until = time.monotonic() + ASKED_S
                sender.say()
                self._asked = sender
                self._changed.notify_all()
                return
        sender.talk.deny("another encoder sends already")
        self._refuse(sender, "another encoder sends already", wrong=False)

    def _refuse(self, sender: Sender, why: str, *, wrong: bool = True) -> None:
        """Tell it, and give the reply time to arrive: to hang up at once would take it back."""
        now = time.monotonic()
        sender.talk.phase = TalkPhase.OVER
        sender.say()
        with suppress(OSError):
            sender.socket.shutdown(socket.SHUT_WR)
        sender.until = now + FAREWELL_S
        if wrong:
            with self._changed:
                self._refused_at = {**self._refused_at, why: now}
        if now >= self._said.get(why, now):
            self._said[why] = now + SAID_AGAIN_S
            _log.warning("sender_refused", feed=self.label, sender=sender.address, error=why)

    def _tire_of(self) -> None:
        now = time.monotonic()
        for sender in [one for one in self._knocking if one.until <= now]:
            self._drop(sender)
        with self._changed:
            if self._asked is not None and self._asked.until <= now:
                self._asked.socket.close()
                self._asked = None

    def _drop(self, sender: Sender) -> None:
        self._forget(sender)
        sender.socket.close()

    def _forget(self, sender: Sender) -> None:
        self._knocking.remove(sender)
        self._selector.unregister(sender.socket)


_DOORS: dict[tuple[str, int], Door] = {}
"""They outlive the feeds: an encoder that comes while a feed is closed is answered, and let in as it opens again."""
_DOORS_LOCK = threading.Lock()


def door_at(host: str, port: int, name: str, key: str) -> Door:
    """The door of this process at this address. Raises `SourceLostError`."""
    with _DOORS_LOCK:
        if (host, port) not in _DOORS:
            _DOORS[host, port] = Door(host, port, name, key)
        return _DOORS[host, port]


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=MOST_KNOCKING)


_FAULTS = {errno.EADDRINUSE: SourceFault.BUSY, errno.EADDRNOTAVAIL: SourceFault.ABSENT}


@contextmanager
def _listen_errors(name: str) -> Iterator[None]:
    """`OSError` of a socket that cannot be listened at, as `SourceLostError`."""
    try:
        yield
    except OSError as error:
        fault = _FAULTS.get(error.errno or 0) or fault_of(error)
        raise SourceLostError(f"{name}: {reason_of(error)}", Loss.NO_SIGNAL, fault) from error
