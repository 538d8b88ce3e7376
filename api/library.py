"""The lessons of one box for the pages: listed by the catalogue, opened ones folded once and followed from then on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lesson.catalogue import Catalogue, is_lesson
from lesson.errors import LessonFormatError, LessonNotFoundError
from lesson.folder import LessonFolder, is_name
from lesson.glance import LessonEntry
from lesson.hls import published_url
from lesson.state import LessonState, LessonView, Phase
from lesson.time import seconds_from_ticks

VIEWS_KEPT = 8
"""Folded lessons kept in memory: the running one and those being watched; a folded 45 minutes takes a few MB."""

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSummary:
    """One line of the library. Times are ISO 8601 UTC; `state` is a `lesson.state.Phase`, or `damaged`.

    `gap_count`: None where it is not known without folding the lesson.
    """

    lesson_id: str
    title: str
    state: str
    room: str = ""
    timezone: str = "UTC"
    started: str | None = None
    stopped: str | None = None
    duration_s: float = 0.0
    gap_count: int | None = None
    playable: bool = False
    verified: bool = False
    published_url: str | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Held:
    view: LessonView
    lock: threading.Lock

    def poll(self) -> None:
        try:
            self.view.poll()
        except KeyError as error:
            raise LessonFormatError(
                f"{self.view.folder.id}: a record names {error}, which the header does not"
            ) from error


class Library:
    """The lessons of one box. Holds nothing that the folders do not say: it may be dropped at any time.

    Safe to use from many threads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalogue = Catalogue(root)
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def folder(self, lesson_id: str) -> LessonFolder:
        """The lesson of exactly this id. Raises `LessonNotFoundError`."""
        folder = LessonFolder(self.root / lesson_id)
        if not is_name(lesson_id) or not is_lesson(folder):
            raise LessonNotFoundError("There is no such lesson.")
        return folder

    @contextmanager
    def reading(self, lesson_id: str) -> Iterator[LessonState]:
        """The state of a lesson as its journals give it now; take from it what you need before leaving.

        Raises:
            LessonNotFoundError: no such lesson.
            LessonFormatError: its header cannot be read, or its journals are not of this lesson.
            StorageError: a journal cannot be read.
        """
        held = self._hold(lesson_id)
        with held.lock:
            held.poll()
            yield held.view.state

    def damage(self, lesson_id: str) -> list[str]:
        """One line for every journal that lost lines to damage."""
        held = self._hold(lesson_id)
        with held.lock:
            held.poll()
            return held.view.damage

    def running(self) -> LessonFolder | None:
        """The lesson being recorded. Raises `StorageError`."""
        return self.catalogue.running()

    def summaries(self, *, limit: int, before: str | None = None) -> list[LessonSummary]:
        """At most `limit` lessons, newest first, of ids below `before`. Raises `StorageError`."""
        return [_summary(entry) for entry in self.catalogue.page(limit, before)]

    def _hold(self, lesson_id: str) -> _Held:
        with self._lock:
            held = self._held.get(lesson_id)
            if held is None:
                held = _Held(LessonView(self.folder(lesson_id)), threading.Lock())
                self._held[lesson_id] = held
                while len(self._held) > VIEWS_KEPT:
                    self._held.popitem(last=False)
            self._held.move_to_end(lesson_id)
            return held


def summarise(state: LessonState) -> LessonSummary:
    """One line about a lesson."""
    return LessonSummary(
        lesson_id=state.header.id,
        title=state.header.title,
        state=state.phase.value,
        room=state.header.room,
        timezone=state.header.timezone,
        started=state.start.at.wall if state.start else state.header.created_wall,
        stopped=state.stop.at.wall if state.stop else None,
        duration_s=round(seconds_from_ticks(state.duration), 3),
        gap_count=len(state.gaps()),
        playable=any(rendition.leading for rendition in state.editions[state.shown].renditions.values()),
        verified=state.verified is not None,
        published_url=published_url(state),
    )


def _summary(entry: LessonEntry) -> LessonSummary:
    """One line about a lesson from the catalogue; a damaged one is named, not hidden."""
    header, name = entry.header, entry.folder.id
    if header is None or entry.phase is None:
        title = header.title if header else name
        return LessonSummary(lesson_id=name, title=title, state=DAMAGED, problem=entry.problem)
    return LessonSummary(
        lesson_id=name,
        title=header.title,
        state=entry.phase.value,
        room=header.room,
        timezone=header.timezone,
        started=entry.start.at.wall if entry.start else header.created_wall,
        stopped=entry.stop.at.wall if entry.stop else None,
        duration_s=entry.duration_s,
        gap_count=entry.gap_count,
        playable=entry.playable,
        verified=entry.phase is Phase.PUBLISHED,
        published_url=entry.published_url,
    )
