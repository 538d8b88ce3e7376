"""A real lecture as three camera feeds with ground truth: synchronous, rightly cut, and nothing torn or black."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesson.folder import LessonFolder
from lesson.model import Layout
from lesson.records import Shot
from lesson.time import TICKS_PER_SECOND, Span, Ticks
from lesson.view import load_state
from tests.kit.clicks import find_clicks
from tests.kit.marks import Mark, flash_lit, flash_starts, read_mark
from tests.kit.programme import (
    Shown,
    classreel,
    decoding_errors,
    folder_of,
    pictures_of,
    result_of,
    sound_of,
)

pytestmark = [pytest.mark.footage, pytest.mark.exhaustive]

SECONDS = 40
FRAME = 1_920
MAX_OFFSET = TICKS_PER_SECOND * 40 // 1000
DRAWN_HEIGHT = {1: 1080, 2: 720, 3: 1080}
DIRECTOR_GRACE: Ticks = 3 * TICKS_PER_SECOND


@pytest.fixture(scope="module")
def replay(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feeds and their truth."""
    out = tmp_path_factory.mktemp("replay")
    script = footage.parent / "replay" / "replay_lecture.py"
    track = footage / "tracks" / "accessmath_lecture_01.json"
    argv = [sys.executable, str(script), "--track", str(track), "--start", "0", "--seconds", str(SECONDS)]
    argv += ["--footage", str(footage), "--out", str(out), "--marks"]
    subprocess.run(argv, check=True, capture_output=True, timeout=200)
    return out


@pytest.fixture(scope="module")
def lesson(replay: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    feeds = [f"{role}={replay / role}.mp4" for role in ("teacher", "students", "board")]
    arguments = [part for feed in feeds for part in ("--source", feed)]
    return result_of(classreel("import", *arguments, "--root", tmp_path_factory.mktemp("root"), "--json"))


@pytest.fixture(scope="module")
def shown(lesson: dict[str, Any]) -> list[Shown]:
    return list(pictures_of(folder_of(lesson["published_url"]) / "v720"))


@pytest.fixture(scope="module")
def clicks(lesson: dict[str, Any]) -> list[Ticks]:
    start, pcm = sound_of(folder_of(lesson["published_url"]) / "voice")
    return find_clicks(pcm, start=start)


def mark_of(picture: Shown) -> Mark | None:
    """The mark of the main picture, whichever feed it is of."""
    found = {read_mark(picture.luma, drawn_height=height) for height in set(DRAWN_HEIGHT.values())}
    return next((mark for mark in found if mark), None)


def test_it_is_whole_and_decodes(lesson: dict[str, Any], shown: list[Shown]) -> None:
    assert lesson["problems"] == []
    assert lesson["gaps"] == []
    assert abs(len(shown) * FRAME - SECONDS * TICKS_PER_SECOND) <= FRAME
    assert decoding_errors(folder_of(lesson["published_url"]) / "index.m3u8") == ""


def test_sources_are_shown_when_they_happened(shown: list[Shown]) -> None:
    marks = [(picture.at, mark_of(picture)) for picture in shown]
    read = [(at, mark) for at, mark in marks if mark]
    assert len(read) >= 0.9 * len(shown)
    fresh = [
        (later_at, later) for (_, earlier), (later_at, later) in pairwise(read) if later != earlier
    ]  # a held frame is older by design; its first showing says how well the feeds are aligned
    cuts = [at for (_, earlier), (at, later) in pairwise(read) if earlier.source != later.source]
    for at, mark in fresh:
        if at not in cuts:
            assert abs(at - mark.at) <= MAX_OFFSET, f"source {mark.source} at {at / TICKS_PER_SECOND:.2f} s"


def test_clicks_are_all_there_and_flashes_come_with_them(shown: list[Shown], clicks: list[Ticks]) -> None:
    assert len(clicks) == SECONDS // 2
    for number, at in enumerate(clicks):
        assert abs(at - number * 2 * TICKS_PER_SECOND) <= TICKS_PER_SECOND // 200
    lit = [(p.at, flash_lit(p.luma, drawn_height=1080)) for p in shown if (m := mark_of(p)) and m.source == 1]
    flashes = [at for at in flash_starts(lit) if at % (2 * TICKS_PER_SECOND) < TICKS_PER_SECOND]
    assert flashes, "the teacher is never shown whole: nothing to measure"
    for flash in flashes:
        assert min(abs(flash - click) for click in clicks) <= MAX_OFFSET


def _agrees(shot: Shot, wanted: str) -> bool:
    board_in_view = shot.sources[:1] == ("board",) or "board" in shot.sources
    return not board_in_view if wanted == "teacher" else board_in_view


def test_the_plan_cuts_to_the_board_when_the_reference_says_so(lesson: dict[str, Any], replay: Path) -> None:
    shots = load_state(LessonFolder(Path(lesson["lesson_dir"]))).shots
    reference = json.loads((replay / "reference.json").read_text())["director_reference"]
    agreed = judged = 0
    for start_s, end_s, wanted in reference:
        span = Span(round(start_s * TICKS_PER_SECOND), round(min(end_s, SECONDS) * TICKS_PER_SECOND))
        for at in range(span.start + (DIRECTOR_GRACE if start_s else 0), span.end, TICKS_PER_SECOND // 2):
            shot = next(shot for shot in shots if at in shot.span)
            judged += 1
            agreed += _agrees(shot, wanted)
    assert agreed / judged > 0.5, f"{agreed} of {judged} half seconds"
    assert all(shot.layout is not Layout.SLATE for shot in shots)


def test_no_picture_is_black_torn_or_frozen(shown: list[Shown]) -> None:
    still = 0
    for earlier, later in pairwise(shown):
        assert float(later.luma.mean()) > 20
        assert float(later.luma.std()) > 8
        # rows that jump against their neighbours far more than in the picture before: a torn or damaged frame
        jumps = np.abs(np.diff(later.luma.mean(axis=1).astype(np.int32)))
        assert int(jumps[:-20].max()) < 120
        still = still + 1 if np.array_equal(earlier.luma[-12:], later.luma[-12:]) else 0
        assert still < 12, f"frozen at {later.at / TICKS_PER_SECOND:.2f} s"
