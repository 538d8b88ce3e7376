"""All unpublished lessons of a root to one store, in turns: the shell around `publish.schedule`.

Only a few lessons are kept open at a time: the state of 45 minutes takes 5 MB. Of the others their next object is
known; they are looked at again when one of their journals has changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from lesson.catalogue import Catalogue
from lesson.errors import ClassreelError, ConfigError, JournalBusyError, StoreError, UnusableMediaError
from lesson.folder import LessonFolder
from lesson.sparing import Rank, Sparing
from process.backoff import Backoff
from process.beat import complain, recovered
from process.disk import space_for
from process.stage import repeat
from publish.blame import Whose
from publish.plan import Step
from publish.protocol import ObjectStore
from publish.schedule import LineWindow, Turns, WaitingLesson, bytes_of, schedule
from publish.uplink import Uplink
from publish.uploader import Uploader

OPEN_AT_ONCE = 8
LOOK_S = 1.0
BUSY_S = 5.0
"""Until a lesson that another process publishes is looked at again."""
RETRY_S = 60.0
"""Until a lesson that cannot be published (the disk refuses its journals) is tried again."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Lesson:
    folder: LessonFolder
    uploader: Uploader | None = None  # while it is open
    next: Step | None = None
    fresh: bool = True
    put_off_until: float = 0.0
    pauses: Backoff = field(default_factory=Backoff)
    journals: tuple[tuple[int, int], ...] = ()
    """Size and time of change of each when it was looked at last."""


