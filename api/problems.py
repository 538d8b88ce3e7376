"""Errors as problem documents (RFC 9457): one shape for every status, a calm page when a person is looking."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from lesson.errors import (
    ClassreelError,
    DiskFullError,
    JournalBusyError,
    LessonFormatError,
    LessonNotFoundError,
    MediaError,
    StorageError,
)
from process.logs import redacted

PROBLEM_TYPE = "application/problem+json"
RETRY_S = 2
_ANSWERS: tuple[tuple[type[ClassreelError], HTTPStatus, str], ...] = (  # first match wins
    (LessonNotFoundError, HTTPStatus.NOT_FOUND, "There is no such lesson."),
    (DiskFullError, HTTPStatus.INSUFFICIENT_STORAGE, "The recorder's disk is full."),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE, "The recorder's disk refused."),
    (JournalBusyError, HTTPStatus.SERVICE_UNAVAILABLE, "The recorder is busy with this lesson."),
    (MediaError, HTTPStatus.SERVICE_UNAVAILABLE, "No picture could be made of this recording."),
    (LessonFormatError, HTTPStatus.INTERNAL_SERVER_ERROR, "This lesson is damaged."),
    (ClassreelError, HTTPStatus.INTERNAL_SERVER_ERROR, "The recorder could not do that."),
)
"""A browser is told what helps the person before it; paths and addresses of the box stay in its log."""

ProblemPage = Callable[[Request, "Problem"], str | None]
"""Gives the HTML of a problem, or None when the client did not ask for HTML."""


class Problem(BaseModel):
    """A problem document; `type` is `about:blank`, so that the status says what kind of problem it is."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str | None = None
    instance: str | None = None
    errors: list[dict[str, str]] | None = Field(default=None, description="which input was wrong, and how")


def problem(
    status: int, detail: str | None = None, *, instance: str | None = None, errors: list[dict[str, str]] | None = None
) -> Problem:
    """A problem of this HTTP status; `title` is the status's own phrase."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance, errors=errors)


def problem_response(found: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as `application/problem+json`."""
    return JSONResponse(
        found.model_dump(exclude_none=True), found.status, headers=dict(headers or {}), media_type=PROBLEM_TYPE
    )


def problem_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for routes that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install_problems(
    app: FastAPI, page: ProblemPage, outer_headers: Mapping[str, str]
) -> Callable[[Request, Problem], Response]:
    """Answer every error of `app` with a problem: as HTML where `page` gives some, else as JSON.

    `outer_headers` go with answers to unforeseen errors, which no middleware sees. Gives what makes such an answer.
    """

    def answer(request: Request, found: Problem, headers: Mapping[str, str] | None = None) -> Response:
        html = page(request, found)
        if html is None:
            return problem_response(found, headers)
        return Response(html, found.status, headers=dict(headers or {}), media_type="text/html")

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        own_words = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
        return answer(request, problem(error.status_code, own_words, instance=request.url.path), error.headers)

    @app.exception_handler(RequestValidationError)
    def on_invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"where": ".".join(map(str, e["loc"])), "message": str(e["msg"]).removeprefix("Value error, ")}
            for e in error.errors()
        ]
        detail = "; ".join(f"{e['where']}: {e['message']}" for e in errors)
        return answer(request, problem(422, detail, instance=request.url.path, errors=errors))

    @app.exception_handler(ClassreelError)
    def on_own(request: Request, error: ClassreelError) -> Response:
        status, words = next((status, words) for kind, status, words in _ANSWERS if isinstance(error, kind))
        if status is HTTPStatus.SERVICE_UNAVAILABLE and isinstance(error.__cause__, OSError) and error.__cause__.errno:
            words = f"{words.removesuffix('.')}: {os.strerror(error.__cause__.errno)}."
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            structlog.get_logger().warning("request failed", path=request.url.path, error=redacted(str(error)))
        headers = {"Retry-After": str(RETRY_S)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return answer(request, problem(status, words, instance=request.url.path), headers)

    @app.exception_handler(Exception)
    def on_any(request: Request, _error: Exception) -> Response:  # the server logs the traceback
        return answer(request, problem(500, "The recorder made a mistake; its log says which."), outer_headers)

    return answer
