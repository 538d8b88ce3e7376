"""Segments spoilt on the disk after they were recorded: another source takes their place, and the loss is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import encode.inspection
from encode.settings import EncodeSettings
from encode.stage import EncodeStage
from lesson.files import file_problem
from lesson.folder import LessonFolder
from lesson.journal import append_records, read_journal
from lesson.model import Kind, SegmentRecord
from lesson.records import Record, SegmentDamaged, SourceFinished
from lesson.time import TICKS_PER_SECOND, Grid, Ticks
from lesson.verify import verify_local
from lesson.view import load_state
from tests.encode.test_stage import LOW, TOP, clicks, pictures
from tests.kit.clicks import find_clicks
from tests.kit.damaged import SEGMENT_DAMAGE
from tests.kit.filmed import Take, film
from tests.kit.lessons import VOICE, make_lesson, moment, source, start, stop
from tests.kit.marks import BOARD, TEACHER, read_mark
from tests.kit.programme import classreel, folder_of, pictures_of, result_of, sound_of
from tracking.__main__ import plan

pytestmark = pytest.mark.slow

S = TICKS_PER_SECOND
FRAME = Grid().frame
SECONDS = 16
CAMERA, PANEL, MIC, SPARE = source("teacher", required=True), source("board"), source("mic"), source("mic", "spare")
SPOILT = 2
"""The segment that is spoilt, of four: from 8 to 12 s."""
HELD = S // 2
"""The last picture of a source stands so long before another takes its place."""


def recorded(root: Path, *left_out: str) -> LessonFolder:
    """Four sources, whose pictures say who they are; the spare microphone hears clicks a second after the other."""
    specs = [spec for spec in (CAMERA, PANEL, MIC, SPARE) if spec.id not in left_out]
    folder = make_lesson(root, sources=tuple(specs), ladder=(VOICE, LOW, TOP))
    start(folder)
    for spec in specs:
        number = {"teacher": TEACHER, "board": BOARD}.get(spec.id, 0)
        late = S if spec is SPARE else 0
        film(folder, spec, Take(number, SECONDS, sound=not number, scene=late, fps=5 if number else 25, live=True))
        append_records(folder.raw_journal(spec.id), [SourceFinished(source=spec.id, at=moment(SECONDS))])
    stop(folder, at=moment(SECONDS))
    return folder


def spoil(folder: LessonFolder, damage: Callable[[Path], None], sources: Collection[str], seq: int = SPOILT) -> None:
    for name in sources:
        damage(folder.segment_path(name, 0, seq))


def encode_lesson(folder: LessonFolder) -> None:
    argv = [sys.executable, "-m", "encode", str(folder.path), EncodeSettings(workers=2).argument()]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def shown(folder: LessonFolder) -> list[int | None]:
    """Whose picture each frame is; None: the slate."""
    marks = [read_mark(luma, drawn_height=180) for _, luma in pictures(folder, TOP)]
    return [mark.source if mark else None for mark in marks]


def gaps_of(folder: LessonFolder) -> dict[str, list[tuple[float, float, str]]]:
    found: dict[str, list[tuple[float, float, str]]] = {}
    for gap in load_state(folder).gaps():
        found.setdefault(gap.source, []).append((gap.span.start / S, gap.span.end / S, gap.code))
    return found


def damages(folder: LessonFolder) -> list[Record]:
    journals = [folder.rendition_journal(rendition.name) for rendition in folder.header.ladder]
    return [r for path in journals for r in read_journal(path) if isinstance(r, SegmentDamaged)]


def between(start_s: float, end_s: float) -> slice:
    return slice(round(start_s * S) // FRAME, round(end_s * S) // FRAME)


def is_there(heard: list[Ticks], second: int) -> bool:
    return any(abs(at - second * S) <= S // 200 for at in heard)


LOST = (8.0, 12.0, "damaged")


@pytest.mark.parametrize("damage", list(SEGMENT_DAMAGE))
def test_others_take_the_place_of_what_is_damaged(damage: str, tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    spoil(folder, SEGMENT_DAMAGE[damage], ("teacher", "mic"))
    plan(folder, blind=True)
    encode_lesson(folder)
    assert gaps_of(folder) == {"teacher": [LOST], "mic": [LOST]}
    assert {(r.source, r.epoch, r.seq) for r in damages(folder)} == {("teacher", 0, 2), ("mic", 0, 2)}  # type: ignore[union-attr]
    assert len(damages(folder)) == 2
    seen = shown(folder)
    assert set(seen[between(0, 8.5)]) == {TEACHER}
    assert set(seen[between(8.52, 12)]) == {BOARD}
    assert set(seen[between(12, SECONDS)]) == {TEACHER}
    heard = clicks(folder)
    assert [is_there(heard, second) for second in (2, 4, 6, 12, 14)] == [True] * 5
    assert [is_there(heard, second) for second in (9, 11)] == [True] * 2  # the spare one
    assert [is_there(heard, second) for second in (3, 5, 7, 10, 13)] == [False] * 5


@pytest.mark.parametrize(
    ("there", "spoilt", "in_its_place", "silent"),
    [
        ("teacher board mic", ("board",), TEACHER, False),
        ("teacher board mic", ("mic",), TEACHER, True),
        ("teacher mic", ("teacher",), None, False),
        ("teacher board mic", ("teacher", "board", "mic"), None, True),
        ("teacher board mic", (), TEACHER, False),
    ],
)
@pytest.mark.parametrize("seq", [0, SPOILT, 3], ids=["first", "amid", "last"])
def test_where_nothing_takes_its_place_the_lesson_goes_on(
    there: str, spoilt: tuple[str, ...], in_its_place: int | None, silent: bool, seq: int, tmp_path: Path
) -> None:
    folder = recorded(tmp_path, *({"teacher", "board", "mic", "spare"} - set(there.split())))
    spoil(folder, SEGMENT_DAMAGE["zeros"], spoilt, seq)
    plan(folder, blind=True)
    encode_lesson(folder)
    state = load_state(folder)
    assert state.encoded
    assert abs(state.duration - SECONDS * S) <= S // 5
    begins, ends = seq * 4.0, min(seq * 4.0 + 4, state.duration / S)
    assert gaps_of(folder) == {name: [(begins, ends, "damaged")] for name in spoilt}
    seen, heard = shown(folder), clicks(folder)
    assert set(seen[between(begins + 0.52, ends - 0.52)]) == {in_its_place}  # pictures around it stand half a second
    assert set(seen[between(0, begins)]) | set(seen[between(ends, SECONDS)]) == {TEACHER}
    inside, outside = [], []
    for second in range(0, SECONDS, 2):
        (inside if begins <= second < ends else outside).append(is_there(heard, second))
    assert inside == [not silent] * 2
    assert outside == [True] * 6
    problems = verify_local(folder)
    assert len(problems) == len(spoilt)


def test_each_segment_is_looked_at_once_and_an_undamaged_lesson_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recorded(tmp_path)
    plan(folder, blind=True)
    looked: list[str] = []

    def look(folder: LessonFolder, relative: str, size: int, sha256: str) -> str | None:
        looked.append(relative)
        return file_problem(folder, relative, size, sha256)

    monkeypatch.setattr(encode.inspection, "file_problem", look)
    with EncodeStage(folder, 1) as stage:
        while not stage.done:
            stage.step()
    segments: list[SegmentRecord] = [s for one in load_state(folder).sources.values() for s in one.segments]
    assert sorted(looked) == sorted(segment.path for segment in segments)
    assert damages(folder) == []
    assert gaps_of(folder) == {}


def test_what_is_spoilt_after_its_chunk_was_made_costs_nothing(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    plan(folder, blind=True)
    encode_lesson(folder)
    spoil(folder, SEGMENT_DAMAGE["zeros"], ("teacher", "mic"))
    encode_lesson(folder)
    assert (gaps_of(folder), damages(folder)) == ({}, [])
    assert len(verify_local(folder)) == 2


def test_the_command_says_what_was_damaged(tmp_path: Path) -> None:
    """Through every stage, analysis included, to what is published."""
    folder = recorded(tmp_path, "spare")
    spoil(folder, SEGMENT_DAMAGE["zeros"], ("teacher", "mic"))
    result = result_of(classreel("process", folder.path, "--json"))
    assert (result["state"], result["verified"]) == ("published", True)
    lost = [(gap["source"], gap["kind"], gap["start_s"], gap["end_s"], gap["code"]) for gap in result["gaps"]]
    assert lost == [("teacher", "video", 8.0, 12.0, "damaged"), ("mic", "audio", 8.0, 12.0, "damaged")]
    for name, what in (("teacher", "picture"), ("mic", "sound")):
        says = f"{name}: {what} from 8 to 12 s is not in the lesson: the recorded file is damaged"
        assert says in result["problems"]
    held = {(one["source"], one["kind"]): (one["held_s"], one["reason"]) for one in result["streams"]}
    assert held["teacher", Kind.VIDEO] == (pytest.approx(SECONDS - 4, abs=0.1), "damaged")
    assert held["mic", Kind.AUDIO] == (pytest.approx(SECONDS - 4, abs=0.1), "damaged")
    assert held["board", Kind.VIDEO] == (pytest.approx(SECONDS, abs=0.1), None)
    store = folder_of(result["published_url"])
    marks = {mark.source for one in pictures_of(store / TOP.name)
             if 8.6 * S < one.at < 11.9 * S and (mark := read_mark(one.luma, drawn_height=180))}  # fmt: skip
    assert marks == {BOARD}
    first, pcm = sound_of(store / VOICE.name)
    lost_pcm = pcm[round(8.1 * S) - first : round(11.9 * S) - first]
    assert np.abs(lost_pcm).max() < 0.01
    assert len(find_clicks(pcm, start=first)) == 6
    manifest: dict[str, Any] = json.loads((store / "manifest.json").read_text())
    assert [gap["code"] for gap in manifest["gaps"]] == ["damaged"] * 2
