from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesson.errors import MediaError
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.pictures import Picture, pictures
from tests.kit.films import SIZE, clicks, cut, film, frame_of, marked, tape
from tests.kit.marks import read_mark

FRAME: Ticks = 1_920
ROUNDING: Ticks = 24
"""Half a millisecond: what Matroska may shift a picture by."""

OPEN_GOP = {"preset": "ultrafast", "x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-adapt=0:open-gop=1"}
CLOSED = {"preset": "ultrafast", "x264-params": "keyint=25:scenecut=0:bframes=2"}


def mark_of(picture: Picture) -> Ticks | None:
    mark = read_mark(picture.yuv(*SIZE).y)
    return None if mark is None else mark.at


def shown(
    paths: list[Path], *, start: Ticks | None = None, end: Ticks | None = None, min_interval: Ticks = 0
) -> list[tuple[Ticks, Ticks | None]]:
    found = pictures(paths, start=start, end=end, min_interval=min_interval)
    return [(picture.at, mark_of(picture)) for picture in found]


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Ticks]]:
    """Five seconds with B-frames and open groups of pictures, in segments of about a second; starts at 7.4 s."""
    folder = tmp_path_factory.mktemp("lecture")
    times = [355_200 + index * FRAME for index in range(125)]
    whole = film(folder / "whole.mp4", times, options=OPEN_GOP)
    return cut(whole, folder / "cut", every=TICKS_PER_SECOND), times


def test_every_picture_comes_once_and_in_order_through_segments_cut_in_open_groups(
    lecture: tuple[list[Path], list[Ticks]],
) -> None:
    paths, times = lecture
    assert len(paths) == 5
    seen = shown(paths)
    assert [mark for _, mark in seen] == times
    assert all(abs(at - mark) <= ROUNDING for at, mark in seen if mark is not None)


@given(start=st.integers(300_000, 620_000), length=st.integers(0, 200_000))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stretch_begins_with_the_picture_shown_at_its_start(
    lecture: tuple[list[Path], list[Ticks]], start: Ticks, length: Ticks
) -> None:
    paths, times = lecture
    end = start + length
    first = max([at for at in times if at <= start], default=None)
    expected = [at for at in times if at == first or start < at < end]
    assert [mark for _, mark in shown(paths, start=start, end=end)] == expected


def test_a_later_segment_alone_shows_nothing_that_needs_the_one_before(
    lecture: tuple[list[Path], list[Ticks]],
) -> None:
    paths, _ = lecture
    seen = shown(paths[1:2])
    assert len(seen) >= 22
    assert all(mark is not None and abs(at - mark) <= ROUNDING for at, mark in seen)


def test_a_missing_segment_is_a_hole_and_not_mud(lecture: tuple[list[Path], list[Ticks]]) -> None:
    paths, times = lecture
    seen = shown([paths[0], *paths[2:]])
    assert all(mark is not None and abs(at - mark) <= ROUNDING for at, mark in seen)
    assert seen[0][1] == times[0]
    assert seen[-1][1] == times[-1]
    assert 90 <= len(seen) <= 100


def test_an_unreadable_segment_is_skipped(lecture: tuple[list[Path], list[Ticks]], tmp_path: Path) -> None:
    paths, times = lecture
    torn = tmp_path / "torn.mkv"
    torn.write_bytes(b"no matroska at all" * 50)
    seen = [mark for _, mark in shown([paths[0], torn, *paths[2:]])]
    assert seen[-1] == times[-1]
    assert None not in seen


