"""`record` started again: which lesson it carries on, and that nothing else is started or folded for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from classroom import commands
from classroom.commands import INTERRUPTED, LessonOutcome, demo_settings, record
from classroom.lesson_run import LessonBusyError
from classroom.settings import Settings
from lesson.clock import Moment
from lesson.folder import LessonFolder, lessons_in
from lesson.journal import append_records
from lesson.lifecycle import stop_lesson, window
from lesson.records import SegmentCommitted, Verified
from lesson.view import load_state
from tests.kit.lessons import TEACHER_AND_MIC, epoch_started, make_lesson, segment, start
from tests.kit.room import ago

TEACHER = TEACHER_AND_MIC[0]
MINUTE = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return demo_settings(tmp_path, 8000)


@pytest.fixture(autouse=True)
def finished(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Lessons that `record` went to work on; the work itself is not done."""
    ids: list[str] = []

    def finish(folder: LessonFolder, *_: object) -> LessonOutcome:
        ids.append(folder.id)
        return LessonOutcome({"lesson_id": folder.id}, ok=True)

    monkeypatch.setattr(commands, "finish", finish)
    return ids


def interrupted(settings: Settings, lesson_id: str, *, began: Moment, for_s: float | None = 45 * MINUTE,
                recorded: bool = True) -> LessonFolder:  # fmt: skip
    folder = make_lesson(settings.root, lesson_id)
    start(folder, at=began, for_s=for_s)
    if recorded:
        records = [epoch_started(TEACHER, at=began), SegmentCommitted(segment=segment(TEACHER, 0))]
        append_records(folder.raw_journal(TEACHER.id), records)
    return folder


def publish(folder: LessonFolder) -> None:
    append_records(folder.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256="0" * 64)])


def again(settings: Settings, said: list[str] | None = None) -> str:
    outcome = record(settings, for_s=45 * MINUTE, title=None, say=(said if said is not None else []).append)
    return str(outcome.report["lesson_id"])


def test_within_its_window_the_lesson_goes_on(settings: Settings) -> None:
    old = interrupted(settings, "20260101-080000-aaaa", began=ago(40 * MINUTE))
    assert again(settings) == old.id
    assert window(old)[1] is None


def test_after_its_window_the_lesson_is_finished_and_nothing_new_starts(settings: Settings) -> None:
    old = interrupted(settings, "20260101-080000-aaaa", began=ago(50 * MINUTE))
    for _ in range(3):  # ended while it publishes, and started again
        assert again(settings) == old.id
    assert [folder.id for folder in lessons_in(settings.root)] == [old.id]
    stop = window(old)[1]
    assert stop is not None
    assert stop.reason == INTERRUPTED
    publish(old)
    assert again(settings) != old.id
    assert len(list(lessons_in(settings.root))) == 2


def test_a_window_that_began_late_is_measured_from_then(settings: Settings) -> None:
    """The required camera came after 20 minutes: at minute 50 there are 15 minutes left."""
    old = make_lesson(settings.root, "20260101-080000-aaaa")
    start(old, at=ago(50 * MINUTE), for_s=45 * MINUTE)
    append_records(old.raw_journal(TEACHER.id), [epoch_started(TEACHER, at=ago(30 * MINUTE))])
    assert again(settings) == old.id
    assert window(old)[1] is None


def test_a_closed_lesson_that_cannot_be_published_costs_the_next_class_nothing(settings: Settings) -> None:
    old = interrupted(settings, "20260101-080000-aaaa", began=ago(200 * MINUTE))
    stop_lesson(settings.root, old, reason=INTERRUPTED, at=ago(46 * MINUTE))
    said: list[str] = []
    assert again(settings, said) != old.id
    assert f"lesson {old.id} is unfinished: `classreel process {old.id}` finishes it" in said


def test_a_lesson_that_was_stopped_in_time_is_finished_only_within_its_window(settings: Settings) -> None:
    old = interrupted(settings, "20260101-080000-aaaa", began=ago(40 * MINUTE))
    stop_lesson(settings.root, old, reason="Ctrl-C", at=ago(35 * MINUTE))
    assert again(settings) == old.id
    older = interrupted(settings, "20260101-070000-aaaa", began=ago(50 * MINUTE))
    stop_lesson(settings.root, older, reason="its time is over", at=ago(5 * MINUTE))
    publish(old)
    assert again(settings) not in {old.id, older.id}


def test_where_nothing_was_recorded_there_is_nothing_to_finish(settings: Settings) -> None:
    old = interrupted(settings, "20260101-080000-aaaa", began=ago(50 * MINUTE), recorded=False)
    assert again(settings) != old.id
    assert window(old)[1] is not None


def test_of_several_the_newest_goes_on_and_the_others_are_named(settings: Settings) -> None:
    older = interrupted(settings, "20260101-070000-aaaa", began=ago(90 * MINUTE))
    newest = interrupted(settings, "20260101-080000-aaaa", began=ago(20 * MINUTE))
    broken = interrupted(settings, "20260101-090000-aaaa", began=ago(10 * MINUTE))
    broken.header_path.write_bytes(b"{")
    broken.header_copy.unlink()
    said: list[str] = []
    assert again(settings, said) == newest.id
    assert f"lesson {older.id} is unfinished: `classreel process {older.id}` finishes it" in said
    assert any(line.startswith(f"lesson {broken.id} cannot be read: ") for line in said)
    assert window(older)[1] is None


def test_only_that_lesson_is_folded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        interrupted(settings, f"2026010{index}-080000-aaaa", began=ago(90 * MINUTE))
    folded: list[str] = []

    def counted(folder: LessonFolder) -> object:
        folded.append(folder.id)
        return load_state(folder)

    monkeypatch.setattr(commands, "load_state", counted)
    assert again(settings) == "20260104-080000-aaaa"
    assert set(folded) == {"20260104-080000-aaaa"}


def test_a_lesson_of_the_button_is_left_alone(settings: Settings, finished: list[str]) -> None:
    button = interrupted(settings, "20260101-080000-aaaa", began=ago(MINUTE), for_s=None)
    with pytest.raises(LessonBusyError, match=button.id):
        again(settings)
    assert finished == []
