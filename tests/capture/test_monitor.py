"""What is recorded is looked at, from the disk; what cannot be looked at says so and holds up nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from capture.monitor import MOST_BEHIND, PASSED_OVER, Monitor
from lesson.folder import LessonFolder
from lesson.journal import append_records, read_journal
from lesson.model import Kind, SourceSpec
from lesson.records import SegmentMeasured
from lesson.signal import FLAW_KINDS, Flaw
from lesson.time import TICKS_PER_SECOND
from lesson.view import load_state
from tests.kit.capturing import Capture, live_lesson, stop_now
from tests.kit.films import cut, film, frame_of
from tests.kit.flawed import PICTURES, SIZE, filmed, flawed_clip
from tests.kit.lessons import source
from tests.kit.room import began, committed
from tests.kit.waiting import wait_until

TEACHER, MIC = source("teacher"), source("mic")
ALL = [None, *Flaw]


def lesson(tmp_path: Path, *specs: SourceSpec) -> LessonFolder:
    folder = live_lesson(tmp_path, *specs)
    for spec in specs:
        append_records(folder.raw_journal(spec.id), [began(spec)])
    return folder


def commit(folder: LessonFolder, spec: SourceSpec, seq: int, media: Path) -> None:
    append_records(folder.raw_journal(spec.id), [committed(folder, spec, seq, media=media)])


def look(monitor: Monitor) -> None:
    while monitor.step():
        pass


def lines(folder: LessonFolder) -> list[SegmentMeasured]:
    return [one for one in read_journal(folder.signal_journal) if isinstance(one, SegmentMeasured)]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One segment of each flaw, and `room.mkv` and `speech.mkv` without."""
    folder = tmp_path_factory.mktemp("segments")
    for flaw in Flaw:
        flawed_clip(folder / f"{flaw.value}.mkv", flaw, seconds=4)
    flawed_clip(folder / "room.mkv", None, seconds=4, kind=Kind.VIDEO)
    flawed_clip(folder / "speech.mkv", None, seconds=4, kind=Kind.AUDIO)
    return folder


@pytest.mark.parametrize("flaw", Flaw)
def test_each_flaw_is_found_in_what_lies_on_the_disk(tmp_path: Path, media: Path, flaw: Flaw) -> None:
    spec, good = (MIC, "speech") if FLAW_KINDS[flaw] is Kind.AUDIO else (TEACHER, "room")
    folder = lesson(tmp_path, spec)
    monitor = Monitor(folder)
    for seq in range(4):
        commit(folder, spec, seq, media / f"{flaw.value}.mkv")
        look(monitor)
    said = load_state(folder).sources[spec.id].signal
    assert said.newest is not None
    assert said.newest.flaws == (flaw.value,)
    assert said.flaws == (() if flaw is Flaw.FAINT else (flaw.value,)), "faint only after a minute"
    commit(folder, spec, 4, media / f"{good}.mkv")
    look(monitor)
    monitor.close()
    assert load_state(folder).sources[spec.id].signal.flaws == ()


def test_what_is_well_recorded_has_levels_and_no_flaw(tmp_path: Path, media: Path) -> None:
    folder = lesson(tmp_path, TEACHER, MIC)
    monitor = Monitor(folder)
    for seq in range(3):
        commit(folder, TEACHER, seq, media / "room.mkv")
        commit(folder, MIC, seq, media / "speech.mkv")
        look(monitor)
    monitor.close()
    assert [one.flaws for one in lines(folder) if one.source == "mic"] == [()] * 3
    assert all(one.sound and -20 < one.sound.peak_db < 0 for one in lines(folder) if one.source == "mic")
    shown = [one.picture for one in lines(folder) if one.source == "teacher"]
    assert all(one and 60 < one.mean < 160 for one in shown)


def test_who_comes_late_or_falls_behind_looks_at_what_is_newest_and_says_what_it_passed_over(
    tmp_path: Path, media: Path
) -> None:
    folder = lesson(tmp_path, MIC)
    for seq in range(3):
        commit(folder, MIC, seq, media / "speech.mkv")
    monitor = Monitor(folder)
    look(monitor)
    assert [one.seq for one in lines(folder)] == [2]
    for seq in range(3, 8):
        commit(folder, MIC, seq, media / "speech.mkv")
    look(monitor)
    found = {one.seq: one.problem for one in lines(folder)}
    assert [seq for seq, problem in found.items() if problem == PASSED_OVER] == [3, 4, 5]
    assert [seq for seq, problem in found.items() if problem is None] == [2, 6, 7]
    assert MOST_BEHIND == 2
    monitor.close()
    later = Monitor(folder)
    assert not later.step(), "nothing is looked at twice"
    later.close()


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"\x1aE\xdf\xa3" + b"\xff" * 3000])
def test_what_cannot_be_decoded_says_so_and_holds_up_nothing(tmp_path: Path, media: Path, content: bytes) -> None:
    folder = lesson(tmp_path, TEACHER, MIC)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(content)
    monitor = Monitor(folder)
    commit(folder, TEACHER, 0, broken)
    commit(folder, MIC, 0, media / "speech.mkv")
    look(monitor)
    commit(folder, TEACHER, 1, media / "black.mkv")
    folder.segment_path("teacher", 0, 1).unlink()
    look(monitor)
    monitor.close()
    by_source = {(one.source, one.seq): one for one in lines(folder)}
    assert by_source["teacher", 0].problem
    assert by_source["teacher", 1].problem
    assert by_source["mic", 0].sound
    state = load_state(folder)
    assert state.sources["teacher"].signal.flaws == ()
    assert (state.sources["teacher"].measured, state.sources["mic"].measured) == (False, True)


@pytest.mark.parametrize("options", [{"crf": "30"}, {"b": "1500k"}], ids=str)
def test_a_picture_that_is_coded_over_and_over_is_found_frozen(tmp_path: Path, options: dict[str, str]) -> None:
    """A camera that hangs behind its sensor goes on coding: its pictures differ a little, and settle."""
    still = PICTURES[None]()
    whole = film(
        tmp_path / "still.mkv", [n * 9_600 for n in range(160)], size=SIZE,
        options={"preset": "veryfast", "g": "20", **options}, draw=lambda _at: frame_of(still),
    )  # fmt: skip
    folder = lesson(tmp_path, TEACHER)
    monitor = Monitor(folder)
    for seq, part in enumerate(cut(whole, tmp_path / "parts", every=4 * TICKS_PER_SECOND)):
        commit(folder, TEACHER, seq, part)
        look(monitor)
    monitor.close()
    assert load_state(folder).sources["teacher"].signal.flaws == ("frozen",)


def test_a_real_recording_is_looked_at_while_it_runs(tmp_path: Path) -> None:
    black = filmed(tmp_path / "black.mkv", [Flaw.BLACK] * 20)
    folder = live_lesson(tmp_path, source("teacher", uri=f"file:{black}?loop"))
    with (
        Capture(folder, "teacher") as capture,
        Capture(folder, "", module="capture.monitor", env={**os.environ}) as looking,
    ):
        wait_until(lambda: load_state(folder).sources["teacher"].signal.flaws == ("black",), 60)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
        assert looking.wait() == 0, looking.log
