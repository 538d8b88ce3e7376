"""`python -m tracking LESSON_DIR`: follow a lesson from raw segments to a final plan."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.records import Planning
from lesson.view import LessonView
from process.stage import repeat, run_stage
from tracking.clocks import LessonClock
from tracking.edited import edition_plan
from tracking.evidence_reader import EvidenceReader
from tracking.planner import Planner
from tracking.watchman import Watchman

_IDLE_S = 0.5
"""Time alone makes something due (a source that is not waited for any more) no more often than this."""


def plan(folder: LessonFolder, *, blind: bool) -> None:
    """Plan until the newest edition's plan is final. Raises `StorageError`, `JournalBusyError`, `LessonFormatError`."""
    view = LessonView(folder, needs=("raw", "plan"))
    view.poll()
    while not view.state.final:
        with (
            JournalWriter(folder.plan_journal(view.state.newest)) as journal,
            closing(_PlanningRun(view, journal, blind)) as work,
        ):
            repeat(work.step, work.done)


class _PlanningRun:
    """Plans one edition, the newest."""

    def __init__(self, view: LessonView, journal: JournalWriter, blind: bool) -> None:
        self._view = view
        self._number = view.state.newest
        self._journal = journal
        self._reader = EvidenceReader(view.folder)
        self._clock = LessonClock(view.state)
        self._watchman = None if blind or not self._looks else Watchman(view.folder)
        self._blind = blind
        self._looked = 0.0

    @property
    def _looks(self) -> bool:
        """Whether it takes all observations there can be."""
        edition = self._view.state.edition
        return edition.number == 0 or edition.planning is Planning.HINDSIGHT

    def done(self) -> bool:
        """Whether its plan is final, or another edition has taken its place."""
        return self._view.state.final or self._view.state.newest != self._number

    def step(self) -> bool:
        """Journal what is due; whether there was anything."""
        state, evidence = self._view.state, self._reader.evidence
        changed = self._view.poll() | self._reader.poll()
        if self.done():  # what another edition wants is not for this journal
            return False
        if self._watchman is not None:
            self._watchman.watch(state, evidence)
        if not changed and time.monotonic() - self._looked < _IDLE_S:
            return False
        blind = self._blind or (self._watchman is not None and self._watchman.hopeless)
        planner = Planner(state=state, clock=self._clock, evidence=evidence, blind=blind)
        first = state.edition.number == 0
        records = planner.due(Moment.now()) if first else edition_plan(planner, Moment.now())
        self._looked = time.monotonic()
        if records:
            self._journal.append(*records)
            self._looked = 0.0
        if records and first:
            for source in state.sources.values():
                evidence.forget(source, planner.needed_from)
        return bool(records)

    def close(self) -> None:
        """End the observer."""
        if self._watchman is not None:
            self._watchman.stop()


def observe(folder: LessonFolder) -> None:
    """Observe until everything recorded is observed."""
    from tracking.observe import Observer  # the planner does without OpenCV and its 60 MB

    observer = Observer(folder)
    try:
        observer.run()
    finally:
        observer.close()


def main() -> int:
    """Parse the arguments and run; gives the exit code of `process.stage`."""
    parser = argparse.ArgumentParser(prog="tracking", description="Watch the sources of a lesson and plan its shots.")
    parser.add_argument("lesson", type=Path, help="lesson folder")
    parser.add_argument("--blind", action="store_true", help="no analysis: the safe wide shot throughout")
    parser.add_argument("--observe", action="store_true", help="only observe (the planner's child process)")
    options = parser.parse_args()
    folder = LessonFolder(options.lesson.resolve())
    if options.observe:
        return run_stage("tracking.observe", lambda: observe(folder))
    return run_stage("tracking", lambda: plan(folder, blind=options.blind))


if __name__ == "__main__":
    sys.exit(main())
