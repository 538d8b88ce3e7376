"""Append-only journals: one writer, a line is a commit, readers follow while it grows.

A line is appended in one `write` and fsynced; what it names must be durable before. After a crash the torn tail is cut
by the next writer. Damage in the middle (a bad disk) loses only the damaged line and is reported, never silent.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lesson.durable import make_folder, sync_folder
from lesson.errors import JournalBusyError, JournalError, LessonFormatError, storage_errors
from lesson.records import Record, Unknown, decode_line, encode_line


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that cannot be used: `offset` and `length` are bytes in the journal file."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Parsed:
    records: list[Record]
    damage: list[Damage]
    sound_bytes: int


def _parse(data: bytes, base: int) -> _Parsed:
    """Records of all complete lines; `sound_bytes` ends after the last sound line: what follows may still be torn."""
    records: list[Record] = []
    damage: list[Damage] = []
    suspects: list[Damage] = []
    at = sound = 0
    while (newline := data.find(b"\n", at)) >= 0:
        line = data[at : newline + 1]
        try:
            record = decode_line(line)
        except LessonFormatError as error:
            suspects.append(Damage(base + at, len(line), str(error)))
        else:
            if not isinstance(record, Unknown):
                records.append(record)
            damage += suspects
            suspects.clear()
            sound = newline + 1
        at = newline + 1
    return _Parsed(records, damage, sound)


class JournalReader:
    """Follows a journal: each `poll` gives the records committed since the last one.

    A file that does not exist yet is an empty journal. `damage` collects lines lost in the middle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[Damage] = []
        self._offset = 0

    def poll(self) -> list[Record]:
        """New records, in order; empty when nothing was committed. Raises `StorageError`."""
        with storage_errors(self.path):
            try:
                with self.path.open("rb") as file:
                    if os.fstat(file.fileno()).st_size <= self._offset:
                        return []
                    file.seek(self._offset)
                    data = file.read()
            except FileNotFoundError:
                return []
        parsed = _parse(data, self._offset)
        self.damage += parsed.damage
        self._offset += parsed.sound_bytes
        return parsed.records


def read_journal(path: Path) -> list[Record]:
    """All committed records of a journal."""
    return JournalReader(path).poll()


class JournalWriter:
    """The one writer of a journal. Opening it cuts a torn tail.

    Raises:
        JournalBusyError: another process has it open for writing.
        StorageError: the disk refused; the line was not committed and the writer is unusable from then on
            (after a failed fsync the kernel may forget the data and report the next one as good).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._broken = False
        make_folder(path.parent)
        with storage_errors(path):
            existed = path.exists()
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._fd)
                raise JournalBusyError(f"{path}: another process is writing this journal") from error
            self._cut_torn_tail()
        if not existed:
            sync_folder(path.parent)

    def _cut_torn_tail(self) -> None:
        size = os.fstat(self._fd).st_size
        data = os.pread(self._fd, size, 0)
        self._size = _parse(data, 0).sound_bytes
        if self._size < size:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)

    def append(self, *records: Record) -> None:
        """Commit records together: all are durable when this returns; a crash keeps a prefix of them."""
        if self._broken:
            raise JournalError(f"{self.path}: an earlier write failed; open the journal anew")
        data = b"".join(encode_line(record) for record in records)
        try:
            with storage_errors(self.path):
                written = 0
                while written < len(data):
                    written += os.write(self._fd, data[written:])
                os.fsync(self._fd)
        except BaseException:
            self._broken = True
            self._undo()
            raise
        self._size += len(data)

    def _undo(self) -> None:
        """Take back a half-written line where the disk still lets us; else the next writer cuts it."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            return

    def close(self) -> None:
        """Release the journal to another writer; harmless to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append_records(path: Path, records: Iterable[Record]) -> None:
    """Open, append, close: for journals written rarely and from more than one process, such as control."""
    with JournalWriter(path) as journal:
        journal.append(*records)
