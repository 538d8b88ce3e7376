"""Hostile HTTP against a box that records: nothing leaks, nothing breaks, and the recording never notices."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.journals import epochs
from benchmarks.outside import Answer, ask
from tests.kit.box import Box, holes
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SECRET = b"nobody may read this"
NAMES = (
    "../../secret.txt", "..%2f..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/%2e%2e/secret.txt", "....//....//secret.txt",
    "..\\..\\secret.txt", "%00", "voice/../../../lesson.json", "voice/%2e%2e%2f%2e%2e%2fcontrol.jsonl",
    "/etc/passwd", "voice//etc/passwd", "v180/000000.m4s%00.jpg", "v180/-1.m4s", "v180/1e3.m4s",
    "v180/" + "9" * 5_000 + ".m4s",
)  # fmt: skip
BODIES = {
    "deep": b"[" * 50_000, "torn": b"{", "title is a number": b'{"title": 5}',
    "title too long": b'{"title": "' + b"x" * 60_000 + b'"}', "no text": b"\xff\xfe",
}  # fmt: skip
IDLE = 300
"""Connections that say half a request and wait."""
CLOSED_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret.txt").write_bytes(SECRET)
    with Box(folder) as box:
        box.press()
        box.until_recording()
        yield box


@pytest.fixture(autouse=True)
def _recording_never_notices(box: Box) -> Iterator[None]:
    yield
    assert box.health()["status"] == "recording"
    for source in box.sources:
        assert len(epochs(box.lesson, source.id)) == 1
    assert holes(box.lesson, "teacher", "video") == holes(box.lesson, "mic", "audio") == []


def raw(box: Box, request: bytes) -> bytes:
    """The beginning of what comes back for these very bytes."""
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65_536)


@pytest.mark.parametrize("place", ["/lessons/{}/hls/", "/lessons/{}/thumbs/", "/lessons/", "/static/", "/"])
def test_no_name_leads_out(box: Box, place: str) -> None:
    for name in NAMES:
        path = place.format(box.lesson.name) + name
        answer = raw(box, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{box.port}\r\nConnection: close\r\n\r\n".encode())
        assert SECRET not in answer
        assert b"root:" not in answer
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3")), (path[:60], answer[:60])


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_make_no_sense_are_the_senders_fault(box: Box, body: str) -> None:
    answer = box.post("/lessons", BODIES[body])
    assert 400 <= answer.status < 500, answer.body[:200]
    assert json.loads(answer.body)["status"] == answer.status


BIG = {
    "announced": b"Content-Length: 10000000\r\n\r\n",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n20000\r\n" + b"a" * 0x20000 + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("how", BIG)
def test_more_than_a_title_is_not_read(box: Box, how: str) -> None:
    head = f"POST /lessons HTTP/1.1\r\nHost: 127.0.0.1:{box.port}\r\nContent-Type: application/json\r\n".encode()
    assert raw(box, head + BIG[how]).startswith(b"HTTP/1.1 413")


def test_pages_of_other_sites_cannot_press_the_button(box: Box) -> None:
    def press(**headers: str) -> Answer:
        headers["content-type"] = "application/json"
        return ask(f"{box.url}/lessons", "POST", b"{}", headers=headers)

    assert press(origin="http://evil.example").status == 403
    rebound = press(origin="http://evil.example", host="evil.example")  # its name was made to point to this box
    assert 400 <= rebound.status < 500
    assert press(origin=box.url).status == 200


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_connections_that_say_nothing_are_closed(box: Box) -> None:
    pid = box.web_pid()
    before = open_files(pid)
    with ExitStack() as stack:
        waiting = []
        for number in range(IDLE):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", box.port), timeout=5))
            half = b"POST /lessons HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" if number % 2 else b"GET / HT"
            connection.sendall(half)
            connection.setblocking(False)
            waiting.append(connection)
        assert box.get("/health").took_s < 2.0
        began = time.monotonic()
        wait_until(lambda: all(_closed(one) for one in waiting), CLOSED_WITHIN_S, what="all are closed", poll_s=0.5)
        assert time.monotonic() - began > 1.0, "a slow phone gets its time"
    wait_until(lambda: open_files(pid) <= before + 5, 10)


def _closed(connection: socket.socket) -> bool:
    try:
        while data := connection.recv(4096):
            del data
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
