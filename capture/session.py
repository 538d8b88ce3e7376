"""Recording one source of one lesson from beginning to end: connect, record, lose, connect again, until Stop."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NoReturn

import structlog

from capture.background_sync import BackgroundSync
from capture.connection import POLL_S, Connection, Ending, Outcome, Wishes
from capture.recorder import Recorder
from capture.recovery import salvage_tail
from capture.rules import Backoff
from lesson.errors import (
    ClassreelError,
    ConfigError,
    JournalError,
    LessonNotFoundError,
    MediaError,
    StorageError,
    UnusableMediaError,
)
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import SourceSpec
from lesson.records import SegmentCommitted
from lesson.state import load_state
from process.stage import EXIT_RETRY, EXIT_TERMINATED

_log = structlog.get_logger()


def record_source(folder: LessonFolder, source_id: str) -> None:
    """Record a source until the lesson stops (or the imported files end); harmless to repeat.

    Raises:
        LessonNotFoundError: the lesson has no such source.
        ConfigError, UnusableMediaError: this source will never deliver; the journal says so and is finished.
        StorageError: the disk refused; what was committed before is safe.
        SystemExit: SIGTERM came (143), or libav hangs and only a new process can help (1).
    """
    try:
        spec = folder.header.source(source_id)
    except KeyError:
        raise LessonNotFoundError(f"lesson {folder.id} has no source {source_id!r}") from None
    with JournalWriter(folder.raw_journal(source_id)) as journal:
        _Session(folder, spec, journal).run()


class _Session:
    def __init__(self, folder: LessonFolder, spec: SourceSpec, journal: JournalWriter) -> None:
        self._spec = spec
        state = load_state(folder).sources[spec.id]
        self._finished = state.finished
        if not spec.imported and not state.finished:  # an import makes the same file again
            salvaged = salvage_tail(folder, state)
            if salvaged is not None:
                journal.append(SegmentCommitted(segment=salvaged))
                state.add_segment(salvaged)
        self._sync = BackgroundSync()
        self._recorder = Recorder(folder, spec, state, journal, self._sync)
        self._wishes = Wishes(folder, may_stop=not spec.imported)
        self._backoff = Backoff()
        self._out = False
        self._parts = [replace(spec, uri=uri, parts=()) for uri in spec.parts] or [spec]
        self._part = 0

    def run(self) -> None:
        if self._finished:
            return
        self._wishes.listen()
        try:
            while self._once():
                pass
        finally:
            self._sync.close()

    def _once(self) -> bool:
        """One connection and the rest after it; whether there is to be another."""
        wish = self._wishes.ending()
        if wish:
            return self._conclude(Outcome(wish))
        connection = Connection(self._parts[self._part], self._recorder, self._wishes, self._sync)
        try:
            again = self._conclude(self._run(connection))
        finally:
            hung = not connection.close()
            if hung:
                _log.warning("feed hangs; a new process is needed")
        if again and hung:
            raise SystemExit(EXIT_RETRY)
        if again and not self._spec.imported:
            self._rest(self._backoff.pause_s(connection.delivered_s))
        return again

    def _run(self, connection: Connection) -> Outcome:
        try:
            return connection.run()
        except (ConfigError, UnusableMediaError) as error:
            self._recorder.abandon()
            self._recorder.lost(str(error))
            self._recorder.finished()
            raise
        except MediaError as error:  # packets that cannot be stored
            self._recorder.abandon()
            return Outcome(Ending.LOST, str(error))
        except (StorageError, JournalError) as error:
            self._recorder.abandon()
            self._try_to_say(str(error))
            raise

    def _try_to_say(self, reason: str) -> None:
        try:
            self._recorder.lost(reason)
        except ClassreelError as error:  # the disk that refused the media may refuse this too
            _log.warning("loss could not be journaled", reason=str(error))

    def _conclude(self, outcome: Outcome) -> bool:
        """Journal how a connection ended; whether to connect again."""
        if outcome.ending is Ending.LOST:
            return self._lost(outcome.reason)
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
        raise SystemExit(EXIT_TERMINATED)

    def _lost(self, reason: str) -> bool:
        if self._recorder.recording or not self._out:  # not once more for every failed attempt
            self._recorder.lost(reason)
        _log.warning("source lost", reason=reason)
        self._out = True
        if not self._spec.imported or self._next_part():
            return True
        self._recorder.finished()
        if not self._recorder.recorded_anything:
            raise UnusableMediaError(reason)
        return False

    def _rest(self, pause_s: float) -> None:
        end = time.monotonic() + pause_s
        while not self._wishes.ending() and time.monotonic() < end:
            time.sleep(min(POLL_S, pause_s))
