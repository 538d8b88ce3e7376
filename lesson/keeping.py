"""How long what was recorded is kept: pins, when space is to be made, and which lesson gives its raw segments first.

Only segment files ever go; header, journals and everything encoded stay. The line that says so comes first: whatever
is killed after it, files of that lesson are missing by intent, and the next look removes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from lesson.clock import Moment
from lesson.durable import sync_folder
from lesson.elapsed import seconds_between
from lesson.errors import storage_errors
from lesson.folder import LessonFolder
from lesson.glance import LessonEntry
from lesson.journal import append_records
from lesson.lifecycle import root_lock
from lesson.phase import Phase
from lesson.records import LessonPinned, RawReclaimed
from lesson.state import LessonState
from lesson.view import load_state


@dataclass(slots=True)
class WaterMarks:
    """When space is to be made: from less than `low` percent free on, until `high` percent are free."""

    low: float
    high: float
    making: bool = False

    def look(self, free: int, total: int) -> bool:
        """As of now, with so many bytes free of `total`."""
        self.making = 100 * free < (self.high if self.making else self.low) * total
        return self.making


def reclaimable(entries: Iterable[LessonEntry], now: Moment, keep_s: float) -> list[LessonFolder]:
    """The lessons that may give their raw segments, oldest first; whether they are sound is still to be looked at.

    Their newest edition is verified, nobody pinned them, and they are over since `keep_s` seconds at least, as far as
    the clocks can be trusted to say.
    """
    found: list[tuple[str, LessonFolder]] = []
    for one in entries:
        if one.phase is not Phase.PUBLISHED or one.problem or one.pinned or one.raw_reclaimed:
            continue
        over = one.stop or one.start
        age_s = seconds_between(over.at, now) if over else None
        if over is not None and age_s is not None and age_s >= keep_s:
            found.append((over.at.wall, one.folder))
    return [folder for _, folder in sorted(found, key=lambda entry: (entry[0], entry[1].id))]


def pin_lesson(folder: LessonFolder, *, pinned: bool = True) -> bool:
    """Keep all that was recorded of a lesson, or (`pinned` False) no longer; False when that held already.

    Raises `StorageError`, and for what is no lesson as `load_state`.
    """
    with root_lock(folder.path.parent):
        if load_state(folder).pinned == pinned:
            return False
        append_records(folder.control_journal, [LessonPinned(at=Moment.now(), pinned=pinned)])
        return True


def note_reclaimed(folder: LessonFolder, edition: int, may: Callable[[LessonState], bool]) -> bool:
    """Say in the lesson that its raw segments go; False when there is a reason by now to keep them.

    `edition`: the one that was found whole in the store. `may`: asked once nothing can come between. Raises
    `StorageError`.
    """
    with root_lock(folder.path.parent):
        state = load_state(folder)
        if state.pinned or state.raw_reclaimed or state.newest != edition or state.verified is None or not may(state):
            return False
        segments = [one for source in state.sources.values() for one in source.segments]
        size, url = sum(one.bytes for one in segments), state.verified.url or state.publish_url
        at = Moment.now()
        append_records(
            folder.control_journal,
            [RawReclaimed(at=at, edition=edition, segments=len(segments), bytes=size, url=url)],
        )
        return True


def has_raw(folder: LessonFolder) -> bool:
    """Whether there is any segment file."""
    return any(folder.segment_files(source.id) for source in folder.header.sources)


def remove_raw(folder: LessonFolder) -> int:
    """Remove every segment file of a lesson that says that they go; the bytes that were freed. May be repeated.

    Raises `StorageError`.
    """
    freed = 0
    for source in folder.header.sources:
        for _, _, path in folder.segment_files(source.id):
            with storage_errors(path), suppress(FileNotFoundError):
                size = path.lstat().st_size
                path.unlink()
                freed += size
        for epoch in folder.raw_folder(source.id).glob("e*"):
            with suppress(OSError):  # there is something else in it
                epoch.rmdir()
        if folder.raw_folder(source.id).is_dir():
            sync_folder(folder.raw_folder(source.id))
    return freed
