"""What a client wants back: a page or JSON, and which body it sent."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.schema import StartRequest

_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}
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


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def sent_form(request: Request) -> bool:
    """Whether the body is a submitted HTML form."""
    return _content_type(request) in _FORMS


async def _body_fields(request: Request) -> Any:
    if sent_form(request):
        form = await request.form(max_files=0, max_fields=20)
        return {key: value for key, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if not body.strip():
        return {}
    if _content_type(request) not in {_JSON, ""} and not _content_type(request).endswith("+json"):
        raise HTTPException(415, "Send JSON or an HTML form.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter: nested deeper than anybody means it
        raise RequestValidationError([{"loc": ("body",), "msg": "this is no JSON", "type": "json"}]) from error


async def _start_request(request: Request) -> StartRequest:
    try:
        return StartRequest.model_validate(await _body_fields(request))
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from error


StartDep = Annotated[StartRequest, Depends(_start_request)]
PageDep = Annotated[bool, Depends(wants_page)]
FormDep = Annotated[bool, Depends(sent_form)]
