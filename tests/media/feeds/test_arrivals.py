"""When what a network camera sends is said to have arrived: when it was there, not when libav gave it out."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from capture.kinds.kind import Login
from capture.kinds.rtsp import NetworkCamera
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from tests.kit.camera_content import content
from tests.kit.rtsp_camera import RtspCamera

LATE_S = 0.03
"""What a picture of some packets takes on a busy machine."""


@pytest.mark.parametrize("fps", [1, 5, 25])
def test_a_picture_arrives_when_it_is_sent_however_seldom(fps: int) -> None:
    """Beside a microphone of its own a silent camera's pictures have nothing but their arrivals to lie by."""
    whole = content(gop_s=1 / 25)
    shown = [unit for unit in whole.units if unit.kind is Kind.VIDEO][:: 25 // fps]
    camera = RtspCamera(shown=replace(whole, units=tuple(shown))).start()
    try:
        feed = NetworkCamera(camera.url).open(Login("teacher"))
        found = list(islice((p for p in feed.packets() if p.kind is Kind.VIDEO), 3 * fps + 3))
        feed.close()
    finally:
        camera.stop()
    late = [p.arrival_ns / 1e9 - camera.began - p.pts / TICKS_PER_SECOND for p in found[2:]]
    assert min(late) >= -0.001
    assert sorted(late)[len(late) // 2] <= LATE_S, late
