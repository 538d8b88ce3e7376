"""Creating, starting and stopping lessons: the only writers of headers and control journals.

Safe against double clicks and two phones: the decision is made under a lock on the lesson root.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from lesson.catalogue import Catalogue
from lesson.clock import Moment, wall_now
from lesson.durable import make_folder, reserve
from lesson.elapsed import EARLIEST
from lesson.errors import storage_errors
from lesson.folder import LessonFolder, new_lesson_id
from lesson.glance import lesson_window
from lesson.hours import within
from lesson.journal import append_records
from lesson.model import LessonHeader, Rendition, SourceSpec
from lesson.records import Start, Stop, encode_line
from lesson.titles import derived_title


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonTemplate:
    """What every new lesson of a room starts from.

    `able`: the sources whose feeds can be kept open between lessons; with `standby` they are, in `standby_hours` (none:
    always).
    """

    room: str
    timezone: str
    languages: tuple[str, ...]
    sources: tuple[SourceSpec, ...]
    ladder: tuple[Rendition, ...]
    able: tuple[str, ...] = ()
    standby: bool = False
    standby_hours: tuple[str, ...] = ()

    def standing(self, now: Moment) -> tuple[str, ...]:
        """The sources that are to stand by now; a clock that is plainly wrong keeps none from it."""
        local = now.wall_time.astimezone(ZoneInfo(self.timezone))
        is_time = now.wall_time < EARLIEST or within(self.standby_hours, local.time())
        return self.able if self.standby and is_time else ()

    def header(self, title: str | None) -> LessonHeader:
        """A header with a fresh id; an untitled lesson is named after its room, failing that by its id.

        Every title passes here, so that none ever reaches a disk as it was typed.
        """
        created, lesson_id = wall_now(), new_lesson_id()
        return LessonHeader(
            id=lesson_id,
            title=derived_title(title, self.room, lesson_id),
            room=self.room,
            created_wall=created,
            timezone=self.timezone,
            languages=self.languages,
            sources=self.sources,
            ladder=self.ladder,
        )


START_LOCK = ".lock"
"""The file in the root that is locked while a lesson is started."""


CONTROL_RESERVED = 65_536
"""Room kept on the disk for the control journal: a disk that filled up takes the Stop all the same."""


@contextmanager
def root_lock(root: Path) -> Iterator[None]:
    """Held while deciding whether a lesson is running; blocks for the moment another process decides."""
    make_folder(root)
    with storage_errors(root):
        fd = os.open(root / START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def window(folder: LessonFolder) -> tuple[Start | None, Stop | None]:
    """The first Start and first Stop of a lesson. Raises as `lesson_window` does."""
    found = lesson_window(folder)
    return found.start, found.stop


def start_lesson(
    root: Path,
    template: LessonTemplate,
    *,
    title: str | None = None,
    for_s: float | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[LessonFolder, bool]:
    """Start a lesson, or give the one that is running; the flag says whether it is new. Raises `StorageError`.

    `catalogue`: that of a caller who has looked at `root` before, which spares looking at all lessons again.
    """
    pressed = Moment.now()  # a slow disk may keep us waiting, and what is said meanwhile is held where a feed stands by
    with root_lock(root):
        running = (catalogue or Catalogue(root)).running()
        if running:
            return running, False
        start = Start(at=pressed, for_s=for_s, stood_by=bool(template.standing(pressed)))
        folder = LessonFolder.create(root, template.header(title), encode_line(start))
        reserve(folder.control_journal, CONTROL_RESERVED)
        return folder, True


def stop_lesson(root: Path, folder: LessonFolder, *, reason: str = "asked", at: Moment | None = None) -> bool:
    """Stop a lesson; False when it was stopped before (which is just as well). Raises `StorageError`."""
    with root_lock(root):
        _, stop = window(folder)
        if stop:
            return False
        append_records(folder.control_journal, [Stop(at=at or Moment.now(), reason=reason)])
        return True
