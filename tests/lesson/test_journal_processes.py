"""Journals between processes: writers killed at any instant, followers beside them, forks that outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lesson.errors import JournalBusyError
from lesson.journal import JournalReader, JournalWriter, append_records, read_journal
from lesson.records import FrozenUntil, Record, SegmentObserved
from lesson.view import LessonView
from tests.kit.lessons import make_lesson
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

_WRITE_ON = """
import sys
from pathlib import Path
from lesson.journal import JournalWriter, read_journal
from lesson.model import Rectangle, Observation
from lesson.records import SegmentObserved
path = Path(sys.argv[1])
seq = len(read_journal(path))
faces = (Rectangle(0.1, 0.2, 0.3, 0.4),) * 2_000
with JournalWriter(path) as journal:
    while True:
        seen = tuple(Observation(at=n, faces=faces) for n in range(seq % 7))
        journal.append(SegmentObserved(source="t", epoch=0, seq=seq, detector="d", observations=seen))
        seq += 1
"""


def _start(script: str, *args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)], stdout=subprocess.PIPE)


def _numbers(records: list[Record]) -> list[int]:
    return [record.seq for record in records if isinstance(record, SegmentObserved)]


def test_a_follower_misses_and_repeats_nothing_while_writers_are_killed(tmp_path: Path) -> None:
    """Lines are up to 1 MB, so that some kills and some polls fall into the middle of one."""
    path = tmp_path / "journal.jsonl"
    reader = JournalReader(path)
    seen: list[int] = []
    for life in range(3):
        writer = _start(_WRITE_ON, path)
        try:
            target = len(seen) + 5 + 3 * life

            def followed(goal: int = target) -> bool:
                seen.extend(_numbers(reader.poll()))
                return len(seen) >= goal

            wait_until(followed, 30, what=f"{target} records", poll_s=0.003)
        finally:
            writer.kill()
            writer.communicate(timeout=10)
        assert writer.returncode == -signal.SIGKILL
    seen.extend(_numbers(reader.poll()))
    append_records(path, [FrozenUntil(at=1)])
    assert reader.poll() == [FrozenUntil(at=1)]
    assert seen == list(range(len(seen)))
    assert reader.damage == []
    assert _numbers(read_journal(path)) == seen


_HOLD = """
import sys, time
from pathlib import Path
from lesson.journal import JournalWriter
journal = JournalWriter(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_the_journal_is_free_as_soon_as_its_writer_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = _start(_HOLD, path)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        with pytest.raises(JournalBusyError):
            JournalWriter(path)
    finally:
        writer.kill()
        writer.communicate(timeout=10)
    append_records(path, [FrozenUntil(at=1)])


_FORK = """
import os, sys, time
from pathlib import Path
from lesson.journal import JournalWriter
journal = JournalWriter(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    time.sleep(600)
print(child, flush=True)
time.sleep(600)
"""


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = _start(_FORK, path)
    child = 0
    try:
        assert writer.stdout is not None
        child = int(writer.stdout.readline())
        with pytest.raises(JournalBusyError):
            JournalWriter(path)
        writer.kill()
        writer.wait(timeout=10)

        def free() -> bool:
            try:
                append_records(path, [FrozenUntil(at=1)])
            except JournalBusyError:
                return False
            return True

        wait_until(free, 5, what="a journal free again")
        os.kill(child, 0)  # it lives on
    finally:
        writer.kill()
        if child:
            os.kill(child, signal.SIGKILL)
        writer.communicate(timeout=10)


_TWO_JOURNALS = """
import sys
from pathlib import Path
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.records import FrozenUntil
from tests.kit.lessons import TEACHER_AND_MIC, epoch_started, segment
from lesson.records import SegmentCommitted
folder = LessonFolder(Path(sys.argv[1]))
spec = TEACHER_AND_MIC[0]
raw, plan = JournalWriter(folder.raw_journal(spec.id)), JournalWriter(folder.plan_journal())
raw.append(epoch_started(spec))
print("writing", flush=True)
for seq in range(4_000):
    raw.append(SegmentCommitted(segment=segment(spec, seq)))
    plan.append(FrozenUntil(at=seq + 1))
"""


def test_no_effect_is_seen_before_its_cause(tmp_path: Path) -> None:
    """A plan frozen over a segment that the same view does not know would be rendered without it."""
    folder = make_lesson(tmp_path)
    writer = _start(_TWO_JOURNALS, folder.path)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        view = LessonView(folder)
        looks = 0
        while view.state.frozen_until < 300:
            looks += view.poll()
            assert len(view.state.sources["teacher"].segments) >= view.state.frozen_until
        assert looks > 10
    finally:
        writer.kill()
        writer.communicate(timeout=10)
