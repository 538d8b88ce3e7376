"""The pages for people: the teacher's button, the library, one lesson. They work without any script."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from api import causes, wording
from api.box import Box, BoxDep
from api.causes import CAUSES, Cause, Occurrence, RefusedError
from api.control import lesson_out
from api.health import BLOCKING, RoomHealth, RoomStatus, SourceStatus, room_health
from api.idle import idle_health
from api.languages import LANGUAGES
from api.negotiation import LANGUAGE_KEY, VARY, PageDep, page_language, wants_page
from api.problems import detail_text, problem_docs, title_text
from api.rendering import rendered
from api.schema import LessonOut, LessonsOut, SummaryOut, hls_path, thumbnail_path
from api.source_cards import SourceCard, idle_cards, live_cards
from api.translation import translation
from lesson.box import Fault
from lesson.clock import Moment
from lesson.errors import ClassreelError, StorageError
from lesson.phase import Phase
from lesson.records import FaultRaised
from process.disk import DiskSpace

router = APIRouter(tags=["pages"])
PAGE_SIZE = 30
LIST_SIZE = 100
"""Lessons at once, for people and for programs: each takes less than 1 ms."""

_COOKIE_AGE_S = 365 * 24 * 3600
_REFRESH_S = 5
_OF_EARLIER_LESSONS = frozenset({Fault.LESSON_STUCK, Fault.LESSON_DAMAGED})
"""Faults that say nothing of the lesson to come."""
_BOTH: dict[str, Any] = {"content": {"text/html": {}}}


def _render(request: Request, box: Box, template: str, **fields: Any) -> Response:
    language = page_language(request, box.template.languages)
    values = {"room": box.template.room, "here": request.url.path, "refresh_s": None, **fields}
    headers = {"Cache-Control": "no-cache", "Vary": VARY, "Content-Language": language}
    response = HTMLResponse(rendered(template, language, **values), headers=headers)
    if request.query_params.get(LANGUAGE_KEY) in LANGUAGES:  # chosen by hand: remembered for the next page
        response.set_cookie(LANGUAGE_KEY, language, max_age=_COOKIE_AGE_S, httponly=True, samesite="lax")
    return response


def problem_page(request: Request, found: Occurrence) -> str | None:
    """The problem as a page, when a browser asked for one."""
    if not wants_page(request):
        return None
    box: Box = request.app.state.box
    language = page_language(request, box.template.languages)
    spoken = translation(language)
    return rendered(
        "problem.html",
        language,
        room=box.template.room,
        here="/",
        refresh_s=None,
        choices=False,
        title=title_text(found, spoken),
        detail=detail_text(found.cause, spoken, found.values) if found.cause else None,
        status=found.status,
        failed=found.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What the teacher's page shows."""

    status: RoomStatus
    lesson_id: str | None
    title: str | None
    started: str | None
    timezone: str
    elapsed_s: int
    cards: list[SourceCard]
    last: SummaryOut | None
    disk_low: bool
    faults: list[FaultRaised]
    afterwards: str | None = None
    disk_s: float = 0.0
    untested: str | None = None
    testable: bool = False

    @property
    def says(self) -> str:
        """Its state, in words to be translated."""
        return wording.UNTESTED if self.untested and not self.partly else wording.ROOM_STATUSES[self.status]

    @property
    def shows(self) -> bool:
        """Whether there is, or will be, a picture of any source on the page."""
        return self.lesson_id is not None or any(card.picture for card in self.cards)

    @property
    def spoilt(self) -> bool:
        """Whether what some source records is as good as missing."""
        return any(card.tone == "bad" and card.flaws for card in self.cards)

    @property
    def wrong(self) -> list[SourceCard]:
        """The sources with which something is wrong."""
        return [card for card in self.cards if card.tone in ("bad", "fair")]

    @property
    def partly(self) -> bool:
        """Whether all that is needed is recorded, or stands by, and something is wrong all the same."""
        told = {fault.code for fault in self.faults}
        if self.status is RoomStatus.IDLE:
            return bool(self.wrong) or self.disk_low or not told <= _OF_EARLIER_LESSONS
        return self.status is RoomStatus.RECORDING and (bool(self.wrong) or Fault.NO_VOICE in told)


def _room(box: Box) -> _Room:
    disk, running = box.disk(), box.running()
    disk_low = disk.low
    last = None if running else _last(box)
    if running is None:
        faults = box.faults.open()
        disk_low = disk_low or any(fault.code == Fault.DISK_LOW for fault in faults)
        health = idle_health(box.idle_room(), Moment.now(), faults)
        return _Room(status=health.status, lesson_id=None, title=None, started=None, timezone="UTC", elapsed_s=0,
                     cards=idle_cards(health), last=last, disk_low=disk_low,
                     afterwards=_afterwards(box, last), untested=_untested(health),
                     disk_s=box.rate.said_s(disk.free),
                     testable=bool(box.template.able),
                     faults=_shown(faults))  # fmt: skip
    try:
        return _live(box, running.id, disk)
    except ClassreelError:  # the Stop button must be there even then
        return _Room(status=RoomStatus.TROUBLE, lesson_id=running.id, title=running.id, started=None, timezone="UTC",
                     elapsed_s=0, cards=[], last=None, disk_low=disk_low,
                     faults=_shown(box.faults.open()))  # fmt: skip


