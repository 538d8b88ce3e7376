from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from media.decode.thumbnail import thumbnail
from tests.kit.films import clicks, film, tape
from tests.kit.marks import read_mark

FRAME = 1_920
CODED = {"preset": "ultrafast", "x264-params": "keyint=25:scenecut=0:bframes=2"}


def opened(data: bytes | None) -> np.ndarray:
    assert data is not None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture


def test_it_shows_the_last_key_frame_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", [index * FRAME for index in range(60)], options=CODED)
    picture = opened(thumbnail(path, width=384, quality=90))
    assert picture.shape == (224, 384)
    mark = read_mark(picture, drawn_height=112)
    assert mark is not None
    assert mark.at == 50 * FRAME


def test_the_width_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4", [0], prepare=lambda stream: stream.set_display_rotation(90))
    assert opened(thumbnail(path, width=56)).shape == (96, 56)


def test_a_feed_without_key_frames_still_shows_something(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "x264-params": "keyint=50:intra-refresh=1:bframes=0"}
    path = film(tmp_path / "film.mkv", [index * FRAME for index in range(10)], options=options)
    assert opened(thumbnail(path)).shape == (187, 320)


@pytest.mark.parametrize("content", [b"", b"not media at all" * 100])
def test_no_picture_no_thumbnail(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "000000.mkv"
    path.write_bytes(content)
    assert thumbnail(path) is None
    assert thumbnail(tmp_path / "gone.mkv") is None
    assert thumbnail(tape(tmp_path / "voice.mkv", clicks(48_000, []))) is None
