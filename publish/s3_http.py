"""HTTP as a thin line and an unknown server need it; the reasons are in docs/adr/0007-object-store.md."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from process.beat import beat
from publish.answer import heard_by
from publish.body import BLOCK, BodyReader, HeldBody
from publish.hang import HangWatch

MAX_ERROR_BYTES = 16 << 10
"""Of S3 an error is below 1 kB; whoever answers more is not the store."""
MAX_REPLY_BYTES = 8 << 20
"""Of a reply that is no object: a thousand entries of a listing, with the longest keys, take 3.5 MB."""


class ThinLinePool(urllib3.PoolManager):
    """Connections whose requests `watch` follows.

    A bytes body is sent in one `sendall`, whose time-out spans the whole body: at 64 kbit/s 30 s end after 240 kB.
    A file-like body goes in blocks of 16 kB, each with its own time-out and a sign of life. And over plain http the
    client signs a SHA-256 that some servers never compare with the body; Content-MD5 they do compare.
    """

    def __init__(self, watch: HangWatch, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = _watched_by(watch)

    def urlopen(self, method: str, url: str, redirect: bool = True, **request: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        """As urllib3 has it, but what is read at once has a bound.

        Raises:
            HTTPError: a reply is longer than that, or has no end; and as urllib3 has it.
        """
        body = request.get("body")
        if method == "PUT" and isinstance(body, bytes):
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            request["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
            request["headers"]["Content-Length"] = str(len(body))
            request["body"] = BodyReader(HeldBody(body), read=beat)
        at_once = request.pop("preload_content", True)
        reply = super().urlopen(method, url, redirect=redirect, preload_content=False, **request)
        failed = reply.status >= HTTPStatus.MULTIPLE_CHOICES
        if not failed and _has_no_end(method, reply):
            reply.close()
            raise urllib3.exceptions.HTTPError("the reply does not say where it ends, so that nobody knows if it did")
        if not (at_once or failed):
            return reply
        return urllib3.HTTPResponse(
            io.BytesIO(_read(reply, MAX_ERROR_BYTES if failed else MAX_REPLY_BYTES)),
            headers=reply.headers,
            status=reply.status,
            reason=reply.reason,
            request_method=method,
        )


def _has_no_end(method: str, reply: urllib3.BaseHTTPResponse) -> bool:
    """A connection that breaks, in the head even, would look like the end of such a reply."""
    bodiless = method == "HEAD" or reply.status == HTTPStatus.NO_CONTENT
    return not (bodiless or "Content-Length" in reply.headers or "Transfer-Encoding" in reply.headers)


def _read(reply: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    data = b""
    while block := reply.read(BLOCK, decode_content=False):
        data += block
        if len(data) > limit:
            reply.close()
            raise urllib3.exceptions.HTTPError(f"HTTP {reply.status} with more than {limit} bytes: is that the store?")
    reply.release_conn()
    return data


def _watched_by(watch: HangWatch) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    answers = heard_by(watch)

    class Plain(HTTPConnection):
        response_class = answers

        def request(self, *what: Any, **how: Any) -> None:
            watch.talks(self)
            super().request(*what, **how)

    class Encrypted(HTTPSConnection):
        response_class = answers

        def request(self, *what: Any, **how: Any) -> None:
            watch.talks(self)
            super().request(*what, **how)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def socket_options(timeout_s: float) -> list[tuple[int, int, int]]:
    """Have the kernel end a connection whose peer acknowledges nothing for `timeout_s`, data waiting or not.

    The send buffer takes whole chunks, so that no time-out of ours sees whether the line still moves.
    """
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    seconds = max(1, round(timeout_s / 2))
    for name, value in (
        ("TCP_USER_TIMEOUT", round(timeout_s * 1000)),
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", max(1, seconds // 3)),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):  # Linux has them all
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
