"""The pages for people: the teacher's button, the library, one lesson. They work without any script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from api.box import Box, BoxDep
from api.control import lesson_out
from api.feeds import FeedCard, idle_cards, live_cards
from api.health import Light, room_health
from api.local_time import clock_text, local_text
from api.negotiation import PageDep, wants_page
from api.problems import Problem, problem_docs
from api.schema import LessonOut, LessonsOut, SummaryOut, hls_path, thumbnail_path
from api.words import CATALOGUE, choose_language
from lesson.box import Fault
from lesson.clock import Moment
from lesson.errors import ClassreelError, StorageError
from lesson.records import FaultRaised

router = APIRouter(tags=["pages"])
PAGE_SIZE = 30
LIST_SIZE = 100
"""Lessons at once, for people and for programs: each takes less than 1 ms."""

_COOKIE = "lang"
_COOKIE_AGE_S = 365 * 24 * 3600
_REFRESH_S = 5
_BOTH: dict[str, Any] = {"content": {"text/html": {}}}
_HERE = Path(__file__).parent


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _language(request: Request, box: Box) -> str:
    asked = (request.query_params.get(_COOKIE), request.cookies.get(_COOKIE))
    return choose_language(asked, request.headers.get("accept-language", ""), box.template.languages)


def _render(request: Request, box: Box, template: str, status: int = 200, **fields: Any) -> Response:
    language = _language(request, box)
    values = {
        "t": CATALOGUE[language],
        "lang": language,
        "languages": [(code, words["language"]) for code, words in CATALOGUE.items()],
        "room": box.template.room,
        "here": request.url.path,
        "refresh_s": None,
        **fields,
    }
    html = _environment().get_template(template).render(values)
    response = HTMLResponse(
        html,
        status,
        {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Language, Cookie", "Content-Language": language},
    )
    if request.query_params.get(_COOKIE) in CATALOGUE:  # chosen by hand: remembered for the next page
        response.set_cookie(_COOKIE, language, max_age=_COOKIE_AGE_S, httponly=True, samesite="lax")
    return response


def problem_page(request: Request, found: Problem) -> str | None:
    """The problem as a page, when a browser asked for one."""
    if not wants_page(request):
        return None
    box: Box = request.app.state.box
    language = _language(request, box)
    return (
        _environment()
        .get_template("problem.html")
        .render(
            t=CATALOGUE[language],
            lang=language,
            languages=[],
            room=box.template.room,
            here="/",
            refresh_s=None,
            problem=found,
            failed=found.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What the teacher's page shows."""

    light: Light
    lesson_id: str | None
    title: str | None
    started: str | None
    elapsed_s: int
    elapsed: str
    cards: list[FeedCard]
    last: SummaryOut | None
    disk_low: bool
    faults: list[FaultRaised]


def _room(box: Box) -> _Room:
    disk_low, running = box.disk().low, box.running()
    last = None if running else _last(box)
    if running is None:
        faults = box.faults.open()
        return _Room(light=room_health(None, Moment.now(), faults=faults).light, lesson_id=None, title=None,
                     started=None, elapsed_s=0, elapsed=clock_text(0), cards=idle_cards(box.template.sources),
                     last=last, disk_low=disk_low, faults=_shown(faults))  # fmt: skip
    try:
        return _live(box, running.id, disk_low=disk_low)
    except ClassreelError:  # the Stop button must be there even then
        return _Room(light=Light.TROUBLE, lesson_id=running.id, title=running.id, started=None, elapsed_s=0,
                     elapsed=clock_text(0), cards=[], last=None, disk_low=disk_low,
                     faults=_shown(box.faults.open()))  # fmt: skip


def _live(box: Box, lesson_id: str, *, disk_low: bool) -> _Room:
    faults = box.faults.open()
    with box.library.reading(lesson_id) as state:
        health = room_health(state, Moment.now(), faults=faults)
        elapsed = int(health.elapsed_s or 0)
        return _Room(
            light=health.light,
            lesson_id=lesson_id,
            title=state.header.title,
            started=local_text(state.start.at.wall, state.header.timezone, time_only=True) if state.start else None,
            elapsed_s=elapsed,
            elapsed=clock_text(elapsed),
            cards=live_cards(state, health),
            last=None,
            disk_low=disk_low,
            faults=_shown(faults),
        )


def _last(box: Box) -> SummaryOut | None:
    try:
        return next(map(SummaryOut.of, box.library.summaries(limit=1)), None)
    except StorageError:  # the button must stay; pressing it will say what is wrong
        return None


def _shown(faults: list[FaultRaised]) -> list[FaultRaised]:
    """All but the full disk, which has a line of its own."""
    return [fault for fault in faults if fault.code != Fault.DISK_LOW]


@router.get("/", response_class=HTMLResponse)
def teacher(box: BoxDep, request: Request) -> Response:
    """The teacher's page: one button."""
    room = _room(box)
    refresh = None if room.light is Light.IDLE else _REFRESH_S
    return _render(request, box, "teacher.html", view=room, refresh_s=refresh, local=local_text, clock=clock_text)


@router.get("/lessons", response_model=LessonsOut, responses={200: _BOTH, **problem_docs(422)})
def lessons(
    box: BoxDep,
    request: Request,
    page: PageDep,
    limit: int | None = Query(None, ge=1, le=1000, description=f"how many at most, {LIST_SIZE} if not given"),
    before: str | None = Query(None, description="only lessons whose id sorts below this one"),
) -> Any:
    """The library, newest first: JSON, or a page for browsers."""
    limit = limit or (PAGE_SIZE if page else LIST_SIZE)
    found = [SummaryOut.of(one) for one in box.library.summaries(limit=limit + 1, before=before)]
    shown, more = found[:limit], len(found) > limit
    following = f"/lessons?{urlencode({'limit': limit, 'before': shown[-1].lesson_id})}" if more else None
    if page:
        timezone = box.template.timezone
        return _render(
            request, box, "library.html", lessons=shown, following=following, local=local_text, clock=clock_text,
            timezone=timezone,
        )  # fmt: skip
    return LessonsOut(lessons=shown, next=following)


@router.get("/lessons/{lesson_id}", response_model=LessonOut, responses={200: _BOTH, **problem_docs(404)})
def lesson(box: BoxDep, request: Request, lesson_id: str, page: PageDep) -> Any:
    """One lesson: JSON, or the page to watch it for browsers."""
    found = lesson_out(box, lesson_id)
    if not page:
        return found
    pictures = [source for source in found.sources if source.thumbnail]
    return _render(
        request,
        box,
        "lesson.html",
        lesson=found,
        hls=hls_path(lesson_id),
        poster=thumbnail_path(lesson_id, pictures[0].id) if pictures else None,
        hls_js=box.hls_js is not None,
        refresh_s=None if found.hls else _REFRESH_S,
        local=local_text,
        clock=clock_text,
    )


@router.get("/player/hls.js", response_class=FileResponse, include_in_schema=False)
def hls_js(box: BoxDep) -> Response:
    """The local copy of hls.js, where one is installed."""
    if box.hls_js is None or not box.hls_js.is_file():
        raise HTTPException(404, "There is no hls.js on this box.")
    return FileResponse(box.hls_js, media_type="text/javascript", headers={"Cache-Control": "no-cache"})
