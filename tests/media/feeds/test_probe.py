from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lesson.errors import UnusableMediaError
from lesson.model import Kind, StreamInfo
from lesson.time import TICKS_PER_SECOND
from media.decode.pictures import pictures
from media.feeds.probe import probe
from tests.kit.films import SIZE, clicks, film, frame_of, marked, tape

FRAME = 1_920


def both(path: Path, *videos: tuple[int, int], sound: bool = True, disposition: int | None = None) -> Path:
    """A film with several video streams of these sizes, and sound; `disposition`: which one is marked default."""
    with av.open(str(path), "w") as out:
        streams = []
        for number, (width, height) in enumerate(videos):
            stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number == disposition else av.stream.Disposition(0)
            streams.append(stream)
        voice = out.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for index in range(10):
            for stream in streams:
                frame = frame_of(marked(index * FRAME, (stream.width, stream.height)))
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(stream.encode(frame))
            if voice is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1_920), np.float32), "fltp", "mono")
                silence.rate, silence.pts, silence.time_base = 48_000, index * 1_920, Fraction(1, 48_000)
                out.mux(voice.encode(silence))
        for stream in streams:
            out.mux(stream.encode())
        if voice is not None:
            out.mux(voice.encode())
    return path


def test_a_film_with_sound(tmp_path: Path) -> None:
    found = probe(both(tmp_path / "film.mp4", SIZE))
    assert found.streams == (
        StreamInfo(kind=Kind.VIDEO, codec="h264", width=192, height=112, fps=Fraction(25)),
        StreamInfo(kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1),
    )
    assert found.indexes == (0, 1)
    assert found.has(Kind.VIDEO)
    assert found.has(Kind.AUDIO)
    assert found.start == 0
    assert found.duration == pytest.approx(10 * FRAME, abs=1_100)


def test_start_and_duration(tmp_path: Path) -> None:
    times = [355_200 + index * FRAME for index in range(50)]
    found = probe(film(tmp_path / "late.mp4", times))
    assert found.start == 355_200
    assert found.duration == pytest.approx(50 * FRAME, abs=48)


def test_sound_alone(tmp_path: Path) -> None:
    found = probe(tape(tmp_path / "voice.wav", clicks(TICKS_PER_SECOND, []), codec="pcm_s16le"))
    assert [stream.kind for stream in found.streams] == [Kind.AUDIO]
    assert found.duration == TICKS_PER_SECOND


@pytest.mark.parametrize(("marked_default", "expected"), [(None, 1), (0, 0), (2, 2)])
def test_of_several_videos_the_default_or_the_largest(
    tmp_path: Path, marked_default: int | None, expected: int
) -> None:
    sizes = [(96, 64), (192, 112), (64, 48)]
    path = both(tmp_path / "three.mkv", *sizes, disposition=marked_default)
    found = probe(path)
    assert found.indexes == (expected, 3)
    assert {(picture.width, picture.height) for picture in pictures([path])} == {sizes[expected]}


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    encoded, cover = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))
    assert encoded
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libmp3lame", rate=48_000, layout="mono")
        art = out.add_stream("png", rate=1)
        art.width = art.height = 40
        art.pix_fmt = "rgb24"
        art.disposition = av.stream.Disposition.attached_pic
        picture = av.Packet(cover.tobytes())
        picture.stream, picture.pts, picture.dts = art, 0, 0
        out.start_encoding()
        out.mux_one(picture)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_152), np.float32), "fltp", "mono")
            frame.rate, frame.pts, frame.time_base = 48_000, index * 1_152, Fraction(1, 48_000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    assert [stream.kind for stream in probe(path).streams] == [Kind.AUDIO]
    assert list(pictures([path])) == []


def test_a_stream_that_cannot_be_decoded_is_not_listed(tmp_path: Path) -> None:
    path = both(tmp_path / "film.mkv", SIZE)
    broken = tmp_path / "broken.mkv"
    with av.open(str(path)) as source, av.open(str(broken), "w") as out:
        copies = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                video = packet.stream.type == "video"
                kept = av.Packet(bytes(packet.size)) if video else packet
                if video:
                    kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts or packet.pts, packet.time_base
                kept.stream = copies[packet.stream.index]
                out.mux_one(kept)
    assert [stream.kind for stream in probe(broken).streams] == [Kind.AUDIO]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.mp4", None, "No such file or directory"),
        ("empty.mp4", b"", "the file is empty"),
        ("notes.txt", b"Lecture 3: fractions\n" * 200, "not a recording|not a media file"),
        ("playlist.m3u8", b"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n", ""),
        ("noise.mkv", np.random.default_rng(3).bytes(50_000), "not a media file"),
        ("concat.ffconcat", b"ffconcat version 1.0\nfile /etc/hostname\n", ""),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableMediaError, match=rf"^{path}: [^\n]*({reason})[^\n]*$"):
        probe(path)


def test_a_recording_cut_off_before_its_index(tmp_path: Path) -> None:
    path = both(tmp_path / "film.mp4", SIZE)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(UnusableMediaError, match=r"its index \(moov\) is missing"):
        probe(path)


def test_the_start_is_that_of_the_first_picture_shown(tmp_path: Path) -> None:
    times = [96_000 + index * FRAME for index in range(40)]
    coded = {"preset": "ultrafast", "x264-params": "keyint=20:bframes=3:b-adapt=0:open-gop=1"}
    path = film(tmp_path / "film.ts", times, options=coded)
    assert probe(path).start == next(iter(pictures([path]))).at


def test_a_photograph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.png"
    assert cv2.imwrite(str(path), np.full((60, 80, 3), 99, np.uint8))
    with pytest.raises(UnusableMediaError, match="still picture"):
        probe(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableMediaError, match="Is a directory"):
        probe(tmp_path)


def test_names_are_files_whatever_they_look_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "plain.mp4", [0, FRAME]).rename(tmp_path / "tcp:10.0.0.1%d.mp4")
    assert probe(Path("tcp:10.0.0.1%d.mp4")).has(Kind.VIDEO)
