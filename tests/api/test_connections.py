"""Slow clients, real sockets: each wait ends, and the button answers meanwhile."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.app import create_app
from api.connections import Patience
from lesson.folder import lessons_in
from tests.kit.room import template
from tests.kit.waiting import wait_until
from tests.kit.web import serving

QUICK = Patience(head_s=0.6, idle_s=1, read_s=1, half_open=50)
BODY_S = 0.6


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    app = create_app(tmp_path / "lessons", template(), body_s=BODY_S)

    @app.get("/big")
    def big() -> str:
        return "x" * 32_000_000

    with serving(app, QUICK) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)


def reply(connection: socket.socket, within_s: float = 10) -> bytes:
    """Everything until the server closes; fails when it does not within time."""
    connection.settimeout(within_s)
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            data += more
    return data


HEAD = b"POST /lessons HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n", HEAD],
    ids=["nothing", "a byte", "a line", "no end", "post"],
)
@pytest.mark.parametrize("dribbling", [False, True])
def test_a_head_that_never_ends_is_not_waited_for(address: tuple[str, int], begun: bytes, dribbling: bool) -> None:
    with socket.create_connection(address) as connection:
        began = time.monotonic()
        connection.sendall(begun)
        if dribbling:
            closed_after = _dribble(connection, b"X" if b"\n" not in begun else b"X: 1\r\n")
        else:
            reply(connection)
            closed_after = time.monotonic() - began
        assert QUICK.head_s - 0.1 < closed_after < QUICK.head_s + 3


def _dribble(connection: socket.socket, piece: bytes) -> float:
    """Send a piece every 0.1 s until the server closes; seconds that took."""
    began = time.monotonic()
    connection.settimeout(0.1)
    while time.monotonic() - began < 10:
        try:
            connection.sendall(piece)
            if connection.recv(65536) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize("dribbling", [False, True])
def test_a_body_that_never_ends_is_a_problem(address: tuple[str, int], tmp_path: Path, dribbling: bool) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(HEAD + b'Content-Length: 1000\r\n\r\n{"title": "')
        if dribbling:
            began = time.monotonic()
            while not select.select([connection], [], [], 0.1)[0]:
                connection.sendall(b"x")
                assert time.monotonic() - began < 10
        said = reply(connection)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in said
    assert b"too slowly" in said
    assert not list(lessons_in(tmp_path / "lessons"))


def test_a_body_that_nobody_reads_is_not_waited_for(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n")
        wait_until(lambda: select.select([connection], [], [], 0)[0], 5)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert _dribble(connection, b"x") < QUICK.head_s + 3


def test_an_idle_connection_is_kept_for_a_while_only(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        for _ in range(3):  # kept between requests
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connection.settimeout(5)
            said = b""
            while not said.endswith(b"}"):
                said += connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 200 OK")
        began = time.monotonic()
        assert reply(connection) == b""
        assert QUICK.idle_s - 0.2 < time.monotonic() - began < QUICK.idle_s + 3


@pytest.mark.parametrize("last", [b"Connection: close\r\n", b""], ids=["close", "keep"])
def test_a_client_that_does_not_read_is_cut_off(address: tuple[str, int], last: bytes) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n" + last + b"\r\n")
        wait_until(lambda: _unread_and_over(address, connection.getsockname()[1]), 20, what="the server gives it up")


def _unread_and_over(server: tuple[str, int], client_port: int) -> bool:
    """Whether the server's end of the connection from `client_port` is gone from the kernel's table."""
    wanted = (f":{server[1]:04X}", f":{client_port:04X}")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return not any(row[1].endswith(wanted[0]) and row[2].endswith(wanted[1]) for row in rows)


def test_the_button_works_beside_500_that_never_end(address: tuple[str, int], tmp_path: Path) -> None:
    slow: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for number in range(500):
            connection = stack.enter_context(socket.create_connection(address))
            connection.sendall(HEAD + b"Content-Length: 9\r\n\r\n" if number % 2 else b"GET / HT")
            slow.append(connection)
        began = time.monotonic()
        with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as phone:
            assert phone.post("/lessons", json={"title": "x"}).status_code == 201
            assert time.monotonic() - began < 5
            assert phone.get("/health").json()["lesson"] == next(lessons_in(tmp_path / "lessons")).id
        for connection in slow:
            reply(connection)
        assert time.monotonic() - began < 10


def test_of_one_address_only_so_many_are_half_open(address: tuple[str, int]) -> None:
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address)) for _ in range(QUICK.half_open + 20)]
        for connection in crowd:
            with contextlib.suppress(OSError):
                connection.sendall(b"G")
        early = [c for c in crowd[:20] if select.select([c], [], [], 0.3)[0]]
        assert len(early) == 20  # the oldest, long before their time
        assert not select.select(crowd[20:], [], [], 0)[0]


def test_a_visitor_who_hangs_up_in_the_middle_of_a_body_is_no_error(address: tuple[str, int]) -> None:
    for _ in range(5):
        with socket.create_connection(address) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    assert httpx.get(f"http://{address[0]}:{address[1]}/health").status_code == 200


def test_requests_in_a_row_in_one_packet_are_all_answered(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        one = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        connection.sendall(one * 3 + one[:10])
        connection.sendall(one[10:])
        assert len(re.findall(rb"HTTP/1.1 200 OK", reply(connection))) == 4
