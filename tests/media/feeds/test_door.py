"""The port that encoders knock at: who is let in, and that nobody else does harm."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from lesson.errors import SourceLostError
from lesson.loss import Loss
from lesson.source_fault import SourceFault
from media.feeds.rtmp import door as rtmp_door
from media.feeds.rtmp.door import MOST_KNOCKING, Door, Sender
from tests.kit.rtmp_client import KEY, NAME, asking
from tests.kit.waiting import wait_until

SHORT_S = 0.3
ENOUGH_S = 5.0


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door("127.0.0.1", 0, NAME, KEY)
    yield door
    door.close()


def knock(door: Door, said: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", door.port), timeout=ENOUGH_S)
    connection.sendall(said)
    return connection


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, all that it said being read."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def answer(connection: socket.socket, code: bytes) -> bool:
    """Whether the answer holds this code."""
    said = b""
    while code not in said:
        part = connection.recv(4096)
        if not part:
            return False
        said += part
    return True


def let_in(door: Door) -> tuple[socket.socket, Sender]:
    connection = knock(door, asking())
    return connection, door.sender(ENOUGH_S)


def test_the_right_key_is_let_in(door: Door) -> None:
    connection, sender = let_in(door)
    with connection:
        assert answer(connection, b"NetStream.Publish.Start")
        sender.close()
        assert hung_up(connection)


def test_nobody_is_waited_for_so_long_and_no_longer(door: Door) -> None:
    began = time.monotonic()
    with pytest.raises(SourceLostError, match=f"push 127.0.0.1:{door.port}/screen: nobody sends") as caught:
        door.sender(SHORT_S)
    assert (caught.value.code, caught.value.fault) == (Loss.NOT_SENT, SourceFault.NOT_SENT)
    assert SHORT_S <= time.monotonic() - began < ENOUGH_S


def test_a_wrong_key_is_refused_told_apart_and_logged_once_without_it(door: Door) -> None:
    seen = threading.Event()

    def try_wrong_keys() -> None:
        for _ in range(3):
            with knock(door, asking(key="not-the-key")) as connection:
                assert answer(connection, b"NetStream.Publish.BadName")
                assert hung_up(connection)
        seen.set()

    with capture_logs() as logs:
        trying = threading.Thread(target=try_wrong_keys)
        trying.start()
        with pytest.raises(SourceLostError, match="wrong stream key") as caught:
            door.sender(1.0)
        trying.join(ENOUGH_S)
    assert seen.is_set()
    assert (caught.value.code, caught.value.fault) == (Loss.NOT_SENT, SourceFault.REFUSED)
    assert [line["event"] for line in logs] == ["sender_refused"]
    assert "not-the-key" not in str(logs)
    assert KEY not in str(logs)
    connection, sender = let_in(door)
    connection.close()
    sender.close()


def test_a_second_sender_is_refused_and_the_first_unharmed(door: Door) -> None:
    connection, sender = let_in(door)
    with connection, knock(door, asking()) as second:
        assert answer(second, b"NetStream.Publish.BadName")
        assert hung_up(second)
        connection.sendall(b"still here")
        wait_until(lambda: sender.socket.recv(10, socket.MSG_PEEK) == b"still here", ENOUGH_S)
        with pytest.raises(SourceLostError, match="open already"):
            door.sender(SHORT_S)
        sender.close()
    connection, sender = let_in(door)
    connection.close()
    sender.close()


def test_one_that_came_while_nobody_waited_is_let_in_and_one_that_left_is_not(door: Door) -> None:
    with knock(door, asking()) as left:
        wait_until(lambda: door.asked, ENOUGH_S)
    with knock(door, asking()) as waiting:
        sender = door.sender(ENOUGH_S)
        assert sender.socket.getpeername() == waiting.getsockname()
        assert left.fileno() == -1
        sender.close()


def test_one_that_asks_and_is_not_let_in_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    monkeypatch.setattr(rtmp_door, "ASKED_S", SHORT_S)
    with knock(door, asking()) as connection:
        assert hung_up(connection)


@pytest.mark.parametrize(
    "said",
    [b"", b"\x03", asking()[:1537], asking()[:-30], asking()[:3073] + b"\x03"],
    ids=["nothing", "a byte", "half a handshake", "no question", "half a header"],
)
def test_who_says_too_little_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(rtmp_door, "KNOCK_S", SHORT_S)
    door = Door("127.0.0.1", 0, NAME, KEY)
    with knock(door, said) as connection:
        assert hung_up(connection)
    door.close()


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(500), b"\x03" + b"\xff" * 20_000],
    ids=["http", "tls", "noise"],
)
def test_what_is_no_rtmp_is_hung_up_on_at_once(door: Door, said: bytes) -> None:
    began = time.monotonic()
    with knock(door, said) as connection:
        assert hung_up(connection)
    assert time.monotonic() - began < rtmp_door.KNOCK_S
    connection, sender = let_in(door)
    connection.close()
    sender.close()


def test_bytes_without_a_question_are_bounded(door: Door) -> None:
    pings = (b"\x02" + b"\x00\x00\x00" + b"\x00\x00\x06" + b"\x04" + bytes(4) + b"\x00\x06\x00\x00\x00\x00") * 4_000
    with knock(door) as connection:
        threading.Thread(target=_send, args=(connection, asking()[:3073] + pings), daemon=True).start()
        assert hung_up(connection)


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        return


def test_a_flood_of_silent_connections_keeps_nobody_out(door: Door) -> None:
    with ExitStack() as stack:
        flood = [stack.enter_context(knock(door)) for _ in range(5 * MOST_KNOCKING)]
        connection, sender = let_in(door)
        assert hung_up(flood[0])
        connection.close()
        sender.close()


def test_a_port_that_is_taken_is_said(door: Door) -> None:
    with pytest.raises(SourceLostError, match="already in use") as caught:
        Door("127.0.0.1", door.port, NAME, KEY)
    assert (caught.value.code, caught.value.fault) == (Loss.NO_SIGNAL, SourceFault.BUSY)


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(SourceLostError) as caught:
        Door("192.0.2.1", 19_350, NAME, KEY)
    assert caught.value.fault is SourceFault.ABSENT


def test_ipv6() -> None:
    door = Door("::1", 0, NAME, KEY)
    assert door.label == f"push [::1]:{door.port}/screen"
    with socket.create_connection(("::1", door.port), ENOUGH_S) as connection:
        connection.sendall(asking())
        door.sender(ENOUGH_S).close()
    door.close()
