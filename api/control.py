"""Starting and stopping: each may be repeated, by two phones or after a lost reply, and does no harm."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, RedirectResponse, Response

from api import causes
from api.box import Box, BoxDep
from api.causes import RefusedError
from api.negotiation import FORM_DONE, FormDep, StartDep
from api.problems import problem_docs
from api.schema import LessonOut, StartRequest
from lesson.keeping import pin_lesson
from lesson.lifecycle import start_lesson, stop_lesson, window

router = APIRouter(tags=["control"])
_START_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": StartRequest.model_json_schema()},
            "application/x-www-form-urlencoded": {"schema": StartRequest.model_json_schema()},
        },
    }
}


def lesson_out(box: Box, lesson_id: str) -> LessonOut:
    """Everything about a lesson. Raises `LessonNotFoundError`, `LessonFormatError`, `StorageError`."""
    damage = box.library.damage(lesson_id)
    with box.library.reading(lesson_id) as state:
        return LessonOut.of_state(state, damage)


@router.post(
    "/lessons",
    status_code=201,
    response_model=LessonOut,
    openapi_extra=_START_BODY,
    responses={
        200: {"model": LessonOut, "description": "A lesson is running already: this one"},
        **FORM_DONE,
        **problem_docs(403, 413, 415, 422, 503, 507),
    },
)
def start(box: BoxDep, wanted: StartDep, form: FormDep) -> Response:
    """Start a lesson, or give the running one."""
    box.root_as_found.demand()
    folder, is_new = start_lesson(box.root, box.template, title=wanted.title, catalogue=box.library.catalogue)
    if form:
        return RedirectResponse("/", 303)
    found = lesson_out(box, folder.id).model_dump(mode="json")
    return JSONResponse(found, 201 if is_new else 200, {"Location": f"/lessons/{folder.id}"})


@router.post(
    "/lessons/{lesson_id}/stop",
    response_model=LessonOut,
    responses={**FORM_DONE, **problem_docs(403, 404, 409, 503, 507)},
)
def stop(box: BoxDep, lesson_id: str, form: FormDep) -> Response:
    """Stop a lesson; stopping it again changes nothing."""
    folder = box.library.folder(lesson_id)
    started, _ = window(folder)
    if started is None or folder.header.imported:
        raise RefusedError(causes.NOT_RECORDING)
    box.root_as_found.demand()
    stop_lesson(box.root, folder)
    if form:
        return RedirectResponse("/", 303)
    return JSONResponse(lesson_out(box, lesson_id).model_dump(mode="json"))


_KEEPING = {**FORM_DONE, **problem_docs(403, 404, 503, 507)}


@router.post("/lessons/{lesson_id}/pin", response_model=LessonOut, responses=_KEEPING)
def pin(box: BoxDep, lesson_id: str, form: FormDep) -> Response:
    """Keep all that was recorded of a lesson, however full the disk; once more changes nothing."""
    return _keep(box, lesson_id, form=form, pinned=True)


@router.post("/lessons/{lesson_id}/unpin", response_model=LessonOut, responses=_KEEPING)
def unpin(box: BoxDep, lesson_id: str, form: FormDep) -> Response:
    """Let what was recorded make room again, once the lesson is stored safely; once more changes nothing."""
    return _keep(box, lesson_id, form=form, pinned=False)


def _keep(box: Box, lesson_id: str, *, form: bool, pinned: bool) -> Response:
    folder = box.library.folder(lesson_id)
    box.root_as_found.demand()
    pin_lesson(folder, pinned=pinned)
    if form:
        return RedirectResponse(f"/lessons/{folder.id}", 303)
    return JSONResponse(lesson_out(box, lesson_id).model_dump(mode="json"))
