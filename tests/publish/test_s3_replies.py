"""What a server says is read no further than S3 has anything to say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from lesson.errors import StoreError
from publish.body import HeldBody
from publish.s3_client import Credentials, S3Client
from publish.s3_http import MAX_REPLY_BYTES
from publish.s3_store import S3Store
from tests.kit.odd_servers import endless, odd_server

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
