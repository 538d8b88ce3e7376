"""`python -m tracking LESSON_DIR`: follow a lesson from raw segments to a final plan."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.state import LessonView
from process.stage import repeat, run_stage
from tracking.clocks import LessonClock
from tracking.evidence_reader import EvidenceReader
from tracking.planner import Planner
from tracking.watchman import Watchman

_IDLE_S = 0.5
"""Time alone makes something due (a source that is not waited for any more) no more often than this."""


def plan(folder: LessonFolder, *, blind: bool) -> None:
    """Plan until the plan is final. Raises `StorageError`, `JournalBusyError`, `LessonFormatError`."""
    view = LessonView(folder, last_needed=folder.plan_journal())
    reader = EvidenceReader(folder)
    clock = LessonClock(view.state)
    watchman = None if blind else Watchman(folder)
    looked = 0.0
    with JournalWriter(folder.plan_journal()) as journal:

        def step() -> bool:
            nonlocal looked
            changed = view.poll() | reader.poll()
            if watchman is not None:
                watchman.watch(view.state, reader.evidence)
            if not changed and time.monotonic() - looked < _IDLE_S:
                return False
            unseeing = watchman is None or watchman.hopeless
            planner = Planner(state=view.state, clock=clock, evidence=reader.evidence, blind=unseeing)
            records = planner.due(Moment.now())
            looked = time.monotonic()
            if records:
                journal.append(*records)
                looked = 0.0
                for source in view.state.sources.values():
                    reader.evidence.forget(source, planner.needed_from)
            return bool(records)

        try:
            repeat(step, lambda: view.state.final)
        finally:
            if watchman is not None:
                watchman.stop()


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
    parser = argparse.ArgumentParser(prog="tracking", description="Watch the feeds of a lesson and plan its shots.")
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
