"""Local devices: USB camera, sound card, screen; each a real process talking to a stand-in below libav."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from media.decode.sound import sound
from process.stage import EXIT_RETRY
from tests.kit.camera_content import FRAME, marked_luma
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    losses,
    marks,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.clicks import find_clicks
from tests.kit.devices import screen, usb_camera
from tests.kit.lessons import source
from tests.kit.sound_card import sound_card
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

MS = TICKS_PER_SECOND // 1000


def test_a_usb_camera_is_copied_and_comes_back_after_its_plug_was_pulled(tmp_path: Path) -> None:
    camera = usb_camera(tmp_path)
    folder = live_lesson(tmp_path, source("teacher", uri=f"v4l2:{camera.device}"))
    with Capture(folder, "teacher", env=camera.env) as capture:
        wait_for_media(folder, "teacher")
        camera.set(camera.unplug, on=True)
        wait_until(lambda: losses(folder, "teacher"), 6)
        camera.set(camera.unplug, on=False)
        wait_for_media(folder, "teacher", epoch=1)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert "No such device" in losses(folder, "teacher")[0]
    assert [info.codec for info in epochs(folder, "teacher")[0].streams] == ["mjpeg"]
    for found in by_epoch(segments(folder, "teacher")).values():
        shown = marks(folder, found)
        assert all(mark is not None for _, mark in shown)
        times = [mark.at for _, mark in shown if mark]
        assert {(b - a) % (camera.pictures * FRAME) for a, b in pairwise(times)} == {FRAME}
        assert all(0 < b - a < FRAME + 200 * MS for (a, _), (b, _) in pairwise(shown))


def test_a_driver_that_hangs_ends_the_process_with_everything_committed(tmp_path: Path) -> None:
    camera = usb_camera(tmp_path)
    folder = live_lesson(tmp_path, source("teacher", uri=f"v4l2:{camera.device}"))
    with Capture(folder, "teacher", env=camera.env) as capture:
        wait_for_media(folder, "teacher")
        camera.set(camera.stall, on=True)
        before = time.monotonic()
        wait_until(lambda: losses(folder, "teacher"), 6)
        assert capture.wait(10) == EXIT_RETRY, "a new process is needed"
        assert time.monotonic() - before < 15
    assert losses(folder, "teacher") == ["no video for 4.5 s"]
    camera.set(camera.stall, on=False)
    with Capture(folder, "teacher", env=camera.env) as capture:
        wait_until(lambda: len(epochs(folder, "teacher")) == 2, 10)
        stop_now(folder)
        assert capture.wait() == 0
    assert finished(folder, "teacher")
    first, *_ = by_epoch(segments(folder, "teacher")).values()
    assert len(marks(folder, first)) >= 5


def test_a_camera_that_is_not_there_is_tried_until_stop(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, source("teacher", uri="v4l2:/dev/video97"))
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: capture.log.count("No such file") >= 2, 10)
        stop_now(folder)
        assert capture.wait(5) == 0
    assert losses(folder, "teacher") == ["/dev/video97: No such file or directory"]
    assert finished(folder, "teacher")


def test_a_sound_card_is_recorded_sample_by_sample(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, source("mic", uri="alsa:kit"))
    with sound_card(tmp_path) as card, Capture(folder, "mic", env=card.env) as capture:
        capture.wait_for_segments(3, 30)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert losses(folder, "mic") == []
    spans = [span for segment in segments(folder, "mic") if (span := segment.span(Kind.AUDIO))]
    assert all(abs(after.start - before.end) <= MS for before, after in pairwise(spans))
    assert all(span.duration < 4 * TICKS_PER_SECOND + 250 * MS for span in spans)
    blocks = list(sound(files(folder, segments(folder, "mic"))))
    clicks = find_clicks(np.concatenate([block.pcm for block in blocks]))
    assert len(clicks) >= 5
    assert all(abs(b - a - 2 * TICKS_PER_SECOND) <= MS for a, b in pairwise(clicks))


def test_a_screen_is_recorded_as_it_was_shown(tmp_path: Path) -> None:
    with screen(tmp_path) as monitor:
        folder = live_lesson(tmp_path, source("screen", uri=f"x11:{monitor.display}?size=640x360&fps=10"))
        monitor.show(marked_luma(1 * FRAME, width=640, height=360))
        with Capture(folder, "screen") as capture:
            wait_until(lambda: epochs(folder, "screen"), 10)
            monitor.show(marked_luma(2 * FRAME, width=640, height=360))
            capture.wait_for_segments(1)
            stop_now(folder)
            assert capture.wait() == 0, capture.log
    shown = marks(folder, segments(folder, "screen"))
    assert all(mark is not None for _, mark in shown)
    times = [mark.at for _, mark in shown if mark]
    assert times == sorted(times)
    assert times[-1] == 2 * FRAME
    assert len(shown) >= 30
    assert all(b > a for (a, _), (b, _) in pairwise(shown))


def test_a_screen_that_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    folder = live_lesson(tmp_path, source("screen", uri="x11::4711"))
    with Capture(folder, "screen") as capture:
        wait_until(lambda: losses(folder, "screen"), 10)
        stop_now(folder)
        assert capture.wait(5) == 0
    assert losses(folder, "screen")[0].startswith("screen :4711: ")