def test_at_most_one_picture_an_interval(lecture: tuple[list[Path], list[Ticks]]) -> None:
    paths, times = lecture
    interval = TICKS_PER_SECOND // 4
    seen = [at for at, _ in shown(paths, min_interval=interval)]
    assert len({at // interval for at in seen}) == len(seen)
    assert len(seen) in {20, 21}
    assert abs(seen[0] - times[0]) <= ROUNDING


def test_key_frames_alone(lecture: tuple[list[Path], list[Ticks]]) -> None:
    paths, times = lecture
    assert [mark_of(picture) for picture in pictures(paths, keys_only=True)] == times[::25]


def test_a_draft_has_the_same_pictures(lecture: tuple[list[Path], list[Ticks]]) -> None:
    paths, times = lecture
    assert [mark_of(picture) for picture in pictures(paths, draft=True)] == times


def test_time_base_may_differ_between_files(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(50)]
    whole = film(tmp_path / "whole.mp4", times, options=CLOSED)
    parts = cut(whole, tmp_path / "cut", every=TICKS_PER_SECOND)
    other = tmp_path / "second.mov"  # 1/12 800 instead of 1/1 000
    with av.open(str(parts[1])) as source, av.open(str(other), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                out.mux_one(packet)
    assert [mark for _, mark in shown([parts[0], other])] == times


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 1_920, 3_840, 40_000, 41_600, 144_000, 145_920, 400_000]
    path = film(tmp_path / "slides.mp4", times, options=CLOSED)
    assert [(at, mark) for at, mark in shown([path])] == [(at, at) for at in times]


def test_pictures_without_time_stamps_follow_at_the_nominal_rate(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(20)]
    path = film(tmp_path / "bare.h264", times, options={"preset": "ultrafast"}, format="h264")
    seen = shown([path])
    assert [mark for _, mark in seen] == times
    assert [at for at, _ in seen] == times


def test_the_picture_before_the_start_is_found_far_into_a_long_file(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(250)]
    path = film(tmp_path / "long.mkv", times, options=OPEN_GOP)
    assert [mark for _, mark in shown([path], start=400_100, end=404_000)] == [399_360, 401_280, 403_200]


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg", "libvpx-vp9", "libx265"])
def test_damaged_bytes_cost_pictures_but_not_the_file(tmp_path: Path, codec: str) -> None:
    times = [index * FRAME for index in range(100)]
    options = {"libx264": CLOSED, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "g": "25", "crf": "20"}}
    coded = options.get(
        codec, {"g": "25", "preset": "ultrafast", "x265-params": "log-level=none:frame-threads=1:bframes=0:keyint=25"}
    )
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / "film.mkv", times, codec=codec, options=coded, pix_fmt=pix_fmt)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    middle = slice(len(data) * 2 // 5, len(data) * 3 // 5)
    for place in rng.integers(middle.start, middle.stop, 60):
        data[place] ^= int(rng.integers(1, 255))
    path.write_bytes(data)
    seen = shown([path])
    good = {mark for at, mark in seen if mark is not None and abs(at - mark) <= ROUNDING}
    assert [at for at, _ in seen] == sorted({at for at, _ in seen})
    assert set(times[:25]) <= good
    assert times[-1] in good


def test_a_file_cut_off_in_the_middle_gives_what_is_there(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(100)]
    path = film(tmp_path / "film.mkv", times, options=CLOSED)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])
    seen = [mark for _, mark in shown([path])]
    assert 40 <= len(seen) <= 75
    assert seen == times[: len(seen)]