def _untested(health: RoomHealth) -> str | None:
    """What is said while nobody knows of every source that it is well; None once somebody does."""
    if not health.untested:
        return None
    rests = any(source.untested and source.rests for source in health.sources)
    return wording.HINT_RESTING if rests else wording.HINT_TESTING


def _live(box: Box, lesson_id: str, disk: DiskSpace) -> _Room:
    faults = box.faults.open()
    with box.library.reading(lesson_id) as state:
        box.rate.learn(state, Moment.now())
        health = room_health(state, Moment.now(), faults=faults)
        return _Room(
            status=health.status,
            lesson_id=lesson_id,
            title=state.header.title,
            started=state.start.at.wall if state.start else None,
            timezone=state.header.timezone,
            elapsed_s=int(health.elapsed_s or 0),
            cards=live_cards(state, health),
            last=None,
            disk_low=disk.low,
            disk_s=box.rate.said_s(disk.free),
            faults=_shown(faults),
        )


def _last(box: Box) -> SummaryOut | None:
    try:
        return next(map(SummaryOut.of, box.library.summaries(limit=1)), None)
    except StorageError:  # the button must stay; pressing it will say what is wrong
        return None


def _afterwards(box: Box, last: SummaryOut | None) -> str | None:
    """What the last lesson asks of whoever wants to go home: all is safe only where no other lesson waits."""
    if last is None:
        return None
    try:
        waits = last.state == Phase.PUBLISHED and bool(box.library.catalogue.unfinished())
    except StorageError:
        return None
    return None if waits else wording.AFTERWARDS.get(last.state)


def _shown(faults: list[FaultRaised]) -> list[FaultRaised]:
    """All but the full disk, which has a line of its own, and what the card of a source says."""
    return [fault for fault in faults if fault.code not in (Fault.DISK_LOW, Fault.SOURCE_FLAWED)]


@router.get("/", response_class=HTMLResponse)
def teacher(box: BoxDep, request: Request) -> Response:
    """The teacher's page: one button."""
    room = _room(box)
    refresh = None if room.status is RoomStatus.IDLE else _REFRESH_S
    return _render(request, box, "teacher.html", view=room, hint=_hint(room), refresh_s=refresh)


def _hint(room: _Room) -> str:
    if room.partly:
        return wording.HINT_PARTLY if room.lesson_id else wording.HINT_AWAY
    if room.status is RoomStatus.RECORDING and any(card.state == SourceStatus.WAITING for card in room.cards):
        return wording.HINTS[RoomStatus.STARTING]
    if room.untested:
        return room.untested
    if room.status is not RoomStatus.TROUBLE:
        return wording.HINTS[room.status]
    if room.lesson_id is None:
        blocked = any(fault.code in BLOCKING for fault in room.faults)
        return wording.HINT_BLOCKED if blocked else wording.HINT_AWAY
    if all(card.state == SourceStatus.RECORDING or not card.required for card in room.cards) and room.spoilt:
        return wording.HINT_USELESS
    arrives = any(card.state == SourceStatus.RECORDING for card in room.cards)
    return wording.HINTS[room.status] if arrives or not room.cards else wording.HINT_NOTHING


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
        return _render(request, box, "library.html", lessons=shown, following=following)
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
        roles={source.id: source.role for source in found.sources},
        hls=hls_path(lesson_id),
        poster=thumbnail_path(lesson_id, pictures[0].id) if pictures else None,
        hls_js=box.hls_js is not None,
        refresh_s=None if found.hls else _REFRESH_S,
    )


@router.get("/player/hls.js", response_class=FileResponse, include_in_schema=False)
def hls_js(box: BoxDep) -> Response:
    """The local copy of hls.js, where one is installed."""
    if box.hls_js is None or not box.hls_js.is_file():
        raise RefusedError(causes.PLAYER_NOT_FOUND)
    return FileResponse(box.hls_js, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@router.get("/problems/{name}", response_class=HTMLResponse, responses=problem_docs(404))
def explain(box: BoxDep, request: Request, name: str) -> Response:
    """What a problem document's `type` means."""
    cause: Cause | None = CAUSES.get(causes.PATH + name)
    if cause is None:
        raise RefusedError(causes.PROBLEM_NOT_FOUND)
    spoken = translation(page_language(request, box.template.languages))
    return _render(
        request,
        box,
        "problem.html",
        title=spoken.gettext(cause.title),
        detail=detail_text(cause, spoken, {}),
        status=int(cause.status),
        failed=False,
    )
