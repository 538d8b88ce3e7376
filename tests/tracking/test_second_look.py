"""A new detector is one file (`more_detectors/dark.py`) and a word in the table; it looks at what others looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tracking.detectors
from lesson.folder import LessonFolder
from lesson.journal import read_journal
from lesson.model import Role
from lesson.records import FrozenUntil, Shot
from lesson.time import TICKS_PER_SECOND, Span
from lesson.view import load_state
from tracking.__main__ import plan
from tracking.detectors import DETECTORS, make_detector
from tracking.evidence_reader import EvidenceReader
from tracking.observe import Observer

GOLDEN = Path(__file__).parents[1] / "golden" / "20261121-212803-e9f5"
WHOLE = Span(-60 * TICKS_PER_SECOND, 60 * TICKS_PER_SECOND)


@pytest.fixture
def golden(tmp_path: Path) -> LessonFolder:
    """A lesson of version 0.1, whose lines hold what all detectors of that day had found."""
    return LessonFolder(Path(shutil.copytree(GOLDEN, tmp_path / GOLDEN.name)))


@pytest.fixture
def _dark(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__).parent / "more_detectors")
    monkeypatch.setattr(tracking.detectors, "__path__", [*tracking.detectors.__path__, here])
    monkeypatch.setitem(DETECTORS, Role.TEACHER, (*DETECTORS[Role.TEACHER], "dark"))


def _evidence(folder: LessonFolder) -> EvidenceReader:
    reader = EvidenceReader(folder)
    reader.poll()
    return reader


def _observe(folder: LessonFolder) -> None:
    observer = Observer(folder)
    try:
        observer.run()
    finally:
        observer.close()


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in Role for name in DETECTORS[role]])
def test_every_detector_of_the_table_is_made_for_its_role(role: Role, name: str) -> None:
    detector = make_detector(name, role)
    assert detector.name.partition("/")[0] == name
    assert detector.interval > 0


def test_ink_is_not_looked_for_on_a_teacher() -> None:
    with pytest.raises(LookupError, match="ink makes no sense of a teacher"):
        make_detector("ink", Role.TEACHER)


def test_what_an_older_version_looked_at_is_not_looked_at_again(golden: LessonFolder) -> None:
    before = golden.observe_journal("teacher").read_bytes()
    _observe(golden)
    assert golden.observe_journal("teacher").read_bytes() == before
    teacher = load_state(golden).sources["teacher"]
    seen = _evidence(golden).evidence.seen(teacher, WHOLE)
    assert len(seen) > 40
    assert any(look.what.motion for look in seen)


@pytest.mark.usefixtures("_dark")
def test_a_new_detector_takes_a_second_look_and_the_first_stays(golden: LessonFolder) -> None:
    old = golden.observe_journal("teacher").read_bytes()
    teacher = load_state(golden).sources["teacher"]
    before = _evidence(golden).evidence
    assert [before.missing(teacher, segment) for segment in teacher.segments] == [("dark",)] * len(teacher.segments)
    assert before.observed_spans(teacher, WHOLE) == []
    _observe(golden)
    new = golden.observe_journal("teacher").read_bytes()
    assert new.startswith(old)
    assert new.removeprefix(old).count(b'"detector":"dark/1"') == len(teacher.segments)
    assert golden.observe_journal("board").read_bytes() == (GOLDEN / "observe" / "board.jsonl").read_bytes()

    after = _evidence(golden).evidence
    first = {look.at: look.what for look in before.seen(teacher, WHOLE)}
    second = after.seen(teacher, WHOLE)
    assert [look.at for look in second] == sorted(first)
    brightness = {o["at"]: o["brightness"] for line in old.splitlines() for o in json.loads(line)["observations"]}
    looks = [(look, finding) for look in second for finding in look.what.findings]
    assert len(looks) == 2 * len(teacher.segments)  # one a second: key frames will do
    for look, finding in looks:
        assert finding.what == "dark"
        assert finding.score == pytest.approx(1 - brightness[look.what.at], abs=0.02)
    assert [(look.what.motion, look.what.faces) for look in second] == [
        (first[look.at].motion, first[look.at].faces) for look in second
    ]
    assert after.observed_spans(teacher, WHOLE) != []


@pytest.mark.usefixtures("_dark")
def test_the_plan_does_not_care_for_what_no_rule_asks_for(golden: LessonFolder) -> None:
    def planned() -> list[object]:
        golden.plan_journal().unlink()
        plan(golden, blind=False)
        return [r for r in read_journal(golden.plan_journal()) if isinstance(r, Shot | FrozenUntil)]

    _observe(golden)
    with_dark = planned()
    shutil.copy(GOLDEN / "observe" / "teacher.jsonl", golden.observe_journal("teacher"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, Role.TEACHER, ("motion", "faces"))
        assert planned() == with_dark
