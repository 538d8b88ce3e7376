"""A control journal that a bad disk or a power cut spoils: no lesson is lost without a word, none runs again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.catalogue import Catalogue
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.glance import glance, lesson_window
from lesson.journal import JournalReader, append_records, read_journal
from lesson.lifecycle import start_lesson, stop_lesson
from lesson.phase import Phase
from lesson.presumed import START_LOST, STOP_LOST
from lesson.records import SourceFinished, Stop
from lesson.verify import verify_local
from lesson.view import LessonView, load_state
from tests.kit.lessons import epoch_started, make_lesson, moment, record_all, start, stop
from tests.kit.room import template

SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "two bytes": lambda data: data[:40] + bytes([data[40] ^ 0x10, data[41] ^ 0x10]) + data[42:],
    "line end": lambda data: data[:-1] + b"\x1a",
    "empty": lambda _data: b"",
    "NULs": lambda data: bytes(len(data)),
}


STAGES = ("raw", "plan", "enc", "pub")
"""Folders of journals, in the order in which they follow from each other."""


def spoil(path: Path, how: str) -> None:
    path.write_bytes(SPOILED[how](path.read_bytes()))


def flip(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def live(root: Path, *, finished: bool) -> LessonFolder:
    """A lesson recorded from 0 s on, stopped at 12 s if `finished`."""
    folder = make_lesson(root)
    record_all(folder, finished=finished)
    return folder


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_running_lesson_whose_start_is_lost_runs_and_can_be_stopped(
    tmp_path: Path, how: str, restarted: bool
) -> None:
    folder = live(tmp_path, finished=False)
    catalogue, view = Catalogue(tmp_path), LessonView(folder)
    assert catalogue.running()
    view.poll()
    spoil(folder.control_journal, how)
    if restarted:
        catalogue, view = Catalogue(tmp_path), LessonView(LessonFolder(folder.path))
    view.poll()
    assert view.state.phase is Phase.RECORDING
    running = catalogue.running()
    assert running is not None
    assert running.id == folder.id
    assert [one.folder.id for one in catalogue.damaged()] == [folder.id]
    entry = glance(folder)
    assert entry.phase is Phase.RECORDING
    assert START_LOST in str(entry.problem)
    assert any(START_LOST in problem for problem in verify_local(folder))

    same, is_new = start_lesson(tmp_path, template(), catalogue=catalogue)
    assert (same.id, is_new) == (folder.id, False)
    assert stop_lesson(tmp_path, folder)
    view.poll()
    assert view.state.stop is not None
    assert catalogue.running() is None
    assert any(isinstance(record, Stop) for record in read_journal(folder.control_journal))


@pytest.mark.parametrize("how", SPOILED)
def test_without_anything_recorded_a_lost_start_is_not_guessed(tmp_path: Path, how: str) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    spoil(folder.control_journal, how)
    assert Catalogue(tmp_path).running() is None
    assert load_state(folder).phase is Phase.CREATED


def test_a_lesson_whose_start_is_lost_is_found_once_it_records(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    catalogue = Catalogue(tmp_path)
    spoil(folder.control_journal, "two bytes")
    assert catalogue.running() is None
    assert [one.folder.id for one in catalogue.damaged()] == [folder.id]
    append_records(folder.raw_journal("teacher"), [epoch_started(folder.header.sources[0])])
    running = catalogue.running()
    assert running is not None
    assert running.id == folder.id


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_of_a_finished_control_journal_brings_the_lesson_back(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    folder = live(root, finished=True)
    sound = load_state(folder)
    data = folder.control_journal.read_bytes()
    flip(folder.control_journal, int(at * len(data)), bit)
    state = load_state(folder)
    assert (state.phase, state.captured) == (Phase.PROCESSING, True)
    assert state.duration == sound.duration
    window = lesson_window(folder)
    assert (window.start, window.stop) == (state.start, state.stop)
    entry = glance(folder)
    assert entry.phase is Phase.PROCESSING
    assert entry.duration_s == 12.0
    problems = verify_local(folder)
    assert any("control.jsonl" in problem for problem in problems)
    catalogue = Catalogue(root)
    assert catalogue.running() is None
    assert [one.id for one in catalogue.unfinished()] == [folder.id]
    _, is_new = start_lesson(root, template(), catalogue=catalogue)
    assert is_new


def test_a_lost_stop_is_said_as_long_as_the_lesson_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesson.catalogue.SETTLE_S", 0.0)
    folder = live(tmp_path, finished=True)
    for before_its_end in (5, 30):
        flip(folder.control_journal, folder.control_journal.stat().st_size - before_its_end, 1)
    catalogue = Catalogue(tmp_path)
    for _ in range(3):
        [damaged] = catalogue.damaged()
        assert STOP_LOST in str(damaged.problem)


def test_a_lost_stop_is_found_out_when_the_last_source_finishes(tmp_path: Path) -> None:
    folder = live(tmp_path, finished=False)
    with folder.control_journal.open("ab") as file:
        file.write(b'{"type":"Stop"}\n')
    catalogue, view = Catalogue(tmp_path), LessonView(folder)
    view.poll()
    assert catalogue.running() is not None
    assert view.state.stop is None
    for source in folder.header.sources:
        append_records(folder.raw_journal(source.id), [SourceFinished(source=source.id, at=moment(20))])
    view.poll()
    assert catalogue.running() is None
    assert view.state.captured


@pytest.mark.parametrize("broken", range(10))
def test_one_journal_that_cannot_be_read_hides_nothing_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    folder = live(tmp_path, finished=False)
    view = LessonView(folder)
    view.poll()
    journals = folder.state_journals()
    assert len(journals) == 10
    spec = folder.header.sources[0]
    for source in folder.header.sources:
        append_records(folder.raw_journal(source.id), [epoch_started(source, 1, at=moment(20))])
    stop(folder)
    poll = JournalReader.poll

    def refuse(reader: JournalReader) -> list[object]:
        if reader.path == journals[broken]:
            raise StorageError(f"{reader.path}: Input/output error")
        return list(poll(reader))

    with monkeypatch.context() as patch:
        patch.setattr(JournalReader, "poll", refuse)
        with pytest.raises(StorageError, match="Input/output error"):
            view.poll()
        for source in folder.header.sources:
            read = folder.raw_journal(source.id) != journals[broken]
            assert len(view.state.sources[source.id].epochs) == 1 + read
        assert (view.state.stop is not None) == (journals[broken] != folder.control_journal)
        assert any("Input/output error" in line for line in view.damage)
        place = folder.relative(journals[broken]).split("/")[0]
        for count in range(len(STAGES)):
            tolerant = LessonView(folder, needs=STAGES[:count])
            if place in (*STAGES[count:], "signal"):
                tolerant.poll()  # nobody is kept from work by what comes after it
            else:
                with pytest.raises(StorageError, match="Input/output error"):
                    tolerant.poll()
    view.poll()
    assert view.unread == {}
    assert view.state == load_state(folder)
    assert len(view.state.sources[spec.id].epochs) == 2
