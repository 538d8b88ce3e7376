"""Coded chunks decoded again: by libav for what is in them, by a strict ffmpeg for whether all is well."""

from __future__ import annotations

import io
import subprocess
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from lesson.model import Kind, Rendition
from lesson.time import TICKS_PER_SECOND, Grid, Span, Ticks, ticks_from_pts
from media.output.audio_encoder import BLOCK, LOOKAHEAD_BLOCKS, AudioEncoder, audio_init
from media.output.fmp4 import MEDIA_START, Sample, find_box, media_segment
from media.output.video_encoder import ChunkVideoEncoder, video_init
from media.picture import Yuv
from tests.kit.clicks import draw_click, find_clicks
from tests.kit.fragments import read_segment
from tests.kit.marks import Mark, draw_mark, read_mark

GRID = Grid(chunk=20 * 1_920, frame=1_920)
VOICE = Rendition(name="voice", kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1, bitrate=24_000)
PER_CHUNK = 180


def rung(divisor: int = 1, **fields: object) -> Rendition:
    values: dict[str, object] = {"crf": 26.0, "maxrate": 300_000, "bufsize": 300_000, "preset": "veryfast", **fields}
    return Rendition(
        name=f"d{divisor}", kind=Kind.VIDEO, codec="h264", width=192, height=108, frame_divisor=divisor,
        **values,  # type: ignore[arg-type]
    )  # fmt: skip


