"""From packets to lesson time: what real capture processes record of one scene meets again on the lesson clock."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_ns
from lesson.view import load_state
from media.decode.sound import sound
from tests.kit.camera_content import content
from tests.kit.capturing import Capture, by_epoch, files, live_lesson, marks, segments, stop_now, wait_for_media
from tests.kit.clicks import find_clicks
from tests.kit.lessons import source
from tests.kit.marks import MARK_PERIOD
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until
from tracking.clocks import LessonClock
from tracking.evidence import Evidence
from tracking.planner import Planner

MAX_OFFSET: Ticks = TICKS_PER_SECOND * 40 // 1000
MARK_RANGE = 2**32
PICTURES = ("teacher", "students")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> LessonFolder:
    """12 s of two cameras and a microphone whose clocks start anywhere; one camera process is killed on the way."""
    folder = live_lesson(
        tmp_path_factory.mktemp("clock"),
        source("teacher", uri="test:teacher?size=320x180"),
        source("students", uri="test:students?size=320x180"),
        source("mic", uri="test:tone"),
    )
    with ExitStack() as processes:
        mic = processes.enter_context(Capture(folder, "mic"))
        captures = [mic, processes.enter_context(Capture(folder, "teacher"))]
        with Capture(folder, "students") as killed:
            mic.wait_for_segments(1)
            killed.kill()
        captures.append(processes.enter_context(Capture(folder, "students")))
        wait_for_media(folder, "students", epoch=1, size=8_000)
        mic.wait_for_segments(3)
        stop_now(folder)
        assert [capture.wait() for capture in captures] == [0, 0, 0]
    return folder


@pytest.fixture(scope="module")
def state(folder: LessonFolder) -> LessonState:
    """The lesson with the clock maps that the planner makes of it."""
    return planned(folder)


def planned(folder: LessonFolder) -> LessonState:
    state = load_state(folder)
    planner = Planner(state=state, clock=LessonClock(state), evidence=Evidence(), blind=True)
    while due := planner.due(Moment.now()):
        for news in due:
            state.apply(news)
    return state


def scene_to_lesson(folder: LessonFolder, state: LessonState, source_id: str) -> list[Ticks]:
    """Lesson time minus scene time of every picture."""
    now = ticks_from_ns(time.monotonic_ns())
    found = []
    for epoch, of_epoch in by_epoch(segments(folder, source_id)).items():
        for at, mark in marks(folder, of_epoch):
            placed = state.sources[source_id].to_lesson(epoch, at)
            assert mark is not None
            assert placed is not None
            found.append(placed - (now - (now - mark.at) % MARK_RANGE))
    return found


def click_times(folder: LessonFolder, state: LessonState) -> list[Ticks]:
    """Lesson times of the clicks, which are at even scene seconds."""
    blocks = list(sound(files(folder, segments(folder, "mic"))))
    clicks = find_clicks(np.concatenate([block.pcm for block in blocks]), start=blocks[0].at)
    placed = [state.sources["mic"].to_lesson(0, at) for at in clicks]
    return [at for at in placed if at is not None]


def test_the_microphone_is_the_clock(state: LessonState) -> None:
    assert state.origin is not None
    assert state.origin.master == "mic"
    assert len(state.sources["students"].epochs) == 2


@pytest.mark.parametrize("source_id", PICTURES)
def test_pictures_of_every_epoch_meet_the_sound(folder: LessonFolder, state: LessonState, source_id: str) -> None:
    offsets = scene_to_lesson(folder, state, source_id)
    clicks = click_times(folder, state)
    assert len(offsets) > 80
    assert len(clicks) >= 3
    for offset in (min(offsets), max(offsets)):
        misses = [(at - offset + MARK_PERIOD // 2) % MARK_PERIOD - MARK_PERIOD // 2 for at in clicks]
        assert all(abs(miss) <= MAX_OFFSET for miss in misses), [miss / 48 for miss in misses]


@pytest.mark.parametrize("stopped_s", [3.0, 7.0])
def test_what_a_process_that_got_no_core_at_first_was_sent_lies_where_it_was_taken(
    tmp_path: Path, stopped_s: float
) -> None:
    camera = RtspCamera(shown=content(24)).start()
    try:
        folder = live_lesson(tmp_path, source("teacher", uri=camera.url), source("mic", uri="test:tone"))
        with Capture(folder, "mic") as mic, Capture(folder, "teacher") as held:
            wait_until(lambda: camera.plays == 1, 15)
            held.process.send_signal(signal.SIGSTOP)
            until = time.monotonic() + stopped_s
            wait_until(lambda: time.monotonic() >= until, stopped_s + 1)
            held.process.send_signal(signal.SIGCONT)
            held.wait_for_segments(3)
            stop_now(folder)
            assert (mic.wait(), held.wait()) == (0, 0)
    finally:
        camera.stop()
    state = planned(folder)
    assert state.origin is not None
    off = []
    for epoch, found in by_epoch(segments(folder, "teacher")).items():
        for at, mark in marks(folder, found):
            placed = state.sources["teacher"].to_lesson(epoch, at)
            assert mark is not None
            assert placed is not None
            taken = camera.began + mark.at / TICKS_PER_SECOND
            off.append(state.origin.at.monotonic_ns / 1e9 + placed / TICKS_PER_SECOND - taken)
    assert len(off) > 25 * 10
    assert max(map(abs, off)) < 0.25
