from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import IntegrityError
from lesson.model import Kind, Rendition
from lesson.time import Grid
from media.output.audio_encoder import audio_init
from media.output.fmp4 import Sample, avc_sample, boxes, codecs, find_box, media_segment, overhead
from media.output.video_encoder import video_init
from tests.kit.fragments import read_segment

VIDEO = Rendition(
    name="v", kind=Kind.VIDEO, codec="h264", width=160, height=90, crf=30, maxrate=60_000, bufsize=60_000,
    preset="veryfast",
)  # fmt: skip
VOICE = Rendition(name="voice", kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1, bitrate=24_000)

payloads = st.binary(max_size=40)
durations = st.integers(0, 2**31)
video_samples = st.lists(
    st.builds(Sample, payloads, durations, st.integers(-(2**31), 2**31 - 1), st.just(False)), max_size=9
).flatmap(lambda rest: st.builds(lambda data, n: [Sample(data, n, 0, True), *rest], payloads, durations))
audio_samples = st.lists(st.builds(Sample, payloads, durations), min_size=1, max_size=9)


@given(st.one_of(video_samples, audio_samples), st.integers(0, 2**32 - 1), st.integers(0, 2**63))
def test_what_is_written_is_read_again(samples: list[Sample], sequence: int, decode_time: int) -> None:
    fragment = read_segment(media_segment(samples, sequence=sequence, decode_time=decode_time))
    assert list(fragment.samples) == samples
    assert (fragment.sequence, fragment.decode_time) == (sequence, decode_time)
    assert fragment.duration == sum(sample.duration for sample in samples)


def test_every_sample_costs_few_bytes() -> None:
    audio = media_segment([Sample(b"x" * 60, 1024)] * 180, sequence=1, decode_time=0)
    video = media_segment([Sample(b"k", 1920), *[Sample(b"x", 1920, 1920, False)] * 95], sequence=1, decode_time=0)
    assert len(audio) - 180 * 60 <= 180 * 4 + 120
    assert len(video) - 96 == overhead(96) <= 96 * 8 + 120


@pytest.mark.parametrize(
    "keys", [[], [False], [False, True], [True, True, False]], ids=["none", "no key", "key later", "two keys"]
)
def test_a_segment_is_one_closed_group_of_pictures(keys: list[bool]) -> None:
    with pytest.raises(ValueError, match="media segment"):
        media_segment([Sample(b"x", 1, 0, key) for key in keys], sequence=1, decode_time=0)


def test_start_codes_become_lengths_and_parameter_sets_go() -> None:
    units = [b"\x67sps", b"\x68pps", b"\x06sei", b"\x65slice one", b"\x65slice two"]
    annex_b = b"\x00\x00\x00\x01".join([b"", *units[:3]]) + b"\x00\x00\x01" + b"\x00\x00\x01".join(units[3:])
    assert avc_sample(annex_b) == b"".join(struct.pack(">I", len(unit)) + unit for unit in units[3:])


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x07moof", b"\x00\x00\x00\x20moof", b"\x00\x00", b"\xff" * 12])
def test_what_is_no_box_is_an_integrity_error(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        list(boxes(data))


@given(st.binary(max_size=64))
def test_damaged_segments_never_cause_anything_else(data: bytes) -> None:
    whole = media_segment([Sample(b"abc", 1024)] * 3, sequence=1, decode_time=0)
    for damaged in (data, whole[:-1], whole[: len(data)], whole + data):
        try:
            find_box(damaged, b"moof", b"traf", b"trun")
        except IntegrityError:
            continue


def test_codec_strings_come_from_the_bytes() -> None:
    assert codecs(video_init(VIDEO, Grid())) == "avc1.64000b"
    assert codecs(audio_init(VOICE)) == "mp4a.40.2"


def test_init_segments_are_the_same_every_time_and_on_our_timescale() -> None:
    for make in (lambda: video_init(VIDEO, Grid()), lambda: audio_init(VOICE)):
        init = make()
        assert init == make()
        (timescale,) = struct.unpack_from(">I", find_box(init, b"moov", b"trak", b"mdia", b"mdhd").body, 12)
        assert timescale == 48_000
        assert b"edts" not in init
        assert [found.kind for found in boxes(init)] == [b"ftyp", b"moov"]


def test_no_codec_string_is_invented() -> None:
    init = audio_init(VOICE).replace(b"mp4a\x00\x00\x00\x00\x00\x00\x00\x01", b"Opus\x00\x00\x00\x00\x00\x00\x00\x01")
    with pytest.raises(IntegrityError, match="Opus"):
        codecs(init)
