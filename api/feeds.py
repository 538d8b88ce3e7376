"""The feeds between lessons: tested by one press, and what they showed then."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api import causes
from api.box import BoxDep
from api.causes import RefusedError
from api.negotiation import FORM_DONE, FormDep
from api.problems import problem_docs

router = APIRouter(tags=["control"])


@router.post("/test", status_code=202, response_class=Response, responses={**FORM_DONE, **problem_docs(403, 409, 503)})
def test(box: BoxDep, form: FormDep) -> Response:
    """Look at every feed that can be kept open between lessons, also at those that rest; `/health` says what came.

    For a minute they are looked at every few seconds, and pictures can be had.
    """
    if box.running() is not None:
        raise RefusedError(causes.RECORDING_NOW)
    if not box.template.able or not box.standing.ask():
        raise RefusedError(causes.CANNOT_TEST)
    return RedirectResponse("/", 303) if form else Response(status_code=202)


@router.get(
    "/feeds/{source}.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_docs(404)},
)
def picture(box: BoxDep, source: str) -> Response:
    """What a source showed when it was tested, within a minute of the press; nothing is kept of it."""
    if source not in {spec.id for spec in box.template.sources}:
        raise RefusedError(causes.SOURCE_NOT_FOUND)
    look = box.standing.looks().get(source)
    if look is None or not look.jpeg or not box.standing.asked or box.running() is not None:
        raise RefusedError(causes.PICTURE_NOT_YET)
    return Response(look.jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})
