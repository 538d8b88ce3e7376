"""`python -m publish.reclaim ROOT STORAGE STORE`: make room on the disk while there is too little; never ends.

Raw segments of lessons that are stored safely go, oldest lesson first, between two water marks (`lesson/keeping.py`).
Nothing goes on the word of a journal alone: right before, every object of the lesson is compared with the store, and
what the store says of itself is tried by reading some objects back.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from lesson.catalogue import Catalogue
from lesson.clock import Moment
from lesson.errors import ClassreelError, ConfigError, StoreError
from lesson.folder import LessonFolder
from lesson.keeping import WaterMarks, has_raw, note_reclaimed, reclaimable, remove_raw
from lesson.model import Kind
from lesson.package import Object, published
from lesson.state import MEDIA_SUFFIX, LessonState
from lesson.verify import missing_chunks, spoilt_files
from lesson.view import LessonView
from process.beat import complain, recovered, rest
from process.disk import DiskSpace, space_for
from process.stage import run_stage
from publish.address import FolderAddress, parse_store_url
from publish.protocol import ObjectStore
from publish.settings import StorageSettings, StoreSettings
from publish.store import open_store
from publish.verify import differing

LOOK_S = 60.0
AGAIN_S = 3600.0
"""Until a lesson that has to keep its recording is looked at again: comparing costs the line."""
DAY_S = 86_400.0
READ_BACK = 4
"""Chunks of each lesson that are read back from the store, beside everything that is no chunk."""

_log = structlog.get_logger()


class Reclaimer:
    """Makes room below `root`, lesson by lesson. `own_folder`: where the store lies, if it is a folder.

    `now`, `clock` (seconds, monotonic) and `ask` (how much space there is) are given by tests.
    """

    def __init__(
        self,
        root: Path,
        store: ObjectStore,
        settings: StorageSettings,
        *,
        own_folder: Path | None = None,
        now: Callable[[], Moment] = Moment.now,
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[Path], DiskSpace] = space_for,
    ) -> None:
        self._root, self._store, self._own_folder = root, store, own_folder
        self._keep_s = settings.keep_days * DAY_S
        self._marks = WaterMarks(settings.low, settings.high)
        self._catalogue = Catalogue(root)
        self._now, self._clock, self._ask = now, clock, ask
        self._kept_until: dict[str, float] = {}

    def look(self) -> None:
        """Remove what is to be removed by now.

        Raises `StorageError` of the root, `StoreError` and `ConfigError` of the store as a whole.
        """
        self._finish()
        while self._short():
            self._demand_elsewhere()
            due = reclaimable(self._catalogue.page(), self._now(), self._keep_s)
            folder = next((one for one in due if self._clock() >= self._kept_until.get(one.id, 0.0)), None)
            if folder is None:
                return
            self._reclaim(folder)

    def _short(self) -> bool:
        space = self._ask(self._root)
        return self._marks.look(space.free, space.total)

    def _finish(self) -> None:
        """Remove what a killed process had begun to."""
        for one in self._catalogue.page():
            if one.raw_reclaimed and one.header is not None and has_raw(one.folder):
                remove_raw(one.folder)

    def _demand_elsewhere(self) -> None:
        """Raises `ConfigError` where store and lessons share a disk: what is removed would be the only original."""
        if self._own_folder is None:
            return
        there = next(path for path in (self._own_folder, *self._own_folder.parents) if path.exists())
        if there.stat().st_dev == self._root.stat().st_dev:
            raise ConfigError(
                f"storage.reclaim: the store {self._own_folder} lies on the disk of the lessons: nothing is removed"
            )

    def _reclaim(self, folder: LessonFolder) -> None:
        """Have a lesson make room; what is wrong with it alone is said, and keeps no other one."""
        try:
            why = self._why_kept(folder)
        except (StoreError, ConfigError):
            raise
        except ClassreelError as error:
            why = str(error)
        if why is not None:
            _log.warning("raw_kept", lesson=folder.id, error=why)
            complain(f"its recording is kept: {why}", about=folder.id)
            self._kept_until[folder.id] = self._clock() + AGAIN_S
            return
        if self._kept_until.pop(folder.id, None) is not None:
            recovered(about=folder.id)
        freed = remove_raw(folder)
        _log.info("raw_removed", lesson=folder.id, bytes=freed)

    def _why_kept(self, folder: LessonFolder) -> str | None:
        """Why a lesson must keep its raw segments; None: it has said that they go."""
        view = LessonView(folder)
        view.poll()
        state = view.state
        if problem := self._damage(view) or self._lacking(folder, state):
            return problem
        noted = note_reclaimed(folder, state.newest, lambda now: not _hurt(now) and now.encoded)
        return None if noted else "it was pinned or is to be made again"

    def _damage(self, view: LessonView) -> str | None:
        """What is wrong with the lesson here: then its recording may be what mends it, or what is to be looked into."""
        state = view.state
        if state.verified is None or not state.encoded:
            return "it is not stored to its end"
        found = [*view.damage, *missing_chunks(state), *spoilt_files(view.folder, state)]
        if found:
            return found[0]
        return "segments of it are damaged" if _hurt(state) else None

    def _lacking(self, folder: LessonFolder, state: LessonState) -> str | None:
        """What the store lacks of the lesson now, whatever it confirmed before."""
        expected = published(state)
        wrong = differing(folder, self._store, expected) or differing(
            folder, self._store, _to_read_back(expected), deep=True
        )
        if not wrong:
            return None
        return f"{wrong[0][1]}; {len(wrong)} object(s) differ: `classreel process {folder.id}` sends them again"


def _hurt(state: LessonState) -> bool:
    """Whether it is known of any segment that it is damaged, or cannot be decoded."""
    return any(source.damaged(kind) for source in state.sources.values() for kind in Kind)


def _to_read_back(expected: list[Object]) -> list[Object]:
    """All that is small, such as playlists and manifest, and chunks from all over the lesson."""
    chunks = [one for one in expected if one.key.endswith(MEDIA_SUFFIX)]
    small = [one for one in expected if not one.key.endswith(MEDIA_SUFFIX)]
    step = max(1, len(chunks) // READ_BACK)
    return [*small, *chunks[::step][:READ_BACK]]


def run(root: Path, storage: StorageSettings, store: StoreSettings) -> None:
    """Look once a minute, for ever; a store that is away is everybody's trouble, and is waited for.

    Raises `ConfigError` of settings, and where the store refuses for good.
    """
    place = parse_store_url(store.url or "")
    own_folder = place.path if isinstance(place, FolderAddress) else None
    reclaimer = Reclaimer(root, open_store(store), storage, own_folder=own_folder)
    while True:
        try:
            reclaimer.look()
        except StoreError as error:
            _log.warning("store_not_asked", error=str(error))
        rest(LOOK_S)


def main() -> int:
    """Run the stage on what the command line names; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m publish.reclaim", description="Make room on the lessons' disk.")
    parser.add_argument("root", type=Path, help="folder of lessons")
    parser.add_argument("storage", help="publish.settings.StorageSettings as JSON")
    parser.add_argument("store", help="publish.settings.StoreSettings as JSON: secrets by reference, never as such")
    arguments = parser.parse_args()

    def work() -> None:
        storage, store = StorageSettings.parse(arguments.storage), StoreSettings.parse(arguments.store)
        run(arguments.root.resolve(), storage, store)

    return run_stage("reclaim", work)


if __name__ == "__main__":
    sys.exit(main())
