"""What the disk itself shows is a fault of the box, beside what its conductor says."""

from __future__ import annotations

from pathlib import Path

from api.box import FaultBoard
from lesson.box import BoxLog, Fault
from process.disk import DiskProbe, Findings


def test_a_fault_of_the_disk_is_dated_from_when_it_was_seen_first(tmp_path: Path) -> None:
    found: list[Findings] = [{Fault.DISK_SLOW: "3 s"}, {Fault.DISK_SLOW: "4 s", Fault.DISK_REFUSES: "I/O"}, {}]
    probe = DiskProbe(tmp_path, lambda: found.pop(0), every_s=0.0, again_s=0.0, hangs_s=20.0, patience_s=20.0)
    board = FaultBoard(tmp_path, probe)
    (slow,), (still_slow, refuses) = board.open(), board.open()
    assert (slow.code, slow.about, slow.detail) == (Fault.DISK_SLOW, "disk", "3 s")
    assert (still_slow.at, still_slow.detail) == (slow.at, "4 s")
    assert refuses.at.monotonic_ns > slow.at.monotonic_ns
    assert board.open() == []


def test_what_the_conductor_says_of_the_disk_is_not_said_twice(tmp_path: Path) -> None:
    log = BoxLog(tmp_path)
    log.settle({(Fault.DISK_REFUSES, "disk"): "said by the conductor"})
    log.close()
    findings = {Fault.DISK_REFUSES: "seen", Fault.DISK_SLOW: "seen"}
    probe = DiskProbe(tmp_path, lambda: findings, every_s=0.0, again_s=0.0, hangs_s=20.0, patience_s=20.0)
    found = [(one.code, one.detail) for one in FaultBoard(tmp_path, probe).open()]
    assert found == [(Fault.DISK_REFUSES, "said by the conductor"), (Fault.DISK_SLOW, "seen")]