def picture(at: Ticks, size: tuple[int, int] = (192, 108)) -> Yuv:
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    luma = (60 + (rows + columns + at // 960) % 120).astype(np.uint8)
    draw_mark(luma, Mark(1, at))
    half = np.full((height // 2, width // 2), 128, np.uint8)
    return Yuv(luma, half, half)


def coded(rendition: Rendition, index: int, frames: int | None = None) -> bytes:
    encoder = ChunkVideoEncoder(rendition, GRID)
    frames = frames or GRID.frames_per_chunk
    start = index * GRID.chunk
    for at in range(start, start + frames * GRID.frame, GRID.frame * rendition.frame_divisor):
        encoder.encode(picture(at))
    return encoder.finish(index, Span(start, start + frames * GRID.frame))


def strict_errors(data: bytes, path: Path) -> str:
    path.write_bytes(data)
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr


def decoded(data: bytes) -> list[tuple[Ticks, bool, NDArray[np.uint8]]]:
    with av.open(io.BytesIO(data), format="mp4") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [
            (ticks_from_pts(f.pts or 0, stream.time_base) - MEDIA_START, f.key_frame, f.to_ndarray(format="gray"))
            for f in container.decode(stream)
        ]


@pytest.mark.parametrize("divisor", [1, 2, 4])
def test_chunks_joined_are_one_sound_stream(divisor: int, tmp_path: Path) -> None:
    rendition = rung(divisor)
    chunks = [coded(rendition, 0), coded(rendition, 1), coded(rendition, 2, 7)]
    whole = video_init(rendition, GRID) + b"".join(chunks)
    assert strict_errors(whole, tmp_path / "v.mp4") == ""
    shown = decoded(whole)
    step = GRID.frame * divisor
    wanted = [at for span in GRID.spans(47 * GRID.frame) for at in range(span.start, span.end, step)]
    assert [at for at, _, _ in shown] == wanted
    assert [read_mark(luma) for _, _, luma in shown] == [Mark(1, at) for at in wanted]
    assert {at for at, key, _ in shown if key} == {0, GRID.chunk, 2 * GRID.chunk}


@pytest.mark.parametrize("divisor", [1, 4])
def test_chunks_follow_each_other_exactly(divisor: int) -> None:
    fragments = [read_segment(coded(rung(divisor), index)) for index in range(3)]
    assert [fragment.duration for fragment in fragments] == [GRID.chunk] * 3
    assert [b.decode_time - a.decode_time for a, b in pairwise(fragments)] == [GRID.chunk] * 2
    for fragment in fragments:
        assert [sample.key for sample in fragment.samples] == [True] + [False] * (len(fragment.samples) - 1)
        assert fragment.samples[0].data[4] & 0x1F == 5  # an IDR slice, and nothing before it


def test_the_last_frame_of_a_cut_lesson_is_shorter() -> None:
    fragment = read_segment(coded(rung(4), 1, 7))
    assert len(fragment.samples) == 2
    assert fragment.duration == 7 * GRID.frame


def test_the_same_pictures_make_the_same_bytes() -> None:
    assert coded(rung(2), 3) == coded(rung(2), 3)


def test_a_chunk_is_made_for_the_init_segment() -> None:
    """The parameter sets a chunk was coded with are those of the init segment: it holds none itself."""
    rendition = rung(maxrate=90_000, bufsize=180_000)
    table = find_box(video_init(rendition, GRID), b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd").body
    configuration = find_box(table[8 + 8 + 78 :], b"avcC").body
    length = int.from_bytes(configuration[6:8], "big")
    annex_b = ChunkVideoEncoder(rendition, GRID).parameter_sets
    assert configuration[8 : 8 + length] in annex_b


@pytest.mark.parametrize("frames", [19, 21])
def test_a_chunk_with_the_wrong_number_of_pictures_is_refused(frames: int) -> None:
    encoder = ChunkVideoEncoder(rung(), GRID)
    for number in range(frames):
        encoder.encode(picture(number))
    with pytest.raises(ValueError, match=f"{frames} pictures"):
        encoder.finish(0, GRID.span(0))


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(96, 54\)"):
        ChunkVideoEncoder(rung(), GRID).encode(picture(0, (96, 54)))


def test_peaks_stay_near_the_cap() -> None:
    rendition = rung(maxrate=60_000, bufsize=80_000, crf=10.0)
    rng = np.random.default_rng(1)
    encoder = ChunkVideoEncoder(rendition, Grid())
    half = np.full((54, 96), 128, np.uint8)
    for _ in range(96):
        encoder.encode(Yuv(rng.integers(16, 235, (108, 192), np.uint8), half, half))
    size = len(encoder.finish(0, Grid().span(0)))
    assert size * 8 <= 60_000 * 3.84 * 1.03


def voice(blocks: int) -> NDArray[np.float32]:
    pcm = (0.05 * np.sin(2 * np.pi * 220 / 48_000 * np.arange(blocks * BLOCK))).astype(np.float32)
    for at in range(0, len(pcm), TICKS_PER_SECOND):
        draw_click(pcm, at)
    return pcm


def packets(pcm: NDArray[np.float32], first: int, end: int) -> list[Sample]:
    encoder = AudioEncoder(VOICE, first=first)
    made = list(encoder.encode(pcm[encoder.fed * BLOCK : (end + LOOKAHEAD_BLOCKS) * BLOCK]))
    assert len(made) == end - first
    return made


def joined(samples: list[Sample]) -> bytes:
    return audio_init(VOICE) + b"".join(
        media_segment(samples[at : at + PER_CHUNK], sequence=at + 1, decode_time=MEDIA_START + (at - 1) * BLOCK)
        for at in range(0, len(samples), PER_CHUNK)
    )


def heard(data: bytes) -> tuple[Ticks, NDArray[np.float32]]:
    with av.open(io.BytesIO(data), format="mp4") as container:
        stream = container.streams.audio[0]
        assert stream.time_base is not None
        frames = list(container.decode(stream))
        first = ticks_from_pts(frames[0].pts or 0, stream.time_base) - MEDIA_START
        return first, np.concatenate([frame.to_ndarray()[0] for frame in frames])


def test_sound_lies_where_it_was_from_the_very_first_sample(tmp_path: Path) -> None:
    data = joined(packets(voice(2 * PER_CHUNK + 4), 0, 2 * PER_CHUNK))
    assert strict_errors(data, tmp_path / "a.mp4") == ""
    start, pcm = heard(data)
    clicks = find_clicks(pcm, start=start)
    assert len(clicks) == 8
    for number, at in enumerate(clicks):
        assert abs(at - number * TICKS_PER_SECOND) <= TICKS_PER_SECOND * 2 // 1000


def test_an_encoder_that_resumes_sounds_like_one_that_never_stopped(tmp_path: Path) -> None:
    pcm = voice(2 * PER_CHUNK + 4)
    through = packets(pcm, 0, 2 * PER_CHUNK)
    resumed = [*through[:PER_CHUNK], *packets(pcm, PER_CHUNK, 2 * PER_CHUNK)]
    data = joined(resumed)
    assert strict_errors(data, tmp_path / "a.mp4") == ""
    start, sound = heard(data)
    _, reference = heard(joined(through))
    assert start == -BLOCK
    original = pcm[: len(sound) - BLOCK]
    quality = np.abs(sound[BLOCK:] - original)
    seam = slice((PER_CHUNK - 3) * BLOCK, (PER_CHUNK + 3) * BLOCK)
    usual = np.abs(reference[BLOCK:] - original)
    assert quality[seam].max() <= 2 * usual[BLOCK:].max() + 0.01


def test_any_chunk_alone_is_whole_from_its_first_sample() -> None:
    pcm = voice(2 * PER_CHUNK + 4)
    second = packets(pcm, 0, 2 * PER_CHUNK)[PER_CHUNK:]
    data = audio_init(VOICE) + media_segment(second, sequence=2, decode_time=MEDIA_START + (PER_CHUNK - 1) * BLOCK)
    start, sound = heard(data)
    assert start == (PER_CHUNK - 1) * BLOCK
    original = pcm[PER_CHUNK * BLOCK :][: len(sound) - BLOCK]
    assert np.abs(sound[BLOCK : 3 * BLOCK] - original[: 2 * BLOCK]).max() < 0.1


def test_only_their_own_kind() -> None:
    with pytest.raises(ValueError, match="no video"):
        ChunkVideoEncoder(VOICE, GRID)
    with pytest.raises(ValueError, match="no audio"):
        AudioEncoder(rung())
