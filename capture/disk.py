"""Everything a recording process does with the disk, in threads of its own: packets never wait for it.

One thread makes files and writes to them, in the order it is asked to. Several sync finished files, as a worn card may
take longer for one than a segment lasts. One appends to the journal, in the order in which records were handed in, each
only when what it names is durable; lines that are ready together share one sync.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from lesson.durable import sync_file, sync_folder
from lesson.errors import StorageError, storage_errors
from lesson.journal import JournalWriter
from lesson.records import Record
from media.feeds.segment import file_digest

T = TypeVar("T")

SYNCS_AT_ONCE = 4
"""Keeps up with segments of 4 s when a sync takes 5 s and each needs two, of the file and of its folder."""
SLOW_S = 5.0
"""A disk this far behind is said to be slow."""
_SAY_EVERY_S = 30.0

_log = structlog.get_logger()


@dataclass(slots=True)
class _Task:
    """Something to do with the disk; `size`: bytes in memory that wait for it."""

    run: Callable[[], None]
    size: int
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Entry:
    """Records to append once `durable` is done. `regardless`: also when the disk has refused something."""

    durable: Future[list[Record]]
    regardless: bool = False
    since: float = field(default_factory=time.monotonic)


class Disk:
    """The only way of a recording process to its folder. A disk that refuses is told by the next `check`.

    After a refusal nothing more is committed, so that the next start salvages in order; only that may still be said.
    """

    def __init__(self) -> None:
        self._journal: JournalWriter | None = None
        self._changed = threading.Condition()
        self._tasks: deque[_Task] = deque()
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._problem: BaseException | None = None
        self._refused = False
        self._closing = False
        self._said = 0.0
        self._syncs = ThreadPoolExecutor(SYNCS_AT_ONCE, thread_name_prefix="sync")
        self._threads = [
            threading.Thread(target=self._write, name="disk", daemon=True),
            threading.Thread(target=self._commit, name="journal", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Media in memory that is not written yet."""
        return self._bytes

    def check(self) -> None:
        """Raises `StorageError` or `JournalError` if the disk refused since the last check; says when it is slow."""
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
        self._say_if_slow()

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """The answer to a question that only the disk can answer, in its turn."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:  # noqa: BLE001 - raised again where the answer is looked at
                answer.set_exception(error)

        self._do(run)
        return answer

    def keep_journal(self, journal: JournalWriter) -> None:
        """Records go here from now on."""
        self._journal = journal

    def create(self, path: Path) -> SegmentFile:
        """A new empty file, or the old one emptied, and its folder if need be."""
        file = SegmentFile(path, self._do)
        self._do(file.make)
        return file

    def commit(self, file: SegmentFile, record: Callable[[int, str], Record]) -> None:
        """Make a finished file durable, then append the record made of its size and SHA-256."""
        entry = _Entry(Future())

        def hand_over() -> None:
            file.end()
            self._syncs.submit(_settle, entry.durable, lambda: [record(*_durable(file))])

        self._append(entry)
        self._do(hand_over)

    def append(self, *records: Record, regardless: bool = False) -> None:
        """Append records after those that were handed in before; `regardless` of a refusal."""
        entry = _Entry(Future(), regardless)
        entry.durable.set_result([*records])
        self._append(entry)

    def drained(self) -> bool:
        """Whether everything that was handed in is done with."""
        with self._changed:
            return not self._tasks and not self._entries

    def close(self) -> None:
        """End the threads once they have nothing to do, and release the journal then."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self.drained():
            for thread in self._threads:
                thread.join()
            self._syncs.shutdown()
            if self._journal is not None:
                self._journal.close()

    def _do(self, run: Callable[[], None], size: int = 0) -> None:
        with self._changed:
            self._tasks.append(_Task(run, size))
            self._bytes += size
            self._changed.notify_all()

    def _append(self, entry: _Entry) -> None:
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def _refuse(self, error: BaseException) -> None:
        self._refused, self._problem = True, self._problem or error

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or self._closing)
                if not self._tasks:
                    return
                task = self._tasks[0]
            try:
                task.run()
            except Exception as error:  # noqa: BLE001 - raised again by `check`, in the recording thread
                self._refuse(error)
            with self._changed:
                self._tasks.popleft()
                self._bytes -= task.size

    def _commit(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._closing)
                if not self._entries:
                    return
                entries = list(self._entries)
            done = self._commit_ready(entries)
            with self._changed:
                for _ in range(done):
                    self._entries.popleft()

    def _commit_ready(self, entries: list[_Entry]) -> int:
        """Append the records of the first entry, waiting for its media, and of those after it that are ready too."""
        records: list[Record] = []
        done = 0
        for entry in entries:
            if done and not entry.durable.done():
                break
            done += 1
            try:
                found = entry.durable.result()
                if entry.regardless or not self._refused:
                    records += found
            except Exception as error:  # noqa: BLE001 - raised again by `check`, in the recording thread
                self._refuse(error)
        try:
            if records and self._journal is not None:
                self._journal.append(*records)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(error)
        return done

    def _say_if_slow(self) -> None:
        now = time.monotonic()
        if now - self._said < _SAY_EVERY_S:
            return
        with self._changed:
            since = min([now, *(work[0].since for work in (self._tasks, self._entries) if work)])
        if now - since > SLOW_S:
            self._said = now
            _log.warning("disk_slowed", code="disk", error=f"it is {now - since:.1f} s behind", bytes=self._bytes)


class SegmentFile:
    """A file to write a segment into, as a muxer wants one; what it is given is written later, in order."""

    def __init__(self, path: Path, do: Callable[[Callable[[], None], int], None]) -> None:
        self.path = path
        self._do = do
        self._at = 0
        self._end = 0
        self._fd = -1
        self._dead = False
        self.new_folders: list[Path] = []

    def write(self, data: bytes) -> int:
        at = self._at
        self._at += len(data)
        self._end = max(self._end, self._at)
        self._do(lambda: self._put(data, at), len(data))
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Close the file without vouching for it."""
        self._do(self.end, 0)

    def make(self) -> None:
        """In the disk's thread: create the file, and its epoch's folder, which is made durable together with it.

        No folder above: where the source's own is missing, the disk was pulled, and another file system is there.
        """
        try:
            with storage_errors(self.path):
                folder = self.path.parent
                if not folder.is_dir():
                    folder.mkdir(exist_ok=True)
                    self.new_folders.append(folder)
                self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except StorageError:
            self._dead = True
            raise

    def end(self) -> None:
        """In the disk's thread: no more is written."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put(self, data: bytes, at: int) -> None:
        try:
            with storage_errors(self.path):
                while data and not self._dead:
                    written = os.pwrite(self._fd, data, at)
                    data, at = data[written:], at + written
        except StorageError:  # what is there stays readable; more, with a hole before it, would not be
            self._dead = True
            raise


def _durable(file: SegmentFile) -> tuple[int, str]:
    """Size and SHA-256 of a file that is on the disk for good when this returns."""
    sync_file(file.path)
    for folder in [file.path.parent, *(folder.parent for folder in file.new_folders)]:
        sync_folder(folder)
    return file_digest(file.path)


def _settle(promise: Future[T], work: Callable[[], T]) -> None:
    try:
        promise.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again by the journal's thread, which waits for the result
        promise.set_exception(error)
