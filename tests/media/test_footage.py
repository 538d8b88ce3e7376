"""Every real file, the odd ones above all: read to the end or refused in one clear line, never a hang."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from lesson.errors import UnusableMediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.decode.thumbnail import thumbnail
from media.feeds.probe import probe
from tests.kit.places import FOOTAGE

FILES = [path for name in ("odd", "teacher", "slides", "audio") for path in sorted((FOOTAGE / name).glob("*"))]
LONGEST = 4 * TICKS_PER_SECOND
REFUSED = {
    "exo_invalid-bitstream.webm": "nothing in it can be decoded",
    "mp4parse_invalid_userdata.mp4": "nothing in it can be decoded",
    "no_moov.mp4": "damaged from its start",
    "oc_nostreams.mp4": "holds neither video nor audio",
    "zh_riscv_lecture_pip.pptx": "not a media file",
    "meeting_sample_30s.rttm": "not a media file",
}
SIZES = {
    "ae_SAR-2by3.mp4": {(640, 540)},
    "exo_bear-vp9-odd-dimensions.webm": {(160, 120)},
    "exo_dolbyVision-hdr.MOV": {(720, 1280)},  # turned, 10 bit, BT.2020
    "exo_portrait_4k60.mp4": {(2160, 3840)},  # turned, full range
    "los_interlaced_ac3.mp4": {(720, 524)},
    "nasa_two_videos.mp4": {(480, 270)},  # the larger of two
    "tsduck_025.ts": {(1024, 576)},  # interlaced wide screen
    "vpf_res_change.h264": {(848, 464), (424, 232)},
    "xquery_slide_speech.mov": {(852, 480)},
}
SOUND_ONLY = {
    "exo_bear-vbr-no-seek-table.mp3",
    "exo_bear_uncommon_sample_rate.flac",
    "exo_bear_vorbis_gap.ogg",
    "exo_sample_cbs_truncated.adts",
    "exo_sample_latm.ts",
    "exo_sample_with_trailing_bytes.wav",
    "mpy_with-attached-pic.mp3",  # its only picture is its cover
    "oc_audio_only.mov",
}

pytestmark = pytest.mark.footage


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_file_is_read_or_refused(path: Path) -> None:
    began = time.monotonic()
    if path.name in REFUSED:
        with pytest.raises(UnusableMediaError, match=rf"^{path}: [^\n]*{REFUSED[path.name]}[^\n]*$"):
            probe(path)
        assert time.monotonic() - began < 10
        return
    found = probe(path)
    assert time.monotonic() - began < 10
    shown = list(pictures([path], end=found.start + 3 * LONGEST))
    assert bool(shown) == found.has(Kind.VIDEO)
    assert all(before.at < after.at for before, after in pairwise(shown))
    sizes = {(picture.width, picture.height) for picture in shown}
    assert all(width % 2 == height % 2 == 0 for width, height in sizes)
    assert sizes == SIZES.get(path.name, sizes)
    for picture in shown[:: max(1, len(shown) // 4)]:
        planes = picture.yuv(picture.width, picture.height)
        assert planes.size == (picture.width, picture.height)
        assert planes.u.shape == planes.v.shape == (picture.height // 2, picture.width // 2)
        assert picture.yuv(320, 180).size == (320, 180)
    heard = list(sound([path], end=found.start + LONGEST))
    assert bool(heard) == found.has(Kind.AUDIO)
    assert all(before.end <= after.at for before, after in pairwise(heard))
    assert found.has(Kind.VIDEO) != (path.name in SOUND_ONLY or path.parent.name == "audio")
    assert (thumbnail(path) is not None) == found.has(Kind.VIDEO)


def test_there_is_footage(footage: Path) -> None:
    assert FILES
    assert {*REFUSED, *SIZES, *SOUND_ONLY} <= {path.name for path in footage.glob("*/*")}


def test_a_late_start_is_kept(footage: Path) -> None:
    path = footage / "odd" / "psd_delayed_start.mp4"
    assert probe(path).start == 51_600
    assert next(iter(pictures([path]))).at == 51_600


def test_slides_of_one_picture_in_many_seconds(footage: Path) -> None:
    path = footage / "slides" / "lorem_slides_buildup.mp4"
    assert [picture.at for picture in pictures([path], start=7 * 48_000 + 5, end=10 * 48_000)] == [
        336_000,
        384_000,
        432_000,
    ]


def test_the_sound_of_a_lecture_has_no_seams(footage: Path) -> None:
    path = footage / "slides" / "zh_riscv_lecture_pip.mp4"
    blocks = list(sound([path]))
    assert all(after.at == before.end for before, after in pairwise(blocks))
    assert blocks[0].at == 0
    assert blocks[-1].end == 2_532 * 1_024  # AAC frames in the file
