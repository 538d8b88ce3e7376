"""A lesson, a rung and a gap look the same wherever they are told: command line, pages, manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.schema import LessonOut, SummaryOut
from classroom.report import lesson_entry, lesson_report, lesson_row, verify_lines, verify_report
from lesson.editions import skip_rung
from lesson.folder import LessonFolder
from lesson.glance import glance
from lesson.journal import append_records
from lesson.listing import DAMAGED, listed_lesson
from lesson.manifest import manifest
from lesson.records import EditionStarted
from lesson.time import TICKS_PER_SECOND
from lesson.view import LessonView
from tests.kit.lessons import encode_all, make_lesson, moment, plan_all, record_all, stop


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    """A lesson whose sources end seconds before its plan does."""
    folder = make_lesson(tmp_path)
    record_all(folder)
    plan_all(folder, end=20 * TICKS_PER_SECOND)
    encode_all(folder, end=20 * TICKS_PER_SECOND)
    stop(folder)
    return folder


def view_of(folder: LessonFolder) -> LessonView:
    view = LessonView(folder)
    view.poll()
    return view


def test_rungs_and_gaps_are_told_in_one_way(folder: LessonFolder) -> None:
    view = view_of(folder)
    report = lesson_report(folder, view, [])
    shown = LessonOut.of_state(view.state, []).model_dump()
    sealed = json.loads(manifest(view.state))
    assert {gap["source"] for gap in report["gaps"]} == {"teacher", "mic"}
    assert report["gaps"] == shown["gaps"] == sealed["gaps"]
    assert report["renditions"] == sealed["renditions"]
    for told, rung in zip(report["renditions"], shown["renditions"], strict=True):
        chunks = rung.pop("chunks")
        assert chunks == view.state.renditions[told["name"]].leading > 0
        assert {key: value or 0 for key, value in rung.items()} == told


def test_the_line_of_a_lesson_is_the_same_in_every_list_and_report(folder: LessonFolder) -> None:
    view = view_of(folder)
    listed, report = lesson_entry(glance(folder)), lesson_report(folder, view, [])
    assert listed == {key: report[key] for key in listed} | {"gap_count": None}  # gaps need the fold, or the manifest
    assert SummaryOut.of(listed_lesson(glance(folder))).model_dump() | {"lesson_dir": str(folder.path)} == listed


@pytest.mark.parametrize("by", ["RungSkipped", "EditionStarted"])
def test_a_rung_that_is_left_out_is_said_wherever_a_lesson_is_told_of(folder: LessonFolder, by: str) -> None:
    if by == "RungSkipped":
        why = "this box is too slow for it"
        skip_rung(folder.path.parent, folder, "high", why)
    else:
        why = "edition 1 does without it"
        append_records(folder.control_journal, [EditionStarted(number=1, at=moment(), rungs=("voice", "low"))])
    view, said = view_of(folder), [{"name": "high", "reason": why}]
    listed, report = lesson_entry(glance(folder)), lesson_report(folder, view, [])
    assert [list(one["left_out"]) for one in (listed, report)] == [said, said]
    assert f"high is left out: {why}" in report["problems"]
    assert lesson_row(listed)[2] == "processing without high"
    shown = LessonOut.of_state(view.state, []).model_dump()
    assert list(shown["left_out"]) == said
    checked = verify_report(folder, [])
    assert (checked["ok"], checked["left_out"]) == (True, said)
    assert verify_lines(checked) == [f"lesson {folder.id} is sound", f"high is left out: {why}"]
    if by == "RungSkipped":
        sealed = json.loads(manifest(view.state))
        assert sealed["left_out"] == [{"name": "high"}]
        assert why not in json.dumps(sealed), "why is nothing for the whole world"


def test_a_lesson_that_cannot_be_read_is_listed(folder: LessonFolder) -> None:
    folder.header_path.write_text("{")
    folder.header_copy.unlink()
    listed = lesson_entry(glance(LessonFolder(folder.path)))
    assert (listed["lesson_id"], listed["title"], listed["state"]) == (folder.id, folder.id, DAMAGED)
    assert listed["problem"]
