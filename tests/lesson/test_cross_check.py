"""Journals that lost whole lines, or lie in the place of others: each is named, and no reason is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.files import file_sha256
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.loss import Loss
from lesson.lost_lines import missing_numbers
from lesson.manifest import manifest
from lesson.records import SegmentCommitted, SourceFinished, SourceLost, Verified
from lesson.state import LessonState
from lesson.verify import verify_local
from lesson.view import LessonView, load_state
from publish.memory_store import MemoryStore
from publish.verify import verify_remote
from tests.kit.lessons import (
    encode_all,
    epoch_started,
    header,
    make_lesson,
    moment,
    plan_all,
    record_all,
    segment,
    source,
)

SEGMENTS = 12
CAMERA = source("teacher")


@pytest.fixture
def sealed(tmp_path: Path) -> LessonFolder:
    folder = make_lesson(tmp_path)
    record_all(folder, segments=SEGMENTS)
    plan_all(folder, end=SEGMENTS * 4 * 48_000)
    encode_all(folder, end=SEGMENTS * 4 * 48_000)
    folder.manifest_path.write_bytes(manifest(load_state(folder)))
    digest = file_sha256(folder.manifest_path)
    append_records(folder.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256=digest)])
    assert verify_local(folder) == []
    return folder


def without(path: Path, first: int, count: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:first] + lines[first + count :]))


def swap(a: Path, b: Path) -> None:
    held = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(held)


HARM: dict[str, tuple[Callable[[LessonFolder], object], str, set[str]]] = {
    "a journal": (lambda f: f.raw_journal("teacher").unlink(), "raw/teacher/journal.jsonl: missing", {"damaged"}),
    "lines amid": (
        lambda f: without(f.raw_journal("teacher"), 4, 4),
        "raw/teacher/journal.jsonl: lines are lost: it does not name segment(s) 3 to 6",
        {"damaged"},
    ),
    "the first segments": (lambda f: without(f.raw_journal("teacher"), 1, 2), "segment(s) 0 to 1", {"damaged"}),
    "the end": (
        lambda f: without(f.raw_journal("teacher"), 8, 9),
        "raw/teacher/journal.jsonl: breaks off before the source finished",
        {"damaged"},
    ),
    "the last segment alone": (
        lambda f: without(f.raw_journal("mic"), SEGMENTS, 1),
        "raw/mic/journal.jsonl: names 11 segment(s)",
        {"interrupted"},  # nothing but the manifest knows of it
    ),
    "two sources swapped": (
        lambda f: swap(f.raw_journal("teacher"), f.raw_journal("mic")),
        "raw/teacher/journal.jsonl: 14 line(s) of raw/mic: another journal in its place",
        set(),
    ),
    "two rungs swapped": (
        lambda f: swap(f.rendition_journal("low"), f.rendition_journal("high")),
        "line(s) of enc/high: another journal in its place",
        set(),
    ),
    "the plan": (lambda f: f.plan_journal().unlink(), "plan/g0.jsonl: missing", set()),
    "the end of the plan": (lambda f: without(f.plan_journal(), 4, 1), "plan/g0.jsonl: lines are lost", set()),
}


@pytest.mark.parametrize("name", list(HARM))
def test_what_the_others_know_of_is_named(sealed: LessonFolder, name: str) -> None:
    harm, line, codes = HARM[name]
    harm(sealed)
    problems = verify_local(sealed)
    assert any(line in problem for problem in problems), problems
    state = load_state(sealed)
    if state.final:
        assert {gap.code for gap in state.gaps()} == codes
    else:
        assert all("classreel verify" not in said for said in verify_remote(sealed, MemoryStore()))
        assert any(line in said for said in verify_remote(sealed, MemoryStore()))


def test_a_file_among_those_that_are_named_is_said(sealed: LessonFolder) -> None:
    without(sealed.raw_journal("teacher"), 4, 1)
    assert any(line.startswith("raw/teacher/e00/000003.mkv: lies here") for line in verify_local(sealed))


def _folded(*, losses: bool, closed_by: str, kept: list[int]) -> LessonState:
    state = LessonState(header(sources=(CAMERA,)))
    state.apply(epoch_started(CAMERA))
    for seq in kept:
        record = segment(CAMERA, seq)
        state.apply(SegmentCommitted(segment=record))
    if losses:
        state.apply(SourceLost(source="teacher", epoch=0, at=moment(), reason="disk", code=Loss.DISK))
    state.apply(epoch_started(CAMERA, 1))
    last = segment(CAMERA, max(kept, default=0) + 3, epoch=1)
    object.__setattr__(last, "closed_by", closed_by)
    state.apply(SegmentCommitted(segment=last))
    state.apply(SourceFinished(source="teacher", at=moment(99)))
    return state


@pytest.mark.parametrize(("losses", "closed_by"), [(True, "cut"), (False, "recovered")])
def test_numbers_that_a_recording_gave_up_are_no_damage(tmp_path: Path, *, losses: bool, closed_by: str) -> None:
    state = _folded(losses=losses, closed_by=closed_by, kept=[0, 1, 2])
    view = LessonView(make_lesson(tmp_path, sources=(CAMERA,)))
    view.state = state
    assert view.damage == []


@given(lost=st.sets(st.integers(0, SEGMENTS - 2), min_size=1))
def test_any_lines_lost_are_gaps_that_say_damaged(lost: set[int]) -> None:
    state = LessonState(header(sources=(CAMERA,)))
    state.apply(epoch_started(CAMERA))
    for seq in sorted(set(range(SEGMENTS)) - lost):
        state.apply(SegmentCommitted(segment=segment(CAMERA, seq)))
    assert missing_numbers(state.sources["teacher"]) == sorted(lost)
