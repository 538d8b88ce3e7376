"""What every request passes: same-origin check, size limit, HEAD, security headers. Plain ASGI, no buffering."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem, problem_response

MAX_BODY = 64 * 1024
"""Bytes: a title and a few words; nobody uploads media here."""

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

    `Sec-Fetch-Site` where the browser knows it, else `Origin` against `Host`. A request with neither comes from no
    browser page (a script, a timetable) and is let through: there are no cookies that it could abuse.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


class BodyTooLargeError(Exception):
    """The request body passed `MAX_BODY` while it was read."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_security_headers(send)
        headers = Headers(scope=scope)
        if scope["method"] not in _SAFE_METHODS and foreign_post(headers):
            refusal = problem(403, "This request comes from a page of another site.", instance=scope["path"])
            await problem_response(refusal)(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        too_large = problem_response(problem(413, f"At most {MAX_BODY} bytes are read.", instance=scope["path"]))
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY:
            await too_large(scope, receive, send)
            return
        try:
            await self._app(scope, _limited(receive), send)
        except BodyTooLargeError:
            await too_large(scope, receive, send)


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


def _limited(receive: Receive) -> Receive:
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise BodyTooLargeError
        return message

    return receiving
