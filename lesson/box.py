"""The box's own journal, `<root>/box.jsonl`: what its conductor did and what is wrong. Its state is the fold of it.

Lessons say nothing here that their own folders do not; a box without this file has no past and works.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import structlog

from lesson.clock import Moment
from lesson.durable import reserve, write_atomic
from lesson.errors import JournalError, StorageError, storage_errors
from lesson.journal import JournalReader, JournalWriter
from lesson.records import FaultCleared, FaultRaised, JobEnded, JobStarted, Record, encode_line
from lesson.translatable import gettext_noop

RESERVED_BYTES = 2_000_000
"""Room on the disk that is kept for the journal: that the disk is full must be written though it is."""
MAX_BYTES = 1_000_000
"""A longer journal is begun anew with what is still true; the old one is kept once, as `box.1.jsonl`."""

_REWRITE_S = 10.0
_UNWRITTEN = 100
"""Records kept while the disk takes none."""

_log = structlog.get_logger()


class Fault(StrEnum):
    """What may be wrong with a box. The code is for machines; `remedy` says what a person does about it."""

    CAPTURE_FAILS = "capture_fails"
    STAGE_GIVEN_UP = "stage_given_up"
    STAGE_HANGS = "stage_hangs"
    STORE_REFUSES = "store_refuses"
    STORE_UNREACHABLE = "store_unreachable"
    LESSON_STUCK = "lesson_stuck"
    LESSON_DAMAGED = "lesson_damaged"
    DISK_LOW = "disk_low"
    DISK_SLOW = "disk_slow"
    DISK_REFUSES = "disk_refuses"
    CLOCK_UNTRUSTED = "clock_untrusted"
    CONDUCTOR_HANGS = "conductor_hangs"
    VOICE_LOST = "voice_lost"
    NO_VOICE = "no_voice"
    SIGNAL_UNCHECKED = "signal_unchecked"
    SOURCE_FLAWED = "source_flawed"


_REMEDIES: dict[str, str] = {
    Fault.CAPTURE_FAILS: gettext_noop("look at this feed with `classreel check`; the recorder goes on trying"),
    Fault.STAGE_GIVEN_UP: gettext_noop(
        "recording goes on; the recorder tries again every minute, its log says what happened"
    ),
    Fault.STAGE_HANGS: gettext_noop(
        "recording goes on; a part stands still, and is replaced within minutes if it does not go on by itself"
    ),
    Fault.STORE_REFUSES: gettext_noop(
        "recording goes on; correct [store], its keys and permissions, then wait a minute"
    ),
    Fault.STORE_UNREACHABLE: gettext_noop(
        "recording goes on, lessons wait here; look at the line, and at the address in [store]"
    ),
    Fault.LESSON_STUCK: gettext_noop("recording goes on; `classreel process LESSON` says what this lesson lacks"),
    Fault.LESSON_DAMAGED: gettext_noop(
        "copy the folder away and look at its lesson.json; other lessons are not touched"
    ),
    Fault.DISK_LOW: gettext_noop("free some space, or let the recorder do it: `[storage] reclaim = true`"),
    Fault.DISK_SLOW: gettext_noop("the disk answers slowly: replace a worn card, or let nothing else write to it"),
    Fault.DISK_REFUSES: gettext_noop(
        "the disk takes nothing more: free space, or look whether it is mounted read-only or failing"
    ),
    Fault.CONDUCTOR_HANGS: gettext_noop(
        "what is being recorded goes on, Start and Stop wait; restart the recorder if this stays"
    ),
    Fault.VOICE_LOST: gettext_noop("pictures are recorded without sound; look at the microphone and its cable"),
    Fault.NO_VOICE: gettext_noop("no source gives any sound: add a microphone, or switch on that of a camera"),
    Fault.SIGNAL_UNCHECKED: gettext_noop(
        "recording goes on; whether pictures are black or sound is silent is not known, the log says why"
    ),
    Fault.SOURCE_FLAWED: gettext_noop("look at this feed with `classreel check`, and at its cable, lens or switch"),
    Fault.CLOCK_UNTRUSTED: gettext_noop("the box's clock is wrong: set it, or connect the box to a time server"),
}


def standing_by(source_id: str) -> str:
    """What a fault is about that keeps a source from standing by between lessons; after a slash, of what is wrong with
    what it delivers, the `lesson.signal.Flaw`.
    """
    return f"standby-{source_id}"


def remedy(code: str) -> str:
    """What to do about a fault; a code of a later version has none."""
    return _REMEDIES.get(code, "")


@dataclass(slots=True)
class BoxState:
    """What the box's journal amounts to. `faults`: by code and what they are about, oldest first.

    Counted since the journal was begun: by stage `starts`, `failures` and `restarts` (starts after a failure), by code
    the faults `raised`. `down`: what has failed and was not started again.
    """

    faults: dict[tuple[str, str], FaultRaised] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    down: set[tuple[str, str, str | None]] = field(default_factory=set)

    def apply(self, record: Record) -> None:
        """Fold one record in; records of lessons mean nothing here."""
        match record:
            case FaultRaised():
                known = self.faults.get((record.code, record.about))
                self.raised[record.code] += known is None
                self.faults[record.code, record.about] = replace(record, at=known.at) if known else record
            case FaultCleared():
                self.faults.pop((record.code, record.about), None)
            case JobStarted():
                self.starts[record.stage] += 1
                job = (record.lesson, record.stage, record.source)
                self.restarts[record.stage] += job in self.down
                self.down.discard(job)
            case JobEnded():
                self.failures[record.stage] += 1
                self.down.add((record.lesson, record.stage, record.source))


class BoxView:
    """Follows the journal of the box whose lessons lie in `root`."""

    def __init__(self, root: Path) -> None:
        self.state = BoxState()
        self._reader = JournalReader(box_journal(root))

    def poll(self) -> BoxState:
        """The state as the journal gives it now. Raises `StorageError`."""
        records = self._reader.poll()
        if self._reader.taken_back:  # begun anew: it starts with what is still true
            self._reader = JournalReader(self._reader.path)
            self.state = BoxState()
            records = self._reader.poll()
        for record in records:
            self.state.apply(record)
        return self.state


def box_journal(root: Path) -> Path:
    """Where the journal of a box lies."""
    return root / "box.jsonl"


class BoxLog:
    """The one writer of a box's journal. What the disk refuses now is kept and written later: recording never waits."""

    def __init__(self, root: Path) -> None:
        self._path = box_journal(root)
        self._writer: JournalWriter | None = None
        self._unwritten: deque[Record] = deque(maxlen=_UNWRITTEN)
        self._written: dict[tuple[Fault, str], float] = {}
        self._waits = False
        self.state = BoxState()
        with suppress(StorageError):
            for record in JournalReader(self._path).poll():
                self.state.apply(record)
        self._inherited = set(self.state.faults)

    def note(self, record: Record) -> None:
        """Fold a record in; it is written by the next `flush`. No process is started later for a slow disk."""
        self.state.apply(record)
        self._unwritten.append(record)

    def write(self, record: Record) -> None:
        """Fold a record in and append it, with what could not be written before."""
        self.note(record)
        self.flush()

    def flush(self) -> None:
        """Append what was noted, or could not be written before."""
        if self._waits or not self._unwritten:
            return
        try:
            writer = self._writer = self._writer or self._open()
            writer.append(*self._unwritten)
            self._unwritten.clear()
            self._bound(writer)
        except (StorageError, JournalError) as error:
            _log.warning("box_journal_failed", error=str(error))
            self.close()

    def wait(self, waits: bool) -> None:
        """Keep what is written from now on, as the disk is not there; or go on writing, from the next record on."""
        self._waits = waits
        if waits:
            self.close()

    def _open(self) -> JournalWriter:
        writer = JournalWriter(self._path, folders=0)
        reserve(self._path, RESERVED_BYTES)
        return writer

    def _bound(self, writer: JournalWriter) -> None:
        with storage_errors(self._path):
            long = self._path.stat().st_size > MAX_BYTES
        if long:
            writer.close()
            with storage_errors(self._path):
                self._path.replace(self._path.with_name("box.1.jsonl"))
            write_atomic(self._path, b"".join(encode_line(fault) for fault in self.state.faults.values()))
            self._writer = self._open()

    def settle(
        self, found: Mapping[tuple[Fault, str], str], *, over: Callable[[str], bool] = lambda _code: True
    ) -> None:
        """Raise the faults that were found and are new, or have another cause; clear all others.

        But of what an earlier life of the box has found, only codes of which it is known that they are `over`. Of a
        cause that keeps changing only one is written in `_REWRITE_S`.
        """
        for (code, about), detail in found.items():
            known = self.state.faults.get((code.value, about))
            fresh = time.monotonic() - self._written.get((code, about), -_REWRITE_S) < _REWRITE_S
            if known is None or (known.detail != detail and not fresh):
                self._written[code, about] = time.monotonic()
                self.write(FaultRaised(code=code.value, about=about, at=Moment.now(), detail=detail))
        still = {(code.value, about) for code, about in found}
        gone = [key for key in self.state.faults if key not in still and (key not in self._inherited or over(key[0]))]
        for old, about in gone:
            self.write(FaultCleared(code=old, about=about, at=Moment.now()))

    def clear_lesson(self, lesson_id: str) -> None:
        """A lesson is done: nothing is wrong with it any more."""
        for code, about in [*self.state.faults]:
            if about.partition("/")[0] == lesson_id:
                self.write(FaultCleared(code=code, about=about, at=Moment.now()))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
