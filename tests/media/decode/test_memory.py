"""Pictures are freed, and their decoder's with them, when they are let go of: not when the collector comes by."""

from __future__ import annotations

import gc
from pathlib import Path

from av.video.frame import VideoFrame

from media.decode.pictures import pictures
from tests.kit.filmed import Take, film
from tests.kit.lessons import make_lesson, source

SIZE = (320, 180)


def test_no_picture_outlives_its_last_use(tmp_path: Path) -> None:
    teacher = source("teacher")
    folder = make_lesson(tmp_path, sources=(teacher,))
    film(folder, teacher, Take(seconds=4, size=SIZE))
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            assert sum(1 for _ in pictures([folder.segment_path("teacher", 0, 0)])) == 100
        left = [found for found in gc.get_objects() if isinstance(found, VideoFrame) and found.width == SIZE[0]]
        assert left == []
    finally:
        gc.enable()
