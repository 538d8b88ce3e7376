"""`python -m capture.monitor LESSON_DIR`: look at what is being recorded, segment by segment, until the lesson stops.

In a process of its own: a decoder may crash on a damaged picture, and recording must not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import structlog

from capture.measure import Measurer
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import Kind
from lesson.records import SegmentMeasured
from lesson.source_state import SourceState
from lesson.view import LessonView
from process.memory import give_back
from process.stage import repeat, run_stage

MOST_BEHIND = 2
"""Segments of a source that may wait. When more do, the older ones are passed over: what counts is how it is now."""
PASSED_OVER = "not looked at: there was too much to do"

_log = structlog.get_logger()


class Monitor:
    """Measures the newest segments of a lesson. `close` lets go of its journal.

    A segment on which this process died is passed over by the next one, which begins with the newest there is.
    Raises `JournalBusyError`, `StorageError`.
    """

    def __init__(self, folder: LessonFolder) -> None:
        cv2.setNumThreads(1)
        self._view = LessonView(folder, needs=("raw",))
        self._journal = JournalWriter(folder.signal_journal)
        backups = {spec.id: spec.backup for spec in folder.header.sources if spec.backup}
        self._listened = {*backups, *backups.values()}  # the plan asks of every second whether they can be heard
        self._measurers = {spec.id: Measurer(spec.role) for spec in folder.header.sources}
        self._view.poll()
        self._next = {name: self._first(source) for name, source in self._view.state.sources.items()}

    def _first(self, source: SourceState) -> int:
        """Position of the first segment to look at: the newest, unless that is measured already."""
        newest, count = source.signal.newest, len(source.segments)
        if count and newest is not None:
            last = source.segments[-1]
            return count - ((newest.epoch, newest.seq) < (last.epoch, last.seq))
        return max(0, count - 1)

    def run(self) -> None:
        """Until the lesson stops."""
        repeat(self.step, lambda: self._view.state.stop is not None)

    def step(self) -> bool:
        """Measure what is newest of each source; whether there was anything."""
        self._view.poll()
        found = [record for source in self._view.state.sources.values() for record in self._measured(source)]
        if found:
            self._journal.append(*found)
            give_back()
        return bool(found)

    def _measured(self, source: SourceState) -> list[SegmentMeasured]:
        name, found = source.spec.id, []
        for position in range(self._next[name], len(source.segments)):
            segment = source.segments[position]
            old = position < len(source.segments) - MOST_BEHIND
            if old and name not in self._listened:
                found.append(_unmeasured(name, segment.epoch, segment.seq))
                continue
            path = self._view.folder.absolute(segment.path)
            found.append(self._measurers[name].measure(path, segment, only=Kind.AUDIO if old else None))
            if problem := found[-1].problem:
                _log.warning("segment_unmeasured", path=segment.path, error=problem)
        self._next[name] = len(source.segments)
        return found

    def close(self) -> None:
        self._journal.close()


def _unmeasured(source: str, epoch: int, seq: int) -> SegmentMeasured:
    return SegmentMeasured(source=source, epoch=epoch, seq=seq, problem=PASSED_OVER)


def _monitor(folder: LessonFolder) -> None:
    monitor = Monitor(folder)
    try:
        monitor.run()
    finally:
        monitor.close()


def main() -> int:
    """Parse the arguments and run; gives the exit code of `process.stage`."""
    parser = argparse.ArgumentParser(prog="python -m capture.monitor", description="Look at what is being recorded.")
    parser.add_argument("lesson", type=Path, help="the lesson folder")
    folder = LessonFolder(parser.parse_args().lesson.resolve())
    return run_stage("signal", lambda: _monitor(folder))


if __name__ == "__main__":
    sys.exit(main())
