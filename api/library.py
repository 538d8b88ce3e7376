"""All lessons below the root, folded once and followed from then on; safe to use from many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lesson.errors import ClassreelError, LessonFormatError, LessonNotFoundError
from lesson.folder import LessonFolder, is_name, lessons_in
from lesson.hls import published_url
from lesson.lifecycle import window
from lesson.state import LessonState, LessonView
from lesson.time import seconds_from_ticks

VIEWS_KEPT = 8
"""Folded lessons kept in memory: the running one and those being watched; a folded 45 minutes takes a few MB."""

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSummary:
    """One line of the library. Times are ISO 8601 UTC; `state` is a `lesson.state.Phase`, or `damaged`."""

    lesson_id: str
    title: str
    state: str
    room: str = ""
    timezone: str = "UTC"
    started: str | None = None
    stopped: str | None = None
    duration_s: float = 0.0
    gap_count: int = 0
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
    """The lessons of one box. Holds nothing that the folders do not say: it may be dropped at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._summaries: dict[str, tuple[tuple[int, ...], LessonSummary]] = {}
        self._over: set[str] = set()

    def folder(self, lesson_id: str) -> LessonFolder:
        """The lesson of exactly this id. Raises `LessonNotFoundError`."""
        folder = LessonFolder(self.root / lesson_id)
        if not is_name(lesson_id) or not folder.header_path.is_file():
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
        """The newest live lesson that was started and not stopped. A stopped lesson is never looked at again."""
        for folder in reversed(list(lessons_in(self.root))):
            if folder.id in self._over:
                continue
            start, stop = window(folder)
            if stop:
                self._over.add(folder.id)
            elif start and not folder.header.imported:
                return folder
        return None

    def newest(self) -> LessonFolder | None:
        """The lesson whose id sorts last: ids begin with the time."""
        return next(reversed(list(lessons_in(self.root))), None)

    def summaries(self, *, limit: int, before: str | None = None) -> list[LessonSummary]:
        """At most `limit` lessons, newest first, of ids below `before`."""
        folders = [f for f in reversed(list(lessons_in(self.root))) if before is None or f.id < before]
        return [self.summary(folder) for folder in folders[:limit]]

    def summary(self, folder: LessonFolder) -> LessonSummary:
        """One line about a lesson; a damaged one is named, not hidden."""
        try:
            sizes = tuple(map(_size, folder.state_journals()))
            known = self._summaries.get(folder.id)
            if known and known[0] == sizes:
                return known[1]
            with self.reading(folder.id) as state:
                made = summarise(state)
        except ClassreelError as error:
            return LessonSummary(lesson_id=folder.id, title=folder.id, state=DAMAGED, problem=str(error))
        self._summaries[folder.id] = (sizes, made)
        return made

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
        playable=any(rendition.leading for rendition in state.renditions.values()),
        verified=state.verified is not None,
        published_url=published_url(state),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # not there yet
        return -1
