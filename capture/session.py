"""Recording one source of one lesson from beginning to end: connect, record, lose, connect again, until Stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import NoReturn, TypeVar

import structlog

from capture.background_sync import BackgroundSync
from capture.connection import CLOSE_PATIENCE_S, Connection, Ending, Outcome, Wishes
from capture.disk import Disk
from capture.losses import loss_code
from capture.reader import LIVE_BYTES
from capture.recorder import Recorder
from capture.recovery import read_source, salvage
from capture.space import SpaceWatch
from lesson.errors import (
    ConfigError,
    JournalError,
    LessonNotFoundError,
    MediaError,
    StorageError,
    UnusableMediaError,
)
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.loss import Loss
from lesson.model import SourceSpec
from lesson.source_state import SourceState
from process.backoff import Backoff
from process.beat import beat
from process.parentage import EXIT_TERMINATED
from process.stage import EXIT_RETRY

FAREWELL_S = 20.0
"""How long a disk that has refused something is waited for."""
JOURNAL_RESERVED = 65_536
"""Room kept on the disk for the journal: on a full one it is said all the same what was lost, and what is finished."""

T = TypeVar("T")

_log = structlog.get_logger()


def record_source(folder: LessonFolder, source_id: str, connection: Connection | None = None) -> None:
    """Record a source until the lesson stops (or the imported files end); harmless to repeat.

    `connection`: one that stood by; it is closed here.

    Raises:
        LessonNotFoundError: the lesson has no such source.
        ConfigError, UnusableMediaError: this source will never deliver; the journal says so and is finished.
        JournalBusyError: another process records it.
        StorageError: the disk refused; what was committed before is safe.
        SystemExit: SIGTERM came (143), or libav hangs and only a new process can help (1).
    """
    try:
        spec = folder.header.source(source_id)
    except KeyError:
        raise LessonNotFoundError(f"lesson {folder.id} has no source {source_id!r}") from None
    _Session(folder, spec).run(connection)


class _Session:
    def __init__(self, folder: LessonFolder, spec: SourceSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._disk = Disk()
        self._sync = BackgroundSync()
        self._wishes = Wishes(folder, may_stop=not spec.imported)
        self._space = SpaceWatch(folder.path, folder.header, spec, self._disk)
        self._backoff = Backoff(longest_s=5.0, held_s=30.0)
        self._said: set[str] = set()
        self._waited = False  # for a sender, which is pause enough before the next attempt
        self._parts = [replace(spec, uri=uri, parts=()) for uri in spec.parts] or [spec]
        self._part = 0

    def run(self, waiting: Connection | None) -> None:
        self._wishes.listen()
        if waiting is None and not self._wishes.ending():
            waiting = Connection(self._parts[0])  # it may deliver before the disk is ready
        try:
            state = self._wait_for(self._disk.ask(self._open))
            if not state.finished:
                self._recorder = Recorder(self._folder, self._spec, state, self._disk, self._sync)
                first, waiting = waiting, None
                self._record(first)
        except BaseException:
            self._await(self._disk.drained, FAREWELL_S)
            raise
        finally:
            if waiting is not None:
                waiting.close()
            self._sync.close()
            self._disk.close()

    def _open(self) -> SourceState:
        """In the disk's thread: take over the journal, and whatever a predecessor left behind."""
        journal = JournalWriter(self._folder.raw_journal(self._spec.id), reserved=JOURNAL_RESERVED)
        self._disk.keep_journal(journal)
        state = read_source(self._folder, self._spec)
        if not self._spec.imported and not state.finished:  # an import makes the same file again
            salvaged = salvage(self._folder, state)
            if salvaged:
                journal.append(*salvaged)
        self._space.look_now()
        return state

    def _record(self, connection: Connection | None) -> None:
        while self._once(connection):
            connection = None
        self._await(self._disk.drained)
        self._disk.check()

    def _once(self, connection: Connection | None) -> bool:
        """One connection and the rest after it; whether there is to be another."""
        if self._space.rests(goes_on=False) and not self._wishes.ending():
            self._stay_away(connection)
            connection = None
        wish = self._wishes.ending()
        if wish and connection is None:
            return self._conclude(Outcome(wish))
        connection = connection or Connection(self._parts[self._part])
        try:
            again = self._conclude(self._run(connection))
        finally:
            hung = not connection.close()
            if hung:
                _log.warning("feed_hung", error=f"it did not close within {CLOSE_PATIENCE_S:g} s")
        if again and hung:
            raise SystemExit(EXIT_RETRY)
        if again and not self._spec.imported and not self._waited:
            self._rest(self._backoff.pause_s(connection.delivered_s))
        return again

    def _run(self, connection: Connection) -> Outcome:
        try:
            return connection.run(self._recorder, self._wishes, self._disk, self._sync, self._space)
        except (ConfigError, UnusableMediaError) as error:
            self._recorder.lost(str(error), loss_code(error))
            self._recorder.finished()
            raise
        except MediaError as error:  # packets that cannot be stored
            return Outcome(Ending.LOST, str(error), loss_code(error))
        except (StorageError, JournalError) as error:
            self._recorder.abandon()
            self._recorder.lost(str(error), loss_code(error))
            raise

    def _stay_away(self, connection: Connection | None) -> None:
        """Leave the disk's last space to others, until there is more of it or the lesson ends."""
        if connection is not None:
            connection.close()
        if self._space.code not in self._said:
            self._lost(Outcome(Ending.LOST, self._space.words, self._space.code))
        self._await(lambda: bool(self._wishes.ending()) or not self._space.rests(goes_on=False))

    def _conclude(self, outcome: Outcome) -> bool:
        """Journal how a connection ended; whether to connect again."""
        if outcome.ending is Ending.LOST:
            return self._lost(outcome)
        if outcome.ending is Ending.TERMINATED:
            self._terminated()
        if self._next_part():
            self._recorder.end_segment("part")
            return True
        self._recorder.finished()
        return False

    def _next_part(self) -> bool:
        """Whether another file follows; then it is the next to be opened."""
        self._part = min(self._part + 1, len(self._parts))
        return self._part < len(self._parts)

    def _terminated(self) -> NoReturn:
        if self._spec.imported:  # a segment cut short would not be the one that the next start makes
            self._recorder.abandon()
        else:
            self._recorder.end_segment("terminated")
        self._await(self._disk.drained)
        raise SystemExit(EXIT_TERMINATED)

    def _lost(self, outcome: Outcome) -> bool:
        if self._recorder.recording:
            self._said.clear()
        said = outcome.code in self._said
        if not said:  # each reason once an outage, not once more for every failed attempt
            self._said.add(outcome.code)
            self._recorder.lost(outcome.reason, outcome.code)
        self._waited = outcome.code == Loss.NOT_SENT
        if not (said and self._waited):  # what nobody sends all lesson long is no news each time
            _log.warning("source_lost", error=outcome.reason, code=str(outcome.code))
        if not self._spec.imported or self._next_part():
            return True
        self._recorder.finished()
        if not self._recorder.recorded_anything:
            raise UnusableMediaError(outcome.reason)
        return False

    def _rest(self, pause_s: float) -> None:
        """Pause before the next attempt; longer while the disk could not take what it would bring."""
        end = time.monotonic() + pause_s
        self._await(
            lambda: (
                bool(self._wishes.ending()) or (time.monotonic() >= end and self._disk.waiting_bytes < LIVE_BYTES // 2)
            )
        )

    def _wait_for(self, answer: Future[T]) -> T:
        self._await(answer.done)
        return answer.result()

    def _await(self, done: Callable[[], bool], most_s: float = float("inf")) -> None:
        """Wait with signs of life."""
        end = time.monotonic() + most_s
        while not done() and time.monotonic() < end:
            beat()
            time.sleep(0.02)
