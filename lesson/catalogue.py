"""Which lessons are there, and which of them runs: the only place that answers this.

Page, conductor, commands and metrics ask here. Everything is found by cheap looks (`lesson/glance.py`). What is known
of a file holds until its size or time of change differ; of a lesson that is over nothing is looked at any more; the
names in the root are listed again only when the root has changed. So only the first look goes through all lessons.

A lesson folder bears a lesson's name and has a header, or a control journal whose header is lost. A lesson whose header
or control journal cannot be read is damaged: it is never the running one and keeps no other from running.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from lesson.errors import ClassreelError, DiskFailsError, StorageError, storage_errors
from lesson.folder import LessonFolder, is_name
from lesson.glance import LessonEntry, Window, glance, lesson_window, sealed
from lesson.model import LessonHeader
from lesson.records import Verified

SETTLE_S = 2.5
"""What has not changed for so long is believed for good. File systems tell times of change to 2 s at worst (FAT), and
a line that its writer takes back, because the disk failed, is taken back at once."""

T = TypeVar("T")


class Catalogue:
    """The lessons below `root`. Safe to use from many threads; holds nothing that the folders do not say.

    All methods raise `StorageError` when the root itself cannot be listed; a root that is not there yet is empty.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._names = _Names(root)
        self._headers: dict[str, _CachedFile[LessonHeader]] = {}
        self._controls: dict[str, _CachedFile[Window]] = {}
        self._seals: dict[str, _CachedFile[Verified | None]] = {}
        self._over: dict[str, Window] = {}  # stopped for good
        self._editions = _signature(editions_bell(root))
        self._safe: set[str] = set()  # verified for good

    def running(self) -> LessonFolder | None:
        """The lesson to record: the newest live one that was started and not stopped.

        Any other that was not stopped lost its successor's cameras long ago: it may only be closed, never recorded.
        """
        with self._lock:
            name = self._running(self._known_names())
        return self._folder(name) if name else None

    def unfinished(self) -> list[LessonFolder]:
        """Lessons that were started and are not verified: the running one first, the others oldest first.

        Damaged lessons are not among them: nothing can be done for them here.
        """
        with self._lock:
            names = self._known_names()
            running = self._running(names)
            waiting = [name for name in names if name != running and self._is_unfinished(name)]
        return [self._folder(name) for name in ([running] if running else []) + waiting]

    def damaged(self) -> list[LessonEntry]:
        """Lessons that are not verified and cannot be read, or lost Start or Stop, oldest first; `problem` says why.

        Of the running one, what publishing wrote is none of its recording's business.
        """
        with self._lock:
            names = [name for name in self._known_names() if not self._is_safe(name)]
            running = self._running(names)
            suspects = [n for n in names if (n != running and self._cannot_be_read(n)) or self._lost_something(n)]
        return [glance(self._folder(name)) for name in suspects if is_lesson(self._folder(name))]

    def page(self, limit: int | None = None, before: str | None = None) -> list[LessonEntry]:
        """At most `limit` lessons (None: all) with ids below `before`, newest first; damaged ones are among them."""
        with self._lock:
            names = self._known_names()
        entries: list[LessonEntry] = []
        for name in reversed(names):
            if limit is not None and len(entries) >= limit:
                break
            folder = self._folder(name)
            if (before is None or name < before) and is_lesson(folder):
                entries.append(glance(folder))
        return entries

    def newest(self) -> LessonFolder | None:
        """The lesson whose id sorts last (ids begin with the time) among those whose header can be read."""
        with self._lock:
            names = reversed(self._known_names())
            name = next((name for name in names if isinstance(self._header(name), LessonHeader)), None)
        return self._folder(name) if name else None

    def _folder(self, name: str) -> LessonFolder:
        return LessonFolder(self.root / name)

    def _known_names(self) -> list[str]:
        """Names of all that may be lessons, oldest first; what was known of folders that went is forgotten.

        When an edition of some lesson was started, nothing counts as over or safe before it is looked at again.
        """
        if (bell := _signature(editions_bell(self.root))) != self._editions:
            self._editions = bell
            self._over.clear()
            self._safe.clear()
        for gone in self._names.look():
            for known in (self._headers, self._controls, self._seals, self._over):
                known.pop(gone, None)
            self._safe.discard(gone)
        return self._names.names

    def _running(self, names: list[str]) -> str | None:
        return next((name for name in reversed(names) if name not in self._over and self._records(name)), None)

    def _records(self, name: str) -> bool:
        """Whether the lesson is started, not stopped, and live."""
        window = self._window(name)
        if window is None or window.start is None or window.stop is not None:
            return False
        header = self._header(name)
        return header is not None and not header.imported

    def _is_unfinished(self, name: str) -> bool:
        if name in self._safe:
            return False
        if name in self._over:
            window: Window | None = self._over[name]
        else:
            window = self._window(name)
        started = window is not None and window.start is not None
        return started and not self._is_safe(name) and not self._cannot_be_read(name)

    def _is_safe(self, name: str) -> bool:
        if name in self._safe:
            return True
        cached = self._seals.setdefault(name, _CachedFile(self._folder(name).publish_journal, sealed))
        verified, window = cached.found(), self._window(name)
        if not isinstance(verified, Verified) or (window is not None and not window.is_met_by(verified)):
            return False
        if cached.settled:
            self._safe.add(name)
            del self._seals[name]
            self._headers.pop(name, None)
        return True

    def _cannot_be_read(self, name: str) -> bool:
        if self._header(name) is None or (name not in self._over and self._window(name) is None):
            return True
        return name in self._seals and isinstance(self._seals[name].found(), ClassreelError)

    def _lost_something(self, name: str) -> bool:
        window = self._window(name)
        return window is not None and bool(window.lost)

    def _window(self, name: str) -> Window | None:
        """Start, Stop and newest edition of a lesson; None when they cannot be read."""
        if name in self._over:
            return self._over[name]
        cached = self._controls.setdefault(name, _CachedFile(self._folder(name).control_journal, _read_window))
        window = cached.found()
        if isinstance(window, ClassreelError) or window.start is None or (window.hurt and window.stop is None):
            self._controls.pop(name)  # the raw journals may tell more the next time
        if isinstance(window, ClassreelError):
            return None
        if window.stop and cached.settled:
            self._over[name] = window
            self._controls.pop(name, None)
        return window

    def _header(self, name: str) -> LessonHeader | None:
        folder = self._folder(name)
        header = self._headers.setdefault(name, _CachedFile(folder.header_path, _read_header)).found()
        return None if isinstance(header, ClassreelError) else header


