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
from lesson.listing import LessonSummary, listed_lesson
from lesson.state import LessonState
from lesson.view import LessonView

VIEWS_KEPT = 8
"""Folded lessons kept in memory: the running one and those being watched; a folded 45 minutes takes a few MB."""


@dataclass(slots=True)
class _Followed:
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
        self._held: OrderedDict[str, _Followed] = OrderedDict()

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
            StorageError: the control journal cannot be read.
        """
        held = self._hold(lesson_id)
        with held.lock:
            held.poll()
            yield held.view.state

    def damage(self, lesson_id: str) -> list[str]:
        """One line for every journal that cannot be read or lost lines to damage."""
        held = self._hold(lesson_id)
        with held.lock:
            held.poll()
            return held.view.damage

    def running(self) -> LessonFolder | None:
        """The lesson being recorded. Raises `StorageError`."""
        return self.catalogue.running()

    def summaries(self, *, limit: int, before: str | None = None) -> list[LessonSummary]:
        """At most `limit` lessons, newest first, of ids below `before`. Raises `StorageError`."""
        return [listed_lesson(entry) for entry in self.catalogue.page(limit, before)]

    def _hold(self, lesson_id: str) -> _Followed:
        with self._lock:
            held = self._held.get(lesson_id)
            if held is None:
                held = _Followed(LessonView(self.folder(lesson_id), needs=()), threading.Lock())
                self._held[lesson_id] = held
                while len(self._held) > VIEWS_KEPT:
                    self._held.popitem(last=False)
            self._held.move_to_end(lesson_id)
            return held
