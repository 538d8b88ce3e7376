"""Has the disk room for this source, or is its last space for others? Looked at while recording, which never waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from capture.disk import Disk
from lesson.errors import StorageError
from lesson.loss import Loss, loss_words
from lesson.model import LessonHeader, SourceSpec
from lesson.sparing import Rank, Sparing, rank_of
from process.disk import DiskSpace, space_for

LOOK_S = 1.0
"""A source of 40 Mbit/s writes 5 MB meanwhile."""


class SpaceWatch:
    """What the disk has left, for one source of a lesson in `folder`; the disk is asked in its own thread.

    `ask`: how much space there is below a path; tests bring their own.
    """

    def __init__(
        self,
        folder: Path,
        header: LessonHeader,
        source: SourceSpec,
        disk: Disk,
        ask: Callable[[Path], DiskSpace] = space_for,
    ) -> None:
        self._folder, self._disk, self._ask = folder, disk, ask
        self._sparing = Sparing(rank_of(source, header.sources))
        self._never = source.imported
        self._answer: Future[DiskSpace] | None = None
        self._next_look = 0.0
        self.code = Loss.DISK if self._sparing.rank is Rank.VITAL else Loss.NO_SPACE
        self.words = loss_words(self.code)

    def look_now(self) -> None:
        """In the disk's thread, before anything is recorded. Raises `StorageError`."""
        self._take(self._ask(self._folder), goes_on=False)

    def rests(self, *, goes_on: bool) -> bool:
        """Whether the source is to rest, by what the disk last said. `goes_on`: it is being recorded."""
        now = time.monotonic()
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            try:
                self._take(answer.result(), goes_on=goes_on)
            except StorageError:  # whoever writes to it is told what is wrong with it
                self._sparing.rests = False
        elif self._answer is None and now >= self._next_look:
            self._next_look = now + LOOK_S
            self._answer = self._disk.ask(lambda: self._ask(self._folder))
        return self._sparing.rests

    def _take(self, found: DiskSpace, *, goes_on: bool) -> None:
        if not self._never:
            self._sparing.look(found.free, found.total, goes_on=goes_on)