def test_a_first_picture_that_is_damaged_is_not_shown(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(30)]
    path = film(tmp_path / "film.mkv", times, options=CLOSED | {"x264-params": "keyint=10:bframes=0"})
    broken = tmp_path / "broken.mkv"
    with av.open(str(path)) as source, av.open(str(broken), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            kept = av.Packet(bytes(packet)[: packet.size // 8]) if number == 0 else packet
            kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
            kept.is_keyframe = packet.is_keyframe
            kept.stream = copy
            out.mux_one(kept)
    seen = shown([broken])
    assert [at for at, mark in seen if mark is not None][-1] == times[-1]
    assert {mark for at, mark in seen if at >= times[10]} == set(times[10:])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
def test_nothing_is_shown_before_the_first_key_frame(tmp_path: Path, codec: str) -> None:
    times = [index * FRAME for index in range(75)]
    options = CLOSED if codec == "libx264" else {"g": "25"}
    path = film(tmp_path / "film.mkv", times, codec=codec, options=options)
    late = tmp_path / "late.mkv"
    with av.open(str(path)) as source, av.open(str(late), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number >= 10:
                packet.stream = copy
                out.mux_one(packet)
    seen = shown([late])
    assert seen
    assert all(mark is not None and abs(at - mark) <= ROUNDING for at, mark in seen)
    assert seen[0][1] == times[25]


def test_no_file_at_all_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^[^\n]*gone\.mkv: No such file or directory$"):
        list(pictures([tmp_path / "gone.mkv"]))


def test_sound_alone_shows_nothing(tmp_path: Path) -> None:
    path = tape(tmp_path / "voice.mkv", clicks(48_000, [1_000]))
    assert list(pictures([path])) == []


# --- shape -----------------------------------------------------------------------------------------------------------


def corner(_at: Ticks) -> av.VideoFrame:
    """White at the top left, grey at the top right, black below."""
    luma = np.full((96, 160), 16, np.uint8)
    luma[:48, :80], luma[:48, 80:] = 235, 120
    return frame_of(luma)


def quadrants(plane: np.ndarray) -> list[list[int]]:
    height, width = plane.shape
    centres = [[plane[height * y // 4, width * x // 4] for x in (1, 3)] for y in (1, 3)]
    return [[min((16, 120, 235), key=lambda value: abs(int(v) - value)) for v in row] for row in centres]


def only_picture(path: Path) -> Picture:
    return next(iter(pictures([path])))


@pytest.mark.parametrize(
    ("degrees", "flips", "expected"),
    [
        (0, {}, [[235, 120], [16, 16]]),
        (90, {}, [[120, 16], [235, 16]]),  # anticlockwise
        (-90, {}, [[16, 235], [16, 120]]),
        (180, {}, [[16, 16], [120, 235]]),
        (0, {"hflip": True}, [[120, 235], [16, 16]]),
        (0, {"vflip": True}, [[16, 16], [235, 120]]),
        (90, {"hflip": True}, [[16, 120], [16, 235]]),
        (-90, {"vflip": True}, [[16, 120], [16, 235]]),
    ],
)
def test_rotated_and_mirrored_pictures_are_upright(
    tmp_path: Path, degrees: int, flips: dict[str, bool], expected: list[list[int]]
) -> None:
    path = film(
        tmp_path / "phone.mp4",
        [0, FRAME],
        size=(160, 96),
        draw=corner,
        prepare=lambda stream: stream.set_display_rotation(degrees, **flips),
    )
    picture = only_picture(path)
    width, height = (96, 160) if degrees in {90, -90} else (160, 96)
    assert (picture.width, picture.height) == (width, height)
    full = picture.yuv(width, height)
    assert full.size == (width, height)
    assert full.u.shape == full.v.shape == (height // 2, width // 2)
    assert quadrants(full.y) == expected
    half = picture.yuv(width // 2, height // 2)
    assert half.size == (width // 2, height // 2)
    assert quadrants(half.y) == expected
    assert quadrants(picture.gray(width // 2, height // 2)) == expected
    assert picture.bgr(width // 4, height // 4).shape == (height // 4, width // 4, 3)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(4, 3), (256, 112)), (Fraction(2, 3), (192, 168)), (Fraction(1), SIZE), (Fraction(1, 90), SIZE)],
)
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, size: tuple[int, int], suffix: str) -> None:
    path = film(tmp_path / f"wide.{suffix}", [0, FRAME], aspect=aspect, options=CLOSED)
    picture = only_picture(path)
    assert (picture.width, picture.height) == size
    mark = read_mark(picture.yuv(*size).y, drawn_height=SIZE[1])
    assert mark is not None
    assert mark.at == 0


@pytest.mark.parametrize("codec", ["ffv1", "libvpx-vp9"])
def test_odd_sizes_become_even_by_cutting(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path / "odd.mkv", [0, FRAME], codec=codec, size=(193, 113))
    picture = only_picture(path)
    assert (picture.width, picture.height) == (192, 112)
    exact = picture.yuv(192, 112)
    assert exact.u.shape == (56, 96)
    assert np.abs(exact.y[:90].astype(int) - marked(0, (193, 113))[:90, :192]).max() < 12
    assert picture.yuv(96, 56).size == (96, 56)


def test_a_change_of_size_in_the_middle(tmp_path: Path) -> None:
    small = film(tmp_path / "small.h264", [0, FRAME, 2 * FRAME], options=CLOSED, format="h264")
    large = film(tmp_path / "large.h264", [0, FRAME], size=(384, 224), options=CLOSED, format="h264")
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    seen = list(pictures([both]))
    assert [(picture.width, picture.height) for picture in seen] == [SIZE] * 3 + [(384, 224)] * 2
    assert all(mark_of(picture) is not None for picture in seen)


# --- colour ----------------------------------------------------------------------------------------------------------


def greys(values: tuple[int, ...], chroma: tuple[int, int] = (128, 128)) -> av.VideoFrame:
    luma = np.repeat(np.repeat(np.array([values], np.uint8), 64, axis=0), 32, axis=1)
    return frame_of(luma, chroma)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuvj420p"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p10le"),
        ("libx265", "yuv420p10le"),
        ("mjpeg", "yuvj420p"),
        ("mjpeg", "yuvj422p"),
        ("ffv1", "yuva420p"),
        ("ffv1", "bgr0"),
        ("png", "rgb24"),
        ("rawvideo", "gray"),
        ("rawvideo", "nv12"),
    ],
)
def test_every_layout_comes_out_as_limited_range(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    values = (16, 60, 128, 200, 235)
    full = pix_fmt.startswith("yuvj") or pix_fmt in {"gray", "rgb24", "bgr0"}

    def draw(_at: Ticks) -> av.VideoFrame:
        source = greys(values)
        return source.reformat(
            format=pix_fmt,
            src_colorspace="ITU709",
            dst_colorspace="ITU709",
            src_color_range="MPEG",
            dst_color_range="JPEG" if full else "MPEG",
        )

    options = (
        {"crf": "10", "preset": "ultrafast", "x265-params": "log-level=none:frame-threads=1:bframes=0"}
        if "26" in codec
        else {}
    )
    path = film(
        tmp_path / f"grey.{'mov' if codec == 'png' else 'mkv'}",
        [0, FRAME],
        codec=codec,
        pix_fmt=pix_fmt,
        size=(160, 64),
        draw=draw,
        options=options,
    )
    picture = only_picture(path)
    for exact in (picture.yuv(160, 64), picture.yuv(320, 128).scaled(160, 64)):
        seen = [int(exact.y[32, 16 + 32 * index]) for index in range(5)]
        assert np.abs(np.array(seen) - values).max() <= 3
        assert np.abs(exact.u.astype(int) - 128).max() <= 2
        assert np.abs(exact.v.astype(int) - 128).max() <= 2
    assert abs(int(picture.gray(160, 64)[32, 16 + 32 * 3]) - 200) <= 3
    assert np.abs(picture.bgr(160, 64)[32, 16].astype(int) - 0).max() <= 6
    assert np.abs(picture.bgr(160, 64)[32, 16 + 32 * 4].astype(int) - 255).max() <= 6


def test_red_stays_red_in_what_is_converted(tmp_path: Path) -> None:
    """JPEG is BT.601 by its standard: pure red is (81, 90, 240) there and (63, 102, 240) in BT.709."""

    def red(_at: Ticks) -> av.VideoFrame:
        rgb = np.zeros((64, 64, 3), np.uint8)
        rgb[:, :, 0] = 255
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        return frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG")

    path = film(tmp_path / "red.mkv", [0], codec="mjpeg", pix_fmt="yuvj420p", size=(64, 64), draw=red)
    exact = only_picture(path).yuv(64, 64)
    assert np.abs(np.array([exact.y[32, 32], exact.u[16, 16], exact.v[16, 16]], int) - (63, 102, 240)).max() <= 3
    assert np.abs(only_picture(path).bgr(64, 64)[32, 32].astype(int) - (0, 0, 255)).max() <= 6


# --- interlace -------------------------------------------------------------------------------------------------------


def combs(luma: np.ndarray) -> float:
    """Mean difference of neighbouring rows beyond that of rows two apart: high where fields are woven wrongly."""
    rows = luma.astype(int)
    return float(np.abs(rows[1:-1] * 2 - rows[:-2] - rows[2:]).mean() - np.abs(rows[2:] - rows[:-2]).mean())


def woven(at: Ticks) -> av.VideoFrame:
    """A bar that moves 12 px a field."""
    luma = np.full((96, 160), 50, np.uint8)
    for field in (0, 1):
        left = 8 + (at // FRAME * 2 + field) * 12 % 120
        luma[field::2, left : left + 24] = 200
    return frame_of(luma)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_pictures_become_progressive(tmp_path: Path, codec: str) -> None:
    options = (
        {"x264-params": "tff=1:keyint=10:crf=12"} if codec == "libx264" else {"flags": "+ilme+ildct", "qscale": "2"}
    )
    path = film(
        tmp_path / "tv.mkv",
        [index * FRAME for index in range(12)],
        codec=codec,
        options=options,
        size=(160, 96),
        draw=woven,
    )
    with av.open(str(path)) as container:
        stored = [(frame.interlaced_frame, combs(frame.to_ndarray()[:96, :160])) for frame in container.decode(video=0)]
    assert all(flag for flag, _ in stored)
    seen = list(pictures([path]))
    assert [picture.at for picture in seen] == [index * FRAME for index in range(12)]
    assert [(picture.width, picture.height) for picture in seen] == [(160, 96)] * 12
    assert max(combs(picture.yuv(160, 96).y) for picture in seen) < 0.3 * np.mean([value for _, value in stored])


def test_interlaced_parts_between_progressive_ones_of_another_size(tmp_path: Path) -> None:
    options = {"x264-params": "tff=1:keyint=10"}
    tv = film(tmp_path / "tv.h264", [0, FRAME, 2 * FRAME], options=options, size=(160, 96), draw=woven, format="h264")
    plain = film(tmp_path / "plain.h264", [0, FRAME], options=CLOSED, format="h264")
    both = tmp_path / "both.h264"
    both.write_bytes(plain.read_bytes() + tv.read_bytes() + plain.read_bytes() + tv.read_bytes())
    seen = [(picture.width, picture.height) for picture in pictures([both])]
    assert seen == [SIZE] * 2 + [(160, 96)] * 3 + [SIZE] * 2 + [(160, 96)] * 3


# --- planes ----------------------------------------------------------------------------------------------------------


def test_planes_outlive_the_decoder_and_cannot_be_painted_on(tmp_path: Path) -> None:
    times = [index * FRAME for index in range(40)]
    path = film(tmp_path / "film.mkv", times, options=CLOSED)
    kept = [picture.yuv(*SIZE) for picture in pictures([path])]
    assert [getattr(read_mark(planes.y), "at", None) for planes in kept] == times
    with pytest.raises(ValueError, match="read-only"):
        kept[0].y[0, 0] = 1
    kept[0].copy().y[0, 0] = 1


@pytest.mark.parametrize("every_s", [1, 2, 5, 30])
@pytest.mark.parametrize("keyint", [5, 10])
def test_slides_far_apart_in_open_groups_are_all_there(tmp_path: Path, every_s: int, keyint: int) -> None:
    """Files of one recording belong together however seldom its pictures are: leading ones need the file before."""
    times = [number * every_s * TICKS_PER_SECOND for number in range(30)]
    coded = f"keyint={keyint}:min-keyint=1:bframes=3:b-adapt=0:scenecut=0:open-gop=1"
    options = {"preset": "ultrafast", "x264-params": coded}
    parts = cut(film(tmp_path / "slides.mp4", times, options=options), tmp_path / "cut", every=4 * TICKS_PER_SECOND)
    assert len(parts) >= 30 // keyint - 1
    shown = list(pictures(parts))
    assert [round(picture.at / TICKS_PER_SECOND) for picture in shown] == [at // TICKS_PER_SECOND for at in times]