def editions_bell(root: Path) -> Path:
    """A file that is written whenever an edition of a lesson below `root` is started; it says nothing else."""
    return root / ".editions"


def _read_window(path: Path) -> Window:
    return lesson_window(LessonFolder(path.parent))


def _read_header(path: Path) -> LessonHeader:
    return LessonFolder(path.parent).header


def is_lesson(folder: LessonFolder) -> bool:
    """Whether there is a header, be it a broken link or a folder, or a control journal that lost it."""
    return os.path.lexists(folder.header_path) or os.path.lexists(folder.control_journal)


class _CachedFile(Generic[T]):
    """What a file says, read again only when the file has changed."""

    __slots__ = ("_found", "_path", "_read", "_signature", "_since")

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self._path = path
        self._read = read
        self._signature: _Signature | None = None
        self._found: T | ClassreelError = StorageError(f"{path}: not looked at yet")
        self._since = 0.0

    def found(self) -> T | ClassreelError:
        """What is there now, or the error that reading it raised: a disk that refused is asked again each time."""
        signature = _signature(self._path)
        if isinstance(self._found, StorageError) or signature != self._signature:
            try:
                found: T | ClassreelError = self._read(self._path)
            except ClassreelError as error:
                if isinstance(error, DiskFailsError) and not isinstance(self._found, ClassreelError):
                    return self._found  # what was known stands; the disk is asked again each time
                found = error
            self._signature, self._since, self._found = signature, time.monotonic(), found
        return self._found

    @property
    def settled(self) -> bool:
        """Whether what was found last has stood for so long that it stays."""
        return time.monotonic() - self._since >= SETTLE_S


class _Names:
    """Names in the root that a lesson may bear, sorted; listed again only when the root has changed."""

    def __init__(self, root: Path) -> None:
        self.names: list[str] = []
        self._root = root
        self._inodes: dict[str, int] = {}
        self._signature: _Signature | None = None
        self._changed = self._listed = 0.0

    def look(self) -> set[str]:
        """Bring `names` up to date; gives those that went, or whose folder is another one now.

        A name may come in the same instant, as the file system tells time, in which the root was listed: a change is
        believed to be all seen only when the root was listed again after `SETTLE_S`.
        """
        signature, now = _signature(self._root), time.monotonic()
        if signature != self._signature:
            self._signature, self._changed = signature, now
        elif self._listed - self._changed >= SETTLE_S:
            return set()
        inodes, self._listed = self._list(), now
        gone = {name for name, inode in self._inodes.items() if inodes.get(name) != inode}
        if inodes != self._inodes:
            self._inodes, self.names = inodes, sorted(inodes)
        return gone

    def _list(self) -> dict[str, int]:
        with storage_errors(self._root):
            try:
                with os.scandir(self._root) as found:
                    return {one.name: one.inode() for one in found if is_name(one.name) and _is_folder(one)}
            except (FileNotFoundError, NotADirectoryError):
                return {}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as links in a circle
        return False


_Signature: TypeAlias = tuple[int, int, int]
"""Size, time of change (of content or rights; it cannot be set) and inode."""


def _signature(path: Path) -> _Signature:
    try:
        found = os.stat(path)  # noqa: PTH116 a third of the time, thousands of times
    except OSError:  # not there, or not to be had: reading it will say
        return (-1, -1, -1)
    return (found.st_size, found.st_ctime_ns, found.st_ino)
