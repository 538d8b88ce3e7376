"""Files whose pictures nobody can decode for a while: others take their place, their sound stays, the loss is named."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from tests.kit.clicks import find_clicks
from tests.kit.clips import marked_clip
from tests.kit.flawed import garbled
from tests.kit.marks import BOARD, TEACHER, read_mark
from tests.kit.programme import classreel, folder_of, pictures_of, result_of, sound_of

pytestmark = pytest.mark.slow

S = TICKS_PER_SECOND
SIZE = (384, 216)
SECONDS, HELD_S = 20, 0.5
"""The last picture of a source stands for half a second before another takes its place."""


@pytest.mark.parametrize(
    ("since_s", "until_s", "board"), [(8, 16, True), (8, 12, False), (0, 8, True), (12, 20, True), (9, 15, True)],
    ids=["amid", "alone", "first", "last", "across"],
)  # fmt: skip
def test_pictures_that_nobody_can_decode_are_said_and_replaced(
    tmp_path: Path, since_s: int, until_s: int, board: bool
) -> None:
    teacher = garbled(marked_clip(tmp_path / "teacher.mkv", seconds=SECONDS, size=SIZE), since_s, until_s)
    arguments = ["--source", f"teacher={teacher}"]
    if board:
        panel = marked_clip(tmp_path / "board.mkv", seconds=SECONDS, audio=None, source=BOARD, size=SIZE)
        arguments += ["--source", f"board={panel}"]
    result = result_of(classreel("import", *arguments, "--root", tmp_path / "root", "--json"))
    assert result["duration_s"] == pytest.approx(SECONDS, abs=0.1)
    assert [
        (gap["source"], gap["kind"], round(gap["start_s"], 1), round(gap["end_s"], 1)) for gap in result["gaps"]
    ] == [("teacher", "video", since_s, until_s)]
    says = f"teacher: picture from {since_s} to {until_s} s is not in the lesson: not decodable"
    assert result["problems"][0] == says
    assert len(result["problems"]) == (1 if board else 2), "a card is said, too"
    store = folder_of(result["published_url"])
    marks = [(picture.at, read_mark(picture.luma, drawn_height=SIZE[1])) for picture in pictures_of(store / "v360")]
    shown = [(at, mark.source if mark else None) for at, mark in marks]
    begins = since_s + (HELD_S if since_s else 0)
    assert {source for at, source in shown if begins * S < at < until_s * S} == {BOARD if board else None}
    first, pcm = sound_of(store / "voice")
    clicks = [first + at for at in find_clicks(pcm)]
    assert [any(abs(at - second * S) <= S // 50 for at in clicks) for second in range(2, SECONDS, 2)] == [True] * 9
    beside = [source for at, source in shown if not since_s * S <= at < until_s * S]
    assert TEACHER in beside
    assert board or set(beside) == {TEACHER}


@pytest.mark.parametrize(("since_s", "until_s"), [(8, 12), (9.3, 14.1), (0, 3)])
def test_sound_that_nobody_can_decode_is_said_and_the_pictures_stay(
    tmp_path: Path, since_s: float, until_s: float
) -> None:
    clip = marked_clip(tmp_path / "teacher.mkv", seconds=SECONDS, size=SIZE)
    teacher = garbled(clip, since_s, until_s, Kind.AUDIO)
    result = result_of(classreel("import", "--source", f"teacher={teacher}", "--root", tmp_path / "root", "--json"))
    (gap,) = result["gaps"]
    assert (gap["source"], gap["kind"], gap["code"]) == ("teacher", "audio", "undecodable")
    assert gap["start_s"] == pytest.approx(since_s, abs=0.1)
    assert gap["end_s"] == pytest.approx(until_s, abs=0.1)
    assert [problem for problem in result["problems"] if "sound from" in problem]
    marks = [
        read_mark(one.luma, drawn_height=SIZE[1]) for one in pictures_of(folder_of(result["published_url"]) / "v360")
    ]
    assert all(mark and mark.source == TEACHER for mark in marks)


@pytest.mark.footage
def test_pictures_behind_a_key_frame_that_is_no_fresh_start_are_shown(footage: Path, tmp_path: Path) -> None:
    """Of this real file a decoder that begins with its second key frame, at 18 s, shows nothing until the third."""
    clip = footage / "slides" / "lorem_slides_buildup.mp4"
    result = result_of(classreel("import", "--source", f"screen={clip}", "--root", tmp_path / "root", "--json"))
    assert (result["problems"], result["gaps"]) == ([], [])
    store = folder_of(result["published_url"])
    shown = {picture.at // S: float(picture.luma.mean()) for picture in pictures_of(store / "v360")}
    with av.open(str(clip)) as film:  # one picture a second, decoded from its start; luma of video range
        filmed = [float(frame.to_ndarray(format="yuv420p")[: frame.height].mean()) for frame in film.decode(video=0)]
    assert len(filmed) == len(shown) == 30
    for second, light in enumerate(filmed):
        assert shown[second] == pytest.approx(shown[0] * light / filmed[0], abs=12), second
