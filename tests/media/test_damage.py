"""Files damaged anywhere and cut anywhere: each is read as far as it goes or refused, nothing else ever happens."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lesson.errors import UnusableMediaError
from lesson.model import Kind
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.decode.thumbnail import thumbnail
from media.feeds.probe import probe
from tests.kit.films import clicks, film, tape

FRAME = 1_920
ROUNDS = 12


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    broken = bytearray(data)
    how = int(rng.integers(4))
    if how == 0:  # the power went
        return bytes(broken[: rng.integers(len(broken))])
    if how == 1:  # a hole
        start, end = sorted(rng.integers(0, len(broken), 2))
        return bytes(broken[:start] + broken[end:])
    reach = len(broken) if how == 2 else min(len(broken), 1_500)  # anywhere, or in the headers
    for place in rng.integers(0, reach, int(rng.integers(1, 30))):
        broken[place] = int(rng.integers(256))
    return bytes(broken)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "mp3", "wav", "webm", "flac"])
def test_damage_never_gives_anything_but_pictures_sound_or_a_refusal(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    codecs = {"mp3": "libmp3lame", "wav": "pcm_s16le", "flac": "flac", "webm": "libopus"}
    if suffix in codecs:
        tape(whole, clicks(96_000, [20_000]), codec=codecs[suffix])
    else:
        film(whole, [index * FRAME for index in range(40)], options={"preset": "ultrafast"})
    rng = np.random.default_rng(sum(suffix.encode()))
    path = tmp_path / f"broken.{suffix}"
    read = 0
    refusals: list[str] = []
    for _ in range(ROUNDS):
        path.write_bytes(damaged(whole.read_bytes(), rng))
        try:
            found = probe(path)
        except UnusableMediaError as error:
            refusals.append(str(error))
            continue
        read += 1
        shown = list(pictures([path]))
        assert all(before.at < after.at for before, after in pairwise(shown))
        for picture in shown[::10]:
            assert picture.yuv(160, 90).size == (160, 90)
        blocks = list(sound([path]))
        assert all(before.end <= after.at for before, after in pairwise(blocks))
        assert bool(shown) == found.has(Kind.VIDEO) or found.has(Kind.AUDIO)
        assert found.has(Kind.VIDEO) or thumbnail(path) is None
    assert read >= 2
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in refusals)
