"""What every request passes: whose page sent it and to whom, limits on its body, HEAD, security headers.

Plain ASGI, no buffering.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import causes
from api.causes import Occurrence, occurrence
from api.hosts import may_be_called
from api.problems import ProblemAnswer

MAX_BODY = 64 * 1024
"""Bytes: a title and a few words; nobody uploads media here."""
BODY_S = 10.0
"""Seconds a body may take, from the first look at it: 64 kB in that time need 52 kbit/s, a form needs none."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SECURITY_HEADERS = {
    # blob: is where Media Source players keep their stream and worker; nothing comes from another host
    "content-security-policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # `no-referrer` would make browsers send `Origin: null` with our own forms
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def foreign_post(headers: Headers) -> bool:
    """Whether a browser says that another site's page makes this request.

    `Sec-Fetch-Site` where the browser knows it, else `Origin`, else `Referer`, against `Host`. A request with none
    comes from no browser page (a script, a timetable) and is let through: there are no cookies that it could abuse.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin", headers.get("referer"))
    return origin is not None and _place(origin) != headers.get("host", "").lower()


def _place(origin: str) -> str | None:
    """Host and port of an origin or address; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


class _RefusedBodyError(Exception):
    """The request body is refused while it is read: the guard itself answers, from outside of the application."""

    def __init__(self, found: Occurrence) -> None:
        super().__init__("body refused")
        self.occurrence = found


class Guard:
    """ASGI middleware around the whole application.

    `allowed_hosts`: names in lower case by which the box may be called (see `api.hosts`); a request for another name
    is neither carried out nor answered with anything but 421. `body_s`: see `BODY_S`.
    """

    def __init__(
        self, app: ASGIApp, *, answer: ProblemAnswer, allowed_hosts: Collection[str], body_s: float = BODY_S
    ) -> None:
        self._app = app
        self._answer = answer
        self._allowed = frozenset(allowed_hosts)
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_security_headers(send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        if refusal:
            await self._answer(Request(scope), refusal)(scope, receive, send)
            return
        try:
            await self._app(scope, _limited(receive, self._body_s), send)
        except _RefusedBodyError as error:
            response = self._answer(Request(scope), error.occurrence)
            if error.occurrence.status == HTTPStatus.REQUEST_TIMEOUT:  # nothing follows the rest of this body in time
                response.headers["Connection"] = "close"
            await response(scope, receive, send)
        except ClientDisconnect:  # went away in the middle of its body: there is nobody to answer
            return

    def _refusal(self, scope: Scope, headers: Headers) -> Occurrence | None:
        """What is wrong with the request by its head alone."""
        host = headers.get("host")
        if len(headers.getlist("host")) > 1 or not may_be_called(host, self._allowed):
            return occurrence(causes.FOREIGN_NAME, host=host)
        if scope["method"] not in _SAFE_METHODS and foreign_post(headers):
            return occurrence(causes.FOREIGN_PAGE)
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY:
            return occurrence(causes.BODY_TOO_LARGE, most=MAX_BODY)
        return None


def _with_security_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


def _limited(receive: Receive, body_s: float) -> Receive:
    """The messages of a request, as long as its body is neither too long nor too slow.

    Once the body is whole, a wait is one for the client to go away, which may take as long as it likes.
    """
    received = 0
    deadline: float | None = None
    whole = False

    async def receiving() -> Message:
        nonlocal received, deadline, whole
        if whole:
            return await receive()
        loop = asyncio.get_running_loop()
        deadline = deadline or loop.time() + body_s
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise _RefusedBodyError(occurrence(causes.BODY_TOO_SLOW)) from None
        whole = not message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise _RefusedBodyError(occurrence(causes.BODY_TOO_LARGE, most=MAX_BODY))
        return message

    return receiving
