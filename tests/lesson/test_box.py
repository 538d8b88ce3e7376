"""The box's own journal: faults that stand until they are cleared, bounded, and no reason to stop for a bad disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lesson import box
from lesson.box import BoxLog, BoxState, BoxView, Fault, box_journal, remedy
from lesson.errors import DiskFullError
from lesson.journal import JournalWriter
from lesson.records import FaultCleared, FaultRaised, JobEnded, JobStarted, Record, SourceFinished
from tests.kit.lessons import moment

STORE = (Fault.STORE_REFUSES, "lesson/publish")
DISK = (Fault.DISK_SLOW, "disk")


def keys(state: BoxState) -> list[tuple[str, str]]:
    return list(state.faults)


def test_a_fault_stands_once_until_it_is_cleared() -> None:
    state = BoxState()
    first = FaultRaised(code="store_refuses", about="a", at=moment(), detail="key")
    for record in (first, FaultRaised(code="store_refuses", about="a", at=moment(9), detail="again")):
        state.apply(record)
    assert list(state.faults.values()) == [replace(first, detail="again")], "since when, and why now"
    for cleared in ("b", "a", "a"):
        state.apply(FaultCleared(code="store_refuses", about=cleared, at=moment()))
    state.apply(SourceFinished(source="teacher", at=moment()))
    assert state.faults == {}


def test_processes_are_counted_by_stage() -> None:
    state = BoxState()
    for source in ("teacher", "mic"):
        state.apply(JobStarted(stage="capture", source=source, lesson="l", at=moment()))
    state.apply(JobEnded(stage="capture", source="mic", lesson="l", at=moment(), code=-9, reason="hung"))
    assert (state.starts["capture"], state.failures["capture"], state.restarts["capture"]) == (2, 1, 0)
    for source in ("teacher", "mic", "mic"):
        state.apply(JobStarted(stage="capture", source=source, lesson="l", at=moment()))
    assert (state.starts["capture"], state.restarts["capture"]) == (5, 1), "only what had failed is started again"


def test_a_fault_is_counted_each_time_it_is_raised_anew() -> None:
    state = BoxState()
    fault = FaultRaised(code="store_refuses", about="a", at=moment(), detail="key")
    for record in (fault, fault, FaultCleared(code="store_refuses", about="a", at=moment()), fault):
        state.apply(record)
    assert state.raised == {"store_refuses": 2}


@pytest.mark.parametrize("code", list(Fault))
def test_every_fault_has_a_remedy(code: Fault) -> None:
    assert remedy(code)
    assert remedy("a code of a later version") == ""


def test_what_is_found_stands_and_what_is_not_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, view = BoxLog(tmp_path), BoxView(tmp_path)
    log.settle({STORE: "wrong key", DISK: "2 s"})
    log.settle({STORE: "no space", DISK: "2 s"})
    assert keys(view.poll()) == [STORE, DISK]
    assert view.state.faults[STORE].detail == "wrong key", "not more often than once in a while"
    monkeypatch.setattr(box, "_REWRITE_S", 0.0)
    log.settle({STORE: "no space", DISK: "2 s"})
    assert view.poll().faults[STORE].detail == "no space"
    log.settle({DISK: "2 s"})
    assert keys(view.poll()) == [DISK]
    log.close()


def test_a_new_life_knows_the_faults_of_the_one_before_and_may_leave_them(tmp_path: Path) -> None:
    before = BoxLog(tmp_path)
    before.settle({STORE: "wrong key"})
    before.close()
    log = BoxLog(tmp_path)
    log.settle({DISK: "2 s"}, over=lambda _code: False)
    log.settle({}, over=lambda code: code != STORE[0])  # its own faults it may clear at once
    assert keys(log.state) == [STORE]
    log.settle({})
    assert keys(BoxView(tmp_path).poll()) == []


def test_a_lesson_that_is_done_has_no_faults(tmp_path: Path) -> None:
    log, stuck, other = BoxLog(tmp_path), (Fault.LESSON_STUCK, "lesson"), (Fault.LESSON_STUCK, "other")
    log.settle({STORE: "wrong key", stuck: "publish", other: "encode", DISK: "2 s"})
    log.clear_lesson("lesson")
    assert keys(BoxView(tmp_path).poll()) == [other, DISK]
    log.close()


def test_the_journal_is_bounded_and_readers_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "MAX_BYTES", 3_000)
    log, view = BoxLog(tmp_path), BoxView(tmp_path)
    log.settle({STORE: "wrong key"})
    for number in range(200):
        log.write(JobStarted(stage="encode", lesson="l", at=moment(number)))
        assert keys(view.poll()) == [STORE]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * 3_000
    assert {path.name for path in tmp_path.iterdir()} == {"box.jsonl", "box.1.jsonl"}
    log.close()


def test_what_the_disk_refuses_is_written_when_it_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, view, full = BoxLog(tmp_path), BoxView(tmp_path), True
    append = JournalWriter.append

    def refusing(self: JournalWriter, *records: Record) -> None:
        if full:
            raise DiskFullError("no space")
        append(self, *records)

    monkeypatch.setattr(JournalWriter, "append", refusing)
    log.settle({STORE: "wrong key"})
    assert keys(log.state) == [STORE]
    assert keys(view.poll()) == []
    full = False
    log.settle({STORE: "wrong key", DISK: "full"})
    assert keys(view.poll()) == [STORE, DISK]
    log.close()


def test_a_journal_that_cannot_be_opened_stops_nobody(tmp_path: Path) -> None:
    box_journal(tmp_path).mkdir()
    log = BoxLog(tmp_path)
    log.settle({STORE: "wrong key"})
    assert keys(log.state) == [STORE]
    log.close()


def test_nothing_is_made_where_the_root_was(tmp_path: Path) -> None:
    root = tmp_path / "disk" / "root"
    root.mkdir(parents=True)
    log = BoxLog(root)
    root.rmdir()
    log.write(FaultRaised(code="disk_refuses", about="disk", at=moment()))
    assert not root.exists(), "its disk was pulled: this is the folder below it"
    assert ("disk_refuses", "disk") in log.state.faults, "known all the same"
    root.mkdir()
    log.write(FaultRaised(code="disk_slow", about="disk", at=moment()))
    assert {code for code, _ in BoxView(root).poll().faults} == {"disk_refuses", "disk_slow"}
    log.close()
