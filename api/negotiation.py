"""What a client wants back: a page or JSON, in which language; and which body it sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api import causes
from api.causes import RefusedError
from api.languages import choose_language
from api.schema import StartRequest

LANGUAGE_KEY = "lang"
"""Query parameter and cookie by which somebody chose a language by hand."""
VARY = "Accept, Accept-Language, Cookie"

FORM_DONE: dict[int | str, dict[str, Any]] = {303: {"description": "A form was sent: back to the teacher's page"}}
"""For the documentation of what a button sends."""

_URLENCODED = "application/x-www-form-urlencoded"
_FORMS = {_URLENCODED, "multipart/form-data"}
_MAX_FIELDS = 20
_JSON = "application/json"


def wants_page(request: Request) -> bool:
    """Whether the client would rather have HTML than JSON; one that takes anything gets JSON."""
    weights = _weights(request.headers.get("accept", ""))
    return weights.get("text/html", 0.0) > weights.get(_JSON, 0.0)


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
        try:
            weights[kind] = float(quality)
        except ValueError:
            weights[kind] = 0.0
    return weights


def page_language(request: Request, room: Iterable[str]) -> str:
    """The language of a page: what the person chose, else what the browser asks for, else the room's."""
    asked = (request.query_params.get(LANGUAGE_KEY), request.cookies.get(LANGUAGE_KEY))
    return choose_language(asked, request.headers.get("accept-language", ""), room)


def document_language(request: Request) -> str:
    """The language of sentences in JSON: English for programs, which ask for none."""
    return page_language(request, ())


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def sent_form(request: Request) -> bool:
    """Whether the body is a submitted HTML form."""
    return _content_type(request) in _FORMS


async def _body_fields(request: Request) -> Any:
    if _content_type(request) == _URLENCODED:
        return _form_fields(await request.body())
    if sent_form(request):
        form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
        return {key: value for key, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if not body.strip():
        return {}
    if _content_type(request) not in {_JSON, ""} and not _content_type(request).endswith("+json"):
        raise RefusedError(causes.BODY_UNKNOWN)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter: nested deeper than anybody means it
        raise RequestValidationError([{"loc": ("body",), "msg": "this is no JSON", "type": "json"}]) from error


def _form_fields(body: bytes) -> dict[str, str]:
    """Also of a sender who escapes nothing: bytes are UTF-8 then."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise RequestValidationError([{"loc": ("body",), "msg": "this is no form in UTF-8", "type": "form"}]) from error


async def _start_request(request: Request) -> StartRequest:
    try:
        return StartRequest.model_validate(await _body_fields(request))
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from error


StartDep = Annotated[StartRequest, Depends(_start_request)]
PageDep = Annotated[bool, Depends(wants_page)]
FormDep = Annotated[bool, Depends(sent_form)]
