"""Append-only journals: one writer, a line is a commit, readers follow while it grows.

A line is appended in one `write` and fsynced; what it names must be durable before. After a crash the torn tail, which
has no line end, is cut by the next writer. A whole line whose CRC is wrong (a bad disk), or that this version cannot
read, is reported and never cut: not even the last one, which may have been the Stop of a lesson. If one byte of it is
wrong, the CRC tells which (`lesson.mending`), and nothing is lost; else it is lost alone.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from weakref import WeakSet

from lesson.durable import make_folder, reserve, sync_folder
from lesson.errors import JournalBusyError, JournalError, LessonFormatError, StorageError, storage_errors
from lesson.mending import mended
from lesson.reading import open_regular, open_to_read, read_rest
from lesson.records import Record, Unknown, decode_line, encode_line

_CRC_TAIL = 11
"""Bytes at the end of a line that tell it from any other in its place: the CRC, `"}` and the newline."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that is not what was written: `offset` and `length` are bytes in the journal file.

    `lost`: it cannot be used; else one byte of it was wrong, and its CRC told which.
    """

    offset: int
    length: int
    reason: str
    lost: bool = True


@dataclass(slots=True)
class _Parsed:
    """`ends`: (offset after it, last bytes) of every whole line. `whole_bytes`: what follows may still be torn."""

    records: list[Record] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    ends: list[tuple[int, bytes]] = field(default_factory=list)
    whole_bytes: int = 0


def _parse(data: bytes, base: int) -> _Parsed:
    """Everything whole in `data`, which starts at byte `base` of the journal."""
    parsed = _Parsed()
    at = 0
    while (newline := data.find(b"\n", at)) >= 0:
        line = data[at : newline + 1]
        try:
            record = decode_line(line)
        except LessonFormatError as error:  # also in the last line: a torn one has no line end
            right = mended(line)
            parsed.damage.append(Damage(base + at, len(line), str(error), lost=right is None))
            parsed.records += [right] if right is not None else []
        else:
            if not isinstance(record, Unknown):
                parsed.records.append(record)
        at = newline + 1
        parsed.ends.append((base + at, line[-_CRC_TAIL:]))
    parsed.whole_bytes = at
    return parsed


class JournalReader:
    """Follows a journal: each `poll` gives the records committed since the last one.

    A file that does not exist yet is an empty journal. `damage` collects whole lines that cannot be used; `torn_bytes`
    is what followed the last whole line when it was read. When a writer took lines back that were already given out
    (its fsync failed), reading goes on with what it wrote in their place, and `taken_back` counts them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[Damage] = []
        self.torn_bytes = 0
        self.taken_back = 0
        self._ends: list[tuple[int, bytes]] = []
        self._seen: tuple[int, int, int] | None = None  # of the file when it was read to its end

    def poll(self) -> list[Record]:
        """New records, in order; empty when nothing was committed. Raises `StorageError`."""
        with storage_errors(self.path):
            try:
                found = os.stat(self.path)  # noqa: PTH116 asked often: a Path costs three times this
                # its length alone proves nothing: a file in its place may be as long, and hold a Stop
                stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
                if stamp == self._seen and found.st_size == self._offset and stat.S_ISREG(found.st_mode):
                    self.torn_bytes = 0
                    return []
                with open_to_read(self.path) as file:
                    self._forget_lines_taken_back(file)
                    data = read_rest(file, self._offset, self.path)
            except FileNotFoundError:
                return []
        parsed = _parse(data, self._offset)
        self.damage += parsed.damage
        self.torn_bytes = len(data) - parsed.whole_bytes
        self._ends += parsed.ends
        self._seen = stamp
        return parsed.records

    @property
    def lost_lines(self) -> bool:
        """Whether it held lines that cannot be read, or may have: a torn end is none any more."""
        return bool(self.torn_bytes) or any(one.lost for one in self.damage)

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, for people: one line for what is lost, one for what could be mended."""
        lost = [one for one in self.damage if one.lost]
        whole = [one for one in self.damage if not one.lost]
        found = [f"{len(lost)} damaged line(s), first at byte {lost[0].offset}"] if lost else []
        return found + ([f"{len(whole)} line(s) with a wrong byte, read all the same"] if whole else [])

    @property
    def _offset(self) -> int:
        return self._ends[-1][0] if self._ends else 0

    def _forget_lines_taken_back(self, file: BinaryIO) -> None:
        while self._ends:
            end, tail = self._ends[-1]
            file.seek(end - len(tail))
            if file.read(len(tail)) == tail:
                return
            self._ends.pop()
            self.taken_back += 1


def read_journal(path: Path) -> list[Record]:
    """All committed records of a journal."""
    return JournalReader(path).poll()


class JournalWriter:
    """The one writer of a journal. Opening it cuts a torn tail.

    A forked child does not keep the journal of its parent busy. `folders`: how many it may make to lie in. Those of a
    stage are two; a lesson, and the root of a box, are made by others: where they are not, their disk was pulled.
    `reserved`: bytes of room on the disk that are kept for more lines, so that a full one takes them.

    Raises:
        JournalBusyError: another writer has it open.
        StorageError: the disk refused; the line was not committed and the writer is unusable from then on
            (after a failed fsync the kernel may forget the data and report the next one as good).
    """

    def __init__(self, path: Path, *, folders: int = 2, reserved: int = 0) -> None:
        self.path = path
        self._reserved = reserved
        self._reserved_to = 0
        self._broken = False
        make_folder(path.parent, most=folders)
        with storage_errors(path):
            self._fd = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            self._take_over()
            self._reserve()
            sync_folder(path.parent)  # also when it existed: its maker may have been killed before doing this
        except BaseException:
            self.close()
            raise
        _open_writers.add(self)

    def _take_over(self) -> None:
        with storage_errors(self.path):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JournalBusyError(f"{self.path}: another process is writing this journal") from error
            self._cut_torn_tail()

    def _cut_torn_tail(self) -> None:
        size = os.fstat(self._fd).st_size
        with os.fdopen(self._fd, "rb", closefd=False) as file:
            self._size = _parse(read_rest(file, 0, self.path), 0).whole_bytes
        if self._size < size:
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)

    def append(self, *records: Record) -> None:
        """Commit records together: all are durable when this returns; a crash keeps a prefix of them."""
        if self._broken or self._fd < 0:
            raise JournalError(f"{self.path}: closed, or an earlier write failed; open the journal anew")
        data = b"".join(encode_line(record) for record in records)
        try:
            with storage_errors(self.path):
                written = 0
                while written < len(data):
                    written += os.write(self._fd, data[written:])
                os.fsync(self._fd)
        except StorageError:
            self._broken = True
            self._undo()
            raise
        except BaseException:
            # A signal, perhaps during the fsync: what is written stands. Readers may have it already, and the kernel
            # will bring it to the disk; a half-written line is cut by the next writer.
            self._broken = True
            raise
        self._size += len(data)
        self._reserve()

    def _reserve(self) -> None:
        if self._reserved and self._reserved_to < self._size + self._reserved // 2:
            self._reserved_to = self._size + self._reserved
            reserve(self.path, self._reserved_to)

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


_open_writers: WeakSet[JournalWriter] = WeakSet()


def _close_in_child() -> None:
    """A lock lives as long as any copy of its descriptor: a child that outlives its parent must not hold one."""
    for writer in list(_open_writers):
        writer.close()


os.register_at_fork(after_in_child=_close_in_child)


def append_records(path: Path, records: Iterable[Record]) -> None:
    """Open, append, close: for journals written rarely and from more than one process, such as control."""
    with JournalWriter(path) as journal:
        journal.append(*records)