class Publisher:
    """Brings every unfinished lesson below `root` to `store`. `clock`: seconds, monotonic; given by tests.

    `shares_disk`: the store lies on the disk of the lessons, whose last space is left to a lesson that is recorded.
    """

    def __init__(
        self,
        root: Path,
        store: ObjectStore,
        *,
        line: Uplink | None = None,
        clock: Callable[[], float] = time.monotonic,
        shares_disk: bool = False,
    ) -> None:
        self._root, self._shares_disk = root, shares_disk
        self._sparing = Sparing(Rank.NEEDED)
        self._catalogue = Catalogue(root)
        self._store = store
        self._line = line or Uplink()
        self._clock = clock
        self._turns = Turns()
        self._lessons: dict[str, _Lesson] = {}
        self._open: list[str] = []  # used last comes last
        self._unread: deque[str] = deque()
        self._tried: set[str] = set()  # in vain, since something got through
        self._next_look = 0.0

    def run(self) -> None:
        """Work until every lesson is verified; whoever knows that the rest is empty ends the process.

        What is wrong with one lesson is said and keeps no other from its turns.

        Raises:
            ConfigError: the store refuses for good.
            StorageError: the root cannot be listed.
        """
        try:
            repeat(self._step, self._is_over)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of all lessons."""
        for lesson_id in list(self._open):
            self._close(lesson_id)

    def _is_over(self) -> bool:
        return self._next_look > 0.0 and not self._lessons

    def _step(self) -> bool:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            self._look(now)
            self._look_at_space()
        for lesson_id in list(self._open):
            self._guarded(lesson_id, self._renew)
        if self._unread:  # one at a time: the line must not wait until a long row of lessons is read
            self._guarded(self._unread.popleft(), self._renew)
        turn = None if self._sparing.rests else schedule(self._candidates(now), LineWindow.ALL, None)
        if turn is not None:
            lesson_id, step = turn
            self._guarded(lesson_id, lambda lesson: self._send(lesson, step))
        return turn is not None or bool(self._unread)

    def _look_at_space(self) -> None:
        if not self._shares_disk or self._catalogue.running() is None:
            self._sparing.rests = False
            return
        space = space_for(self._root)
        self._sparing.look(space.free, space.total)

    def _look(self, now: float) -> None:
        """Find out which lessons there are; those that are not open are to be looked at."""
        found = {folder.id: folder for folder in self._catalogue.unfinished()}
        for gone in set(self._lessons) - set(found):
            self._close(gone)
            self._line.forget(gone)
            if self._lessons.pop(gone).pauses.failures:
                recovered(about=gone)
        self._unread.clear()
        for lesson_id, folder in found.items():
            lesson = self._lessons.setdefault(lesson_id, _Lesson(folder))
            if lesson.uploader is None and now >= lesson.put_off_until and _journals(folder) != lesson.journals:
                self._unread.append(lesson_id)

    def _candidates(self, now: float) -> list[WaitingLesson]:
        """The lessons with something to send. While nothing gets through, each is tried before one is tried again:
        otherwise one object that fails by itself would look like a store that is down.
        """
        waiting = self._turns.waiting(
            {
                lesson_id: (lesson.next, lesson.fresh)
                for lesson_id, lesson in self._lessons.items()
                if lesson.next is not None and lesson.put_off_until <= now
            }
        )
        untried = [one for one in waiting if one.lesson not in self._tried]
        if not untried:
            self._tried.clear()
        return untried or waiting

    def _renew(self, lesson: _Lesson) -> None:
        """Find out what is next of a lesson."""
        lesson.journals = _journals(lesson.folder)
        uploader = self._opened(lesson)
        try:
            lesson.next = uploader.next()
        except UnusableMediaError:  # nothing was recorded: nothing is missing in the store
            lesson.next = None
        lesson.fresh = not uploader.state.edition.made

    def _send(self, lesson: _Lesson, step: Step) -> None:
        lesson_id = lesson.folder.id
        try:
            self._opened(lesson).carry_out(step)
        except StoreError as error:
            self._tried.add(lesson_id)
            if self._line.failed(error, lesson_id, step.key) is Whose.OBJECT:
                self._set_aside(lesson, step, error)
            return
        self._tried.clear()
        self._line.worked(lesson_id, step.key)
        self._turns.add(lesson_id, bytes_of(step))
        if lesson.pauses.failures and not self._line.is_stuck(lesson_id):
            lesson.pauses.reset()
            recovered(about=lesson_id)

    def _set_aside(self, lesson: _Lesson, step: Step, error: StoreError) -> None:
        """Let the others pass: an object of this lesson fails by itself."""
        seconds = lesson.pauses.pause_s()
        lesson.put_off_until = self._clock() + seconds
        _log.warning(
            "object_failed", lesson=lesson.folder.id, key=step.key, error=str(error), pause_s=round(seconds, 1)
        )
        if self._line.is_stuck(lesson.folder.id):
            complain(str(error), about=lesson.folder.id)

    def _opened(self, lesson: _Lesson) -> Uploader:
        if lesson.uploader is None:
            for used_longest_ago in self._open[: max(0, len(self._open) + 1 - OPEN_AT_ONCE)]:
                self._close(used_longest_ago)
            lesson.uploader = Uploader(lesson.folder, self._store).__enter__()
        else:
            self._open.remove(lesson.folder.id)
        self._open.append(lesson.folder.id)
        return lesson.uploader

    def _close(self, lesson_id: str) -> None:
        lesson = self._lessons[lesson_id]
        if lesson.uploader is not None:
            lesson.uploader.close()
            lesson.uploader = None
            self._open.remove(lesson_id)

    def _guarded(self, lesson_id: str, work: Callable[[_Lesson], None]) -> None:
        """Do something for a lesson; what is wrong with it alone is said, and it is put off."""
        lesson = self._lessons[lesson_id]
        try:
            work(lesson)
        except (ConfigError, StoreError):
            raise  # of the store, which is everybody's
        except JournalBusyError:
            self._put_off(lesson, BUSY_S)
        except ClassreelError as error:
            _log.warning("lesson_publishing_failed", lesson=lesson_id, error=str(error))
            self._fail(lesson, str(error))
        except Exception as error:  # noqa: BLE001 one lesson's data must not end the publishing of all others
            _log.exception("lesson_publishing_failed", lesson=lesson_id)
            self._fail(lesson, f"{type(error).__name__}: {error}")

    def _fail(self, lesson: _Lesson, reason: str) -> None:
        lesson.pauses.failures += 1
        complain(reason, about=lesson.folder.id)
        self._put_off(lesson, RETRY_S)

    def _put_off(self, lesson: _Lesson, seconds: float) -> None:
        self._close(lesson.folder.id)
        lesson.next, lesson.journals = None, ()
        lesson.put_off_until = self._clock() + seconds


def _journals(folder: LessonFolder) -> tuple[tuple[int, int], ...]:
    """Size and time of change of each journal of a lesson; zeros where there is none, nothing without a header."""
    found = []
    try:
        paths = folder.state_journals()
    except ClassreelError:  # gone or damaged since the lessons were listed
        return ()
    for path in paths:
        try:
            stat = path.stat()
            found.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return tuple(found)
