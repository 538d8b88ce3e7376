"""Several streams of sound heard together, and which those are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from lesson.loss import Loss
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.sound import AudioBlock
from media.decode.together import together
from media.feeds.file_feed import FileFeed
from media.feeds.probe import probe
from tests.kit.clicks import find_clicks
from tests.kit.films import clicks

SECOND = TICKS_PER_SECOND


def blocks(pcm: NDArray[np.float32], start: Ticks, size: int) -> Iterator[AudioBlock]:
    for at in range(0, len(pcm), size):
        yield AudioBlock(start + at, pcm[at : at + size])


def joined(found: list[AudioBlock]) -> tuple[Ticks, NDArray[np.float32]]:
    first = found[0].at
    pcm = np.zeros(found[-1].end - first, np.float32)
    for block in found:
        pcm[block.at - first : block.end - first] = block.pcm
    return first, pcm


def test_each_track_is_heard_at_its_place_holes_stay() -> None:
    one = clicks(2 * SECOND, [SECOND])
    two = clicks(2 * SECOND, [SECOND])
    found = list(together([blocks(one, 0, 1_000), blocks(two, SECOND // 2, 777), blocks(two, 9 * SECOND, 5_000)]))
    holes = [(a.end, b.at) for a, b in pairwise(found) if a.end != b.at]
    assert holes == [(5 * SECOND // 2, 9 * SECOND)]
    start, pcm = joined(found)
    heard = find_clicks(pcm, start=start)
    assert heard == [pytest.approx(at, abs=16) for at in (SECOND, SECOND * 3 // 2, 10 * SECOND)]


def sound_file(path: Path, tracks: list[Mapping[str, object]]) -> Path:
    """A Matroska file with a track of AAC for each entry: `pcm`, `language`, `disposition`."""
    with av.open(str(path), "w") as out:
        streams = []
        for track in tracks:
            stream = out.add_stream("aac", rate=SECOND, layout="mono")
            if track.get("language"):
                stream.metadata["language"] = str(track["language"])
            stream.disposition = track.get("disposition", av.stream.Disposition(0))
            streams.append(stream)
        out.start_encoding()
        for stream, track in zip(streams, tracks, strict=True):
            pcm = track["pcm"]
            assert isinstance(pcm, np.ndarray)
            for at in range(0, len(pcm) // 1024 * 1024, 1024):
                frame = av.AudioFrame.from_ndarray(pcm[None, at : at + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SECOND, at, Fraction(1, SECOND)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
    return path


QUIET = np.zeros(3 * SECOND, np.float32)


@pytest.mark.parametrize(
    ("languages", "dispositions", "expected"),
    [
        ([None, None], [0, 0], (0, 1)),
        (["eng", "eng"], [0, 0], (0, 1)),
        (["eng", "bod"], [0, 0], (0,)),
        (["eng", None, "bod"], [0, 0, 0], (0, 1)),
        ([None, None], [0, av.stream.Disposition.comment], (0,)),
        ([None, None], [0, av.stream.Disposition.visual_impaired], (0,)),
        (["eng", "bod"], [0, av.stream.Disposition.default], (1,)),
    ],
)
def test_which_tracks_are_heard(
    tmp_path: Path, languages: list[str | None], dispositions: list[int], expected: tuple[int, ...]
) -> None:
    tracks = [
        {"pcm": QUIET, "language": language, "disposition": av.stream.Disposition(disposition)}
        for language, disposition in zip(languages, dispositions, strict=True)
    ]
    found = probe(sound_file(tmp_path / "x.mkv", tracks))
    assert found.sounds == expected
    assert [a.stream for a in found.announced if a.used] == list(expected)
    assert {a.code for a in found.announced if not a.used} <= {Loss.LEFT_OUT}


def test_a_voice_on_the_second_track_is_recorded(tmp_path: Path) -> None:
    voice = clicks(3 * SECOND, [SECOND, 2 * SECOND])
    feed = FileFeed(sound_file(tmp_path / "x.mkv", [{"pcm": QUIET}, {"pcm": voice}]), paced=False)
    packets = list(feed.packets())
    pcm = np.concatenate([np.frombuffer(bytes(p.coded), np.int16) for p in packets]).astype(np.float32) / 32_768
    heard = find_clicks(pcm, start=packets[0].pts - feed.origin)
    assert heard == [pytest.approx(at, abs=64) for at in (SECOND, 2 * SECOND)]


@pytest.mark.parametrize("late", [Kind.AUDIO, Kind.VIDEO])
def test_a_stream_that_begins_after_thousands_of_packets_is_found(tmp_path: Path, late: Kind) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=100)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=8_000, layout="mono")
        out.start_encoding()
        picture, silence = av.VideoFrame(32, 32, "yuv420p"), np.zeros((1, 80), np.int16)
        for number in range(2_500):
            if late is Kind.AUDIO or number > 2_400:
                picture.pts, picture.time_base = number, Fraction(1, 100)
                out.mux(video.encode(picture))
            if late is Kind.VIDEO or number > 2_400:
                frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 8_000, number * 80, Fraction(1, 8_000)
                out.mux(audio.encode(frame))
        out.mux(video.encode())
    found = probe(path)
    assert {stream.kind for stream in found.streams} == {Kind.VIDEO, Kind.AUDIO}
    feed = FileFeed(path, paced=False)
    first = {kind: next(p.pts for p in feed.packets() if p.kind is kind) - feed.origin for kind in [late]}
    assert first[late] == pytest.approx(24.01 * SECOND, abs=SECOND // 50)


def test_a_stream_that_never_comes_is_announced_and_absent(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "x.mkv", [{"pcm": QUIET}, {"pcm": QUIET[:0]}])
    found = probe(path)
    assert [(a.used, a.code) for a in found.announced] == [(True, None), (False, Loss.ABSENT)]


def test_a_file_that_broke_off_says_how_long_it_was(tmp_path: Path) -> None:
    whole = sound_file(tmp_path / "whole.mkv", [{"pcm": clicks(3 * SECOND, [])}])
    found = probe(whole)
    assert found.announced[0].stated == pytest.approx(3 * SECOND, abs=SECOND // 20)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert probe(cut).announced[0].stated == found.announced[0].stated
