"""What a server says is read no further than S3 has anything to say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from classroom.faults import job_faults
from lesson.box import Fault
from lesson.errors import ConfigError, StoreError
from lesson.store_fault import StoreFault
from process.job import Job
from process.kept import Trouble
from publish.body import HeldBody
from publish.s3_client import Credentials, S3Client
from publish.s3_http import MAX_REPLY_BYTES
from publish.s3_store import S3Store
from publish.uplink import Uplink
from tests.kit.odd_servers import Reply, endless, odd_server

HUGE = 400 << 20
MOST_HELD = 3 * MAX_REPLY_BYTES
"""A reply is copied where it is joined and parsed."""


def store_at(port: int) -> S3Store:
    credentials = Credentials("kit-access", "kit-secret")
    return S3Store(
        S3Client(f"127.0.0.1:{port}", "lessons", secure=False, region="x", credentials=credentials, reply_s=20)
    )


def put(store: S3Store) -> None:
    store.put("a", HeldBody(b"x"), content_type="video/mp4", cache_control="no-cache")


def begin(store: S3Store) -> None:
    store.in_parts.start("a", content_type="video/mp4", cache_control="no-cache")


CALLS: dict[str, Callable[[S3Store], object]] = {
    "put": put,
    "get": lambda store: store.get("a"),
    "list": lambda store: list(store.list("")),
    "delete": lambda store: store.delete("a"),
    "begin an upload": begin,
}


@pytest.mark.parametrize("size", [HUGE, None], ids=["400 MB", "without end"])
@pytest.mark.parametrize(("status", "kind"), [("500 Error", "application/xml"), ("403 No", "text/html")])
@pytest.mark.parametrize("call", CALLS)
def test_an_error_without_end_is_one_short_line(call: str, status: str, kind: str, size: int | None) -> None:
    with odd_server(endless(status, kind=kind, size=size)) as server:
        store = store_at(server.port)
        tracemalloc.start()
        try:
            with pytest.raises(StoreError) as caught:
                CALLS[call](store)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert f"HTTP {status[:3]}" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert most < MOST_HELD
    assert server.sent < HUGE / 4


@pytest.mark.parametrize("call", ["put", "list", "begin an upload"])
def test_nor_is_any_other_answer_read_without_end(call: str) -> None:
    with odd_server(endless("200 OK", size=HUGE)) as server:
        store = store_at(server.port)
        tracemalloc.start()
        try:
            with pytest.raises(StoreError, match="HTTP 200 with more than"):
                CALLS[call](store)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < MOST_HELD
    assert server.sent < HUGE / 4


def test_an_error_that_is_cut_short_is_no_answer() -> None:
    def reply() -> list[bytes]:
        return [b"HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\nContent-Length: 500\r\n\r\n<Error>"]

    with odd_server(reply) as server, pytest.raises(StoreError):
        S3Store(S3Client(f"127.0.0.1:{server.port}", "lessons", secure=False, region="x", reply_s=1)).get("a")


def refusal(code: str) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
    fields = f"Content-Type: application/xml\r\nConnection: close\r\nContent-Length: {len(body)}"
    return lambda: [f"HTTP/1.1 403 No\r\n{fields}\r\n\r\n".encode() + body]


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "RequestExpired"])
@pytest.mark.parametrize("call", ["put", "get", "begin an upload"])
def test_a_store_that_sees_another_time_blames_the_clock(call: str, code: str) -> None:
    with odd_server(refusal(code)) as server, pytest.raises(StoreError) as caught:
        CALLS[call](store_at(server.port))
    assert caught.value.fault is StoreFault.CLOCK
    assert "clock" in str(caught.value)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"])
def test_a_key_that_has_expired_is_to_be_replaced(code: str) -> None:
    with odd_server(refusal(code)) as server, pytest.raises(ConfigError, match=r"put a (new|lasting) pair"):
        put(store_at(server.port))


def test_the_clock_is_said_apart_from_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, str] = {}
    monkeypatch.setattr("publish.uplink.complain", lambda words, *, about="": said.update({about: words}))
    monkeypatch.setattr("publish.uplink.recovered", lambda *, about="": said.pop(about, None))
    line, job = Uplink(sleep=lambda _s: None), Job(stage="publish", module="publish")

    def faults() -> set[tuple[Fault, str]]:
        one = [Trouble(job, words, 0.0, refused=False, passing=True, about=about) for about, words in said.items()]
        return set(job_faults("", one))

    for _ in range(3):
        line.failed(StoreError("no answer", StoreFault.UNREACHED), "a", "1")
    assert faults() == {(Fault.STORE_UNREACHABLE, "publish")}
    line.failed(StoreError("the clock", StoreFault.CLOCK), "a", "1")
    assert faults() == {(Fault.CLOCK_UNTRUSTED, "clock")}
    line.worked("a", "1")
    assert faults() == set()
