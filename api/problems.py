"""Errors as problem documents (RFC 9457): one shape for every status, a calm page when a person is looking."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api import causes
from api.causes import Cause, Occurrence, RefusedError, occurrence
from api.negotiation import VARY, document_language
from api.translation import Translation, translation
from lesson.errors import ClassreelError
from lesson.titles import MAX_TITLE
from process.logs import redacted

PROBLEM_TYPE = "application/problem+json"
RETRY_S = 2

ProblemPage = Callable[[Request, Occurrence], str | None]
"""Gives the HTML of a problem, or None when the client did not ask for HTML."""
ProblemAnswer = Callable[[Request, Occurrence], Response]
"""Makes a response of a problem: a page or a document, as the client wishes."""


class Problem(BaseModel):
    """A problem document. `title` and `detail` are in the language asked for by Accept-Language, else English."""

    type: str = Field(
        examples=["/problems/lesson-not-found"],
        description="the cause; its page on the box explains it. about:blank where the status says all",
    )
    title: str = Field(examples=["No such lesson"])
    status: int = Field(examples=[404])
    detail: str | None = None
    instance: str | None = None
    errors: list[dict[str, str]] | None = Field(
        default=None, description="which input was wrong, and how, in English for programmers"
    )


def problem(found: Occurrence, language: Translation, *, instance: str | None = None) -> Problem:
    """The document of what happened, in `language`; `instance` is the path of the request."""
    return Problem(
        type=found.cause.uri if found.cause else "about:blank",
        title=title_text(found, language),
        status=found.status,
        detail=detail_text(found.cause, language, found.values) if found.cause else found.said,
        instance=instance,
        errors=[dict(one) for one in found.errors] or None,
    )


def title_text(found: Occurrence, language: Translation) -> str:
    """The title of what happened."""
    if found.cause:
        return language.gettext(found.cause.title)
    return language.gettext(causes.STATUS_TITLES.get(found.status, causes.OTHER_TITLE))


def detail_text(cause: Cause, language: Translation, values: Mapping[str, str]) -> str:
    """The detail of a cause with `values` filled in; … for those that are not given."""
    reason = values.get("reason")
    known = {**values, "reason": language.gettext(reason)} if reason else values
    return language.gettext(cause.detail) % defaultdict(lambda: "…", known)


def problem_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for routes that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install_problems(app: FastAPI, page: ProblemPage, outer_headers: Mapping[str, str]) -> ProblemAnswer:
    """Answer every error of `app` with a problem: as HTML where `page` gives some, else as JSON.

    `outer_headers` go with answers to unforeseen errors, which no middleware sees. Gives what makes such an answer.
    """

    def answer(request: Request, found: Occurrence, headers: Mapping[str, str] | None = None) -> Response:
        html = page(request, found)
        sent = {"Vary": VARY, **(headers or {})}
        if html is not None:
            return Response(html, found.status, headers=sent, media_type="text/html")
        language = document_language(request)
        document = problem(found, translation(language), instance=request.url.path).model_dump(exclude_none=True)
        sent["Content-Language"] = language
        return JSONResponse(document, found.status, headers=sent, media_type=PROBLEM_TYPE)

    @app.exception_handler(RefusedError)
    def on_refused(request: Request, error: RefusedError) -> Response:
        return answer(request, error.occurrence)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:  # the framework's own
        said = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
        return answer(request, Occurrence(cause=None, status=error.status_code, said=said), error.headers)

    @app.exception_handler(RequestValidationError)
    def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _invalid(error))

    @app.exception_handler(ClassreelError)
    def on_own(request: Request, error: ClassreelError) -> Response:
        found = _own(error)
        if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            structlog.get_logger().warning("request_failed", path=request.url.path, error=redacted(str(error)))
        headers = {"Retry-After": str(RETRY_S)} if found.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return answer(request, found, headers)

    @app.exception_handler(Exception)
    def on_any(request: Request, _error: Exception) -> Response:  # the server logs the traceback
        return answer(request, occurrence(causes.RECORDER_MISTAKE), outer_headers)

    return answer


def _invalid(error: RequestValidationError) -> Occurrence:
    """What was wrong with the input, by the names of its fields."""
    found = error.errors()
    errors = tuple({"where": ".".join(map(str, one["loc"])), "message": str(one["msg"])} for one in found)
    if any(one["type"] == "string_too_long" and one["loc"][-1] == "title" for one in found):
        return replace(occurrence(causes.TITLE_TOO_LONG, most=MAX_TITLE), errors=errors)
    fields = ", ".join(one["where"] for one in errors)
    return replace(occurrence(causes.INPUT_INVALID, fields=fields), errors=errors)


def _own(error: ClassreelError) -> Occurrence:
    """The cause of one of our own errors; of a disk that refuses also why, as far as the system says."""
    cause = next(cause for kind, cause in causes.OF_ERRORS if isinstance(error, kind))
    if cause is not causes.DISK_REFUSES:
        return occurrence(cause)
    number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
    reason = os.strerror(number) if number else ""
    return occurrence(cause, reason=reason if reason in causes.DISK_REASONS else causes.OTHER_REASON)
