from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lesson.errors import MediaError
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.sound import AudioBlock, sound
from tests.kit.clicks import find_clicks
from tests.kit.films import clicks, cut, film, tape

CLICKS = [20_000, 96_000, 200_001, 300_017]
LENGTH = 8 * TICKS_PER_SECOND
MILLISECOND: Ticks = 48


def joined(blocks: list[AudioBlock]) -> tuple[Ticks, np.ndarray]:
    """All samples on one timeline from the first block on, holes silent; blocks must not overlap."""
    assert all(after.at >= before.end for before, after in pairwise(blocks))
    first = blocks[0].at
    pcm = np.zeros(blocks[-1].end - first, np.float32)
    for block in blocks:
        pcm[block.at - first : block.end - first] = block.pcm
    return first, pcm


def heard(paths: list[Path], **options: Ticks) -> list[Ticks]:
    first, pcm = joined(list(sound(paths, **options)))
    return find_clicks(pcm, start=first)


def lag(out: np.ndarray, made: np.ndarray) -> int:
    """By how many samples `out` lies later than `made`: where they correlate best."""
    size = 2 ** int(np.ceil(np.log2(len(out) + len(made))))
    spectrum = np.fft.rfft(out, size) * np.conj(np.fft.rfft(made, size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


def voice(length: Ticks) -> np.ndarray:
    """Noise without treble, which every codec keeps, growing and fading: it resembles itself at one place only."""
    rng = np.random.default_rng(7)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[length * 4_000 // TICKS_PER_SECOND :] = 0
    noise = np.fft.irfft(spectrum, length)
    scaled: np.ndarray = (0.2 * noise / np.abs(noise).max()).astype(np.float32)
    return scaled


@pytest.mark.parametrize("start", [0, 355_200])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("pcm_s16le", "wav"),
        ("pcm_s16le", "mkv"),
        ("flac", "flac"),
        ("flac", "mkv"),
        ("aac", "mp4"),
        ("aac", "mkv"),
        ("libopus", "mkv"),
        ("libopus", "webm"),
        ("libmp3lame", "mp3"),
        ("ac3", "mkv"),
    ],
)
def test_every_sample_is_where_it_was_made(tmp_path: Path, codec: str, suffix: str, start: Ticks) -> None:
    made = voice(3 * TICKS_PER_SECOND)
    first, out = joined(list(sound([tape(tmp_path / f"voice.{suffix}", made, codec=codec, start=start)])))
    if suffix in {"wav", "flac", "mp3"}:  # without time stamps; an MP3 file declares that it starts after its priming
        assert first == (1_105 if suffix == "mp3" else 0)
        start = first
    # Matroska rounds times, and the codec delay taken from them, to milliseconds; MP4 an empty edit at its start
    rounding = 0 if suffix in {"wav", "flac", "mp3"} or (suffix, start) == ("mp4", 0) else MILLISECOND
    assert abs(first + lag(out, made) - start) <= rounding
    if codec in {"pcm_s16le", "flac"}:
        assert np.abs(out - made).max() < 1e-4


def test_clicks_are_where_they_were_made(tmp_path: Path) -> None:
    found = heard([tape(tmp_path / "voice.mp4", clicks(LENGTH, CLICKS))])
    assert max(abs(a - b) for a, b in zip(found, CLICKS, strict=True)) <= 16  # what the finder can tell


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (44_100, 2), (16_000, 1), (8_000, 1), (48_000, 2)])
def test_other_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    starts = [rate // 2, 2 * rate, 3 * rate]
    pcm = np.zeros(4 * rate, np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate // 50) / rate)
    for start in starts:
        pcm[start : start + len(tone)] = tone
    path = tape(tmp_path / "voice.wav", pcm, codec="pcm_s16le", rate=rate, channels=channels)
    first, out = joined(list(sound([path])))
    assert first == 0
    assert abs(len(out) - 4 * TICKS_PER_SECOND) <= 2
    found = find_clicks(out)
    assert len(found) == 3
    assert max(abs(a - b * TICKS_PER_SECOND // rate) for a, b in zip(found, starts, strict=True)) <= 16
    assert np.abs(out[24_300:24_700]).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac", "libopus", "flac"])
@pytest.mark.parametrize("start", [0, 355_200])
def test_sound_runs_through_segments_without_a_seam(tmp_path: Path, codec: str, start: Ticks) -> None:
    made = voice(LENGTH)
    whole = tape(tmp_path / "whole.mkv", made, codec=codec, start=start)
    parts = cut(whole, tmp_path / "cut", every=TICKS_PER_SECOND)
    assert len(parts) >= 8
    blocks = list(sound(parts))
    assert all(after.at == before.end for before, after in pairwise(blocks))
    first, out = joined(blocks)
    assert abs(first - start) <= MILLISECOND
    assert abs(len(out) - LENGTH) <= 2_048
    assert abs(first + lag(out, made) - start) <= MILLISECOND
    whole_out = joined(list(sound([whole])))[1]
    assert np.abs(out[:LENGTH] - whole_out[:LENGTH]).max() < 1e-4


def test_files_may_be_added_while_the_sound_is_read(tmp_path: Path) -> None:
    made = voice(3 * TICKS_PER_SECOND)
    parts = cut(tape(tmp_path / "whole.mkv", made), tmp_path / "cut", every=TICKS_PER_SECOND)
    known = parts[:1]
    blocks = []
    for block in sound(known):
        blocks.append(block)
        if block.end > len(known) * TICKS_PER_SECOND // 2 and len(known) < len(parts):
            known.append(parts[len(known)])
    assert np.array_equal(joined(blocks)[1], joined(list(sound(parts)))[1])


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_a_stretch_is_cut_to_the_sample(tmp_path: Path, codec: str) -> None:
    made = voice(LENGTH)
    parts = cut(tape(tmp_path / "whole.mkv", made, codec=codec), tmp_path / "cut", every=TICKS_PER_SECOND)
    first, out = joined(list(sound(parts, start=90_003, end=210_007)))
    assert (first, first + len(out)) == (90_003, 210_007)
    assert abs(lag(out, made[90_003:210_007])) <= MILLISECOND


def test_far_into_a_long_file(tmp_path: Path) -> None:
    path = tape(tmp_path / "long.mp4", clicks(30 * TICKS_PER_SECOND, [1_300_000]))
    assert heard([path], start=1_290_000, end=1_310_000) == [pytest.approx(1_300_000, abs=16)]


def test_a_missing_segment_is_a_hole_of_its_length(tmp_path: Path) -> None:
    starts = [20_000, 120_000, 300_000]
    parts = cut(tape(tmp_path / "whole.mkv", clicks(LENGTH, starts)), tmp_path / "cut", every=TICKS_PER_SECOND)
    del parts[4]
    blocks = list(sound(parts))
    holes = [after.at - before.end for before, after in pairwise(blocks) if after.at > before.end]
    assert len(holes) == 1
    assert abs(holes[0] - TICKS_PER_SECOND) <= 2_048
    first, pcm = joined(blocks)
    found = find_clicks(pcm, start=first)
    assert max(abs(a - b) for a, b in zip(found, starts, strict=True)) <= MILLISECOND


def test_lost_packets_do_not_move_what_follows(tmp_path: Path) -> None:
    whole = tape(tmp_path / "whole.mkv", clicks(LENGTH, CLICKS))
    holed = tmp_path / "holed.mkv"
    with av.open(str(whole)) as source, av.open(str(holed), "w") as out:
        copy = out.add_stream_from_template(source.streams.audio[0], opaque=True)
        for number, packet in enumerate(source.demux(audio=0)):
            if packet.size and number not in {100, 101, 102, 103}:  # 85 ms, away from the clicks
                packet.stream = copy
                out.mux_one(packet)
    found = heard([holed])
    assert max(abs(a - b) for a, b in zip(found, CLICKS, strict=True)) <= MILLISECOND


@pytest.mark.parametrize("step", [-20, -14, -6, 6, 14, 40])
def test_parts_joined_by_copy_stay_in_sync(tmp_path: Path, step: int) -> None:
    """At each joint the time stamps step by milliseconds, always the same way: what is not made good adds up."""
    part = tape(tmp_path / "part.mkv", clicks(4 * TICKS_PER_SECOND, [3 * TICKS_PER_SECOND]))
    with av.open(str(part)) as source:
        length = 1_024 * sum(packet.size > 0 for packet in source.demux(audio=0))
    joined_path = tmp_path / "joined.mkv"
    starts = [round(number * (length + step * MILLISECOND) / MILLISECOND) for number in range(10)]
    with av.open(str(joined_path), "w") as out:
        copy = None
        for start in starts:
            with av.open(str(part)) as source:
                copy = copy or out.add_stream_from_template(source.streams.audio[0], opaque=True)
                for packet in source.demux(audio=0):
                    if packet.size and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + start, packet.pts + start
                        packet.stream = copy
                        out.mux_one(packet)
    wanted = [3 * TICKS_PER_SECOND + start * MILLISECOND for start in starts]
    found = heard([joined_path])
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 5 * MILLISECOND


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "libopus"])
def test_damaged_bytes_cost_sound_but_not_the_file(tmp_path: Path, codec: str) -> None:
    starts = [20_000, 340_000]
    parts = cut(
        tape(tmp_path / "whole.mkv", clicks(LENGTH, starts), codec=codec), tmp_path / "cut", every=TICKS_PER_SECOND
    )
    rng = np.random.default_rng(2)
    for path in parts[2:5]:
        data = bytearray(path.read_bytes())
        for place in rng.integers(len(data) // 3, len(data), 25):
            data[place] ^= int(rng.integers(1, 255))
        path.write_bytes(data)
    blocks = list(sound(parts))
    first, pcm = joined(blocks)
    assert abs(first + len(pcm) - LENGTH) <= 4_096
    near = [[at for at in find_clicks(pcm, start=first) if abs(at - start) < 4_800] for start in starts]
    assert [len(found) for found in near] == [1, 1]
    assert max(abs(found[0] - start) for found, start in zip(near, starts, strict=True)) <= 5 * MILLISECOND


def test_time_stamps_that_jump_back_never_repeat_sound(tmp_path: Path) -> None:
    one = tape(tmp_path / "one.mkv", clicks(2 * TICKS_PER_SECOND, [20_000]))
    again = tape(tmp_path / "again.mkv", clicks(2 * TICKS_PER_SECOND, [20_000]), start=TICKS_PER_SECOND)
    blocks = list(sound([one, again]))
    first, pcm = joined(blocks)
    assert first + len(pcm) == pytest.approx(3 * TICKS_PER_SECOND, abs=2_048)


def test_a_change_of_rate_in_the_middle(tmp_path: Path) -> None:
    one = tape(tmp_path / "one.mkv", clicks(TICKS_PER_SECOND, [20_000]), codec="pcm_s16le")
    low = np.zeros(16_000, np.float32)
    low[8_000:8_320] = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(320) / 16_000)
    two = tape(tmp_path / "two.mkv", low, codec="pcm_s16le", rate=16_000, start=TICKS_PER_SECOND)
    found = heard([one, two])
    assert found == [pytest.approx(20_000, abs=16), pytest.approx(72_000, abs=16)]


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 12])
def test_channels_of_unknown_place_are_all_heard(tmp_path: Path, channels: int) -> None:
    for speaking in range(channels):
        samples = np.zeros((TICKS_PER_SECOND, channels), "<i2")
        samples[:, speaking] = 16_000 * np.sin(2 * np.pi * 440 * np.arange(TICKS_PER_SECOND) / TICKS_PER_SECOND)
        path = tmp_path / f"array{speaking}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(TICKS_PER_SECOND)
            file.writeframes(samples.tobytes())
        first, pcm = joined(list(sound([path])))
        assert (first, len(pcm)) == (0, TICKS_PER_SECOND)
        assert np.abs(pcm).max() == pytest.approx(16_000 / 32_768, rel=0.02)


def test_pictures_alone_are_silent(tmp_path: Path) -> None:
    assert list(sound([film(tmp_path / "film.mkv", [0, 1_920])])) == []


def test_no_file_at_all_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^[^\n]*gone\.mkv: No such file or directory$"):
        list(sound([tmp_path / "gone.mkv"]))
