"""The whole house once, on the simulated classroom in real time; then everything a viewer would notice."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesson.folder import LessonFolder
from lesson.phase import Phase
from lesson.time import TICKS_PER_SECOND
from lesson.view import load_state
from tests.kit.clicks import find_clicks
from tests.kit.marks import BOARD, STUDENTS, TEACHER, Mark, read_mark
from tests.kit.programme import (
    Shown,
    classreel,
    decoding_errors,
    folder_of,
    pictures_of,
    result_of,
    sound_of,
    strict_parser_errors,
)

SECONDS = 20
CHUNK_S = 3.84
FRAME = 1_920
FEED_PERIOD = {TEACHER: TICKS_PER_SECOND // 25, STUDENTS: TICKS_PER_SECOND // 15, BOARD: TICKS_PER_SECOND // 10}
MAX_AV_OFFSET = TICKS_PER_SECOND * 40 // 1000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("demo")
    return result_of(classreel("demo", "--seconds", str(SECONDS), "--no-serve", "--json", "--out", out))


@pytest.fixture(scope="module")
def store(demo: dict[str, Any]) -> Path:
    return folder_of(demo["published_url"])


@pytest.fixture(scope="module")
def shown(store: Path) -> list[Shown]:
    return list(pictures_of(store / "v720"))


@pytest.fixture(scope="module")
def marks(shown: list[Shown]) -> list[tuple[int, Mark]]:
    found = [(picture.at, read_mark(picture.luma)) for picture in shown]
    return [(at, mark) for at, mark in found if mark is not None]


def test_the_report_is_true(demo: dict[str, Any]) -> None:
    assert demo["problems"] == []
    assert demo["gaps"] == []
    assert abs(demo["duration_s"] - SECONDS) <= CHUNK_S
    folder = LessonFolder(Path(demo["lesson_dir"]))
    assert load_state(folder).phase is Phase.PUBLISHED
    kinds = [rendition["kind"] for rendition in demo["renditions"]]
    assert kinds.count("audio") == 1
    assert kinds.count("video") >= 3
    lowest = demo["renditions"][0]["avg_bps"] + demo["renditions"][1]["avg_bps"]
    assert lowest < 64_000


def test_every_playlist_passes_the_strict_parser(store: Path) -> None:
    try:
        errors = strict_parser_errors(sorted(store.rglob("*.m3u8")))
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    assert errors == ""


def test_a_strict_decoder_finds_no_fault(store: Path) -> None:
    assert decoding_errors(store / "index.m3u8") == ""


def test_every_rendition_has_the_whole_lesson(demo: dict[str, Any], store: Path, shown: list[Shown]) -> None:
    length = round(demo["duration_s"] * TICKS_PER_SECOND)
    start, pcm = sound_of(store / "voice")
    assert abs(start) <= FRAME
    assert abs(len(pcm) - length) <= 2 * 1024
    assert [picture.at for picture in shown] == [n * FRAME for n in range(len(shown))]
    assert abs(len(shown) * FRAME - length) <= FRAME
    for rung in ("v180", "v270", "v360"):
        times = [picture.at for picture in pictures_of(store / rung)]
        assert all(later > earlier for earlier, later in pairwise(times))
        assert abs(times[-1] - shown[-1].at) <= 4 * FRAME


def test_frames_come_in_order_and_none_is_missing(shown: list[Shown], marks: list[tuple[int, Mark]]) -> None:
    assert len(marks) >= 0.95 * len(shown)
    for (at, mark), (next_at, next_mark) in pairwise(marks):
        if mark.source != next_mark.source or next_at - at != FRAME:
            continue
        step = next_mark.at - mark.at
        assert 0 <= step <= FEED_PERIOD[mark.source] + 960, f"source {mark.source} at {at}: {step}"


def test_no_picture_is_black_or_frozen_for_long(shown: list[Shown]) -> None:
    assert min(float(picture.luma.mean()) for picture in shown) > 20
    still = 0
    for earlier, later in pairwise(shown):
        same = np.array_equal(earlier.luma[-24:], later.luma[-24:])
        still = still + 1 if same else 0
        assert still < 25, f"frozen at {later.at / TICKS_PER_SECOND:.2f} s"


def test_clicks_come_in_order_none_missing_and_in_time_with_the_picture(
    store: Path, marks: list[tuple[int, Mark]]
) -> None:
    start, pcm = sound_of(store / "voice")
    clicks = find_clicks(pcm, start=start)
    assert len(clicks) >= SECONDS // 2 - 1
    assert all(abs(later - earlier - 2 * TICKS_PER_SECOND) <= 96 for earlier, later in pairwise(clicks))
    period = 2 * TICKS_PER_SECOND
    # a picture held is older by design: the first showing of each says how well picture and sound go together
    fresh = [
        (at, mark)
        for (_, before), (at, mark) in pairwise(marks)
        if mark.source == before.source and mark.at != before.at
    ]
    # drawn at scene time mark.at, shown at `at`; the sound says what scene time it is then
    offsets = [(mark.at - (at - clicks[0]) + period // 2) % period - period // 2 for at, mark in fresh]
    assert len(offsets) > SECONDS * 5
    assert abs(float(np.median(offsets))) <= MAX_AV_OFFSET
    # waiting for the next programme frame alone takes up to 40 ms, so one picture may be over by what the clocks differ
    assert max(map(abs, offsets)) <= MAX_AV_OFFSET + FRAME // 2


def test_verify_agrees_and_notices_a_changed_file(demo: dict[str, Any], tmp_path: Path) -> None:
    lesson = demo["lesson_dir"]
    done = classreel("verify", lesson, "--json")
    assert result_of(done)["ok"] is True
    copy = tmp_path / Path(lesson).name
    shutil.copytree(lesson, copy)
    chunk = next((copy / "enc" / "v180").glob("000001-*.m4s"))
    data = chunk.read_bytes()
    chunk.write_bytes(data[:-1] + bytes([data[-1] ^ 0xFF]))
    done = classreel("verify", copy, "--json")
    assert done.returncode == 1
    assert f"v180/{chunk.name}" in done.stdout
