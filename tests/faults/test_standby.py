"""Between lessons the feeds stay open: what a lesson begins with, and what the light says while one is away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.journals import epochs, segments
from benchmarks.outside import Source, command, stage_pids
from lesson.folder import LessonFolder
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, ticks_from_pts
from lesson.view import load_state
from publish.trial import KEY
from tests.kit.box import MIC, Box
from tests.kit.camera_content import content
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

STANDS_WITHIN_S = 40.0
SMALLEST_GAP_S = 0.55
"""What is missing for less than half a second is named nowhere."""
SEEN_WITHIN_S = 12.0
"""6 s of patience, a look each 0.25 s, and a busy machine."""


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    one = RtspCamera()
    one.start()
    yield one
    one.stop()


@pytest.fixture
def box(tmp_path: Path, camera: RtspCamera) -> Iterator[Box]:
    with Box(tmp_path, (Source("teacher", camera.url, required=True), MIC)) as one:
        yield one


def held(box: Box, camera: RtspCamera, seconds: float) -> None:
    """Wait until the feeds stand by and have for so long."""
    wait_until(lambda: camera.plays > 0, STANDS_WITHIN_S, what=f"the camera is played: {box.said}")
    time.sleep(seconds)
    assert box.health()["status"] == "idle"


def first_sample_s(lesson: Path, source: str, kind: Kind) -> float:
    """Seconds from the press to the first sample that is stored of a source, by the moment it arrived."""
    state = load_state(LessonFolder(lesson))
    assert state.start is not None
    segment = next(one for one in state.sources[source].segments if one.range(kind))
    packets = segment.range(kind)
    assert packets is not None
    after = ticks_from_pts(segment.anchors[0].pts - packets.first, segment.time_base)
    return (segment.anchors[0].monotonic_ns - state.start.at.monotonic_ns) / 1e9 - after / TICKS_PER_SECOND


def until_stored(box: Box) -> dict[str, Any]:
    wait_until(lambda: box.detail()["state"] == "published", 90, what=f"it is stored: {box.said}")
    return box.detail()


def test_a_lesson_begins_with_the_press(box: Box, camera: RtspCamera) -> None:
    held(box, camera, 8)
    plays = camera.plays
    box.press()
    time.sleep(8)
    assert camera.plays == plays, "the camera was not opened again for the lesson"
    box.stop()
    lesson = box.lesson
    detail = until_stored(box)
    assert first_sample_s(lesson, "teacher", Kind.VIDEO) <= 0
    assert first_sample_s(lesson, "mic", Kind.AUDIO) <= 0
    assert detail["gaps"] == []
    assert detail["problems"] == []
    assert 7.5 <= detail["duration_s"] <= 12.5
    for source in ("teacher", "mic"):
        assert len(epochs(lesson, source)) == 1
        assert segments(lesson, source)


def test_short_presses_make_playable_lessons(box: Box, camera: RtspCamera) -> None:
    for _ in range(3):
        plays = camera.plays
        held(box, camera, 6)
        box.press()
        time.sleep(3)
        box.stop()
        detail = until_stored(box)
        assert detail["gaps"] == []
        assert 2.5 <= detail["duration_s"] <= 8
        wait_until(lambda before=plays: camera.plays > before, STANDS_WITHIN_S, what="it stands by again")


def test_a_process_that_is_killed_at_the_press_costs_its_source_alone_and_is_named(
    box: Box, camera: RtspCamera
) -> None:
    held(box, camera, 6)
    (standing,) = [pid for pid in box.running.group() if _is(pid, "capture.standby", camera.url)]
    os.kill(standing, signal.SIGKILL)
    box.press()
    time.sleep(8)
    box.stop()
    lesson = box.lesson
    detail = until_stored(box)
    assert first_sample_s(lesson, "mic", Kind.AUDIO) <= 0
    late = first_sample_s(lesson, "teacher", Kind.VIDEO)
    assert late < SMALLEST_GAP_S or [
        gap for gap in detail["gaps"] if gap["source"] == "teacher" and gap["start_s"] == 0
    ]


def test_a_killed_recorder_that_had_stood_by_is_replaced(box: Box, camera: RtspCamera) -> None:
    held(box, camera, 6)
    lesson = box.press()
    box.until_recording()
    before = stage_pids(lesson)["capture-teacher"][0]
    os.kill(before, signal.SIGKILL)
    wait_until(
        lambda: stage_pids(lesson).get("capture-teacher", [before])[-1] != before, 10, what="another one records"
    )
    wait_until(lambda: len(epochs(lesson, "teacher")) == 2, 20, what="a new epoch")


def test_the_light_says_which_feed_is_away_and_that_it_is_back(box: Box, camera: RtspCamera) -> None:
    held(box, camera, 3)
    camera.stop()
    wait_until(lambda: box.source_health("teacher")["state"] == "lost", SEEN_WITHIN_S + 5, what="it is said")
    said = box.health()
    assert said["status"] == "trouble"
    assert not said["ok"]
    assert {one["code"] for one in said["faults"]} == {"capture_fails"}
    assert box.source_health("mic")["state"] == "standby"
    camera.start()
    wait_until(lambda: box.health()["status"] == "idle", SEEN_WITHIN_S + 5, what="it is back")
    assert box.health()["faults"] == []


def test_a_camera_that_sends_sound_alone_does_not_stand_by(box: Box, camera: RtspCamera) -> None:
    held(box, camera, 3)
    camera.faults.frozen = {Kind.VIDEO}
    wait_until(lambda: box.source_health("teacher")["state"] == "lost", SEEN_WITHIN_S, what="it is said")
    camera.faults.frozen = set()
    wait_until(lambda: box.source_health("teacher")["state"] == "standby", SEEN_WITHIN_S, what="it is back")


def test_a_camera_that_sends_no_key_frame_does_not_stand_by(tmp_path: Path) -> None:
    """Packets come, and a lesson could begin with none of them: joined half-way between key frames 40 s apart."""
    camera = RtspCamera(shown=content(40, gop_s=40), joined_at=2 * TICKS_PER_SECOND).start()
    with Box(tmp_path, (Source("teacher", camera.url, required=True), MIC)) as box:
        wait_until(lambda: box.source_health("teacher").get("state") == "lost", STANDS_WITHIN_S, what="it is said")
        assert "key frame" in box.source_health("teacher")["reason"]
        wait_until(lambda: box.source_health("teacher").get("state") == "standby", 45, what="its key frame came")
    camera.stop()


def test_nothing_is_written_between_lessons(box: Box, camera: RtspCamera) -> None:
    held(box, camera, 10)
    trial = box.root / "store" / KEY  # the store lies in the root where nothing else is set
    files = [path for path in box.root.rglob("*") if path.is_file() and "log" not in path.parts and path != trial]
    written = {path.name for path in files}
    assert written <= {"box.jsonl", ".lock", ".box", ".trial"}, written
    assert not trial.exists() or trial.read_bytes() == b"classreel"


def _is(pid: int, *words: str) -> bool:
    try:
        said = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return all(word in said for word in words)


def standing(box: Box) -> list[int]:
    """The processes that keep feeds open."""
    pids = box.running.group()
    return [pid for pid in pids if b"-m\0capture.standby\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def checked(box: Box) -> dict[str, dict[str, Any]]:
    """What `classreel check` says of each source."""
    done = subprocess.run(
        command("check", "--config", box.config, "--json"), capture_output=True, text=True, timeout=120, check=False
    )
    found = json.loads(done.stdout)["checks"]
    return {one["name"].removeprefix("source "): one for one in found if one["name"].startswith("source ")}


def test_page_health_and_check_say_the_same_of_a_device_that_can_be_opened_once_only(
    box: Box, camera: RtspCamera
) -> None:
    held(box, camera, 1)
    wait_until(lambda: box.health()["tested"], 30, what="every feed was looked at")
    plays = camera.plays
    found = checked(box)
    assert found["teacher"]["ok"], found
    assert found["teacher"]["detail"].startswith("384x208, 25 fps")
    assert found["mic"]["ok"], found
    assert "dB" in found["mic"]["detail"]
    assert camera.plays == plays, "nobody opened it a second time"
    picture = box.get("/feeds/teacher.jpg")
    assert picture.status == 200, "check is a press on the button for the test"
    assert cv2.imdecode(np.frombuffer(picture.body, np.uint8), cv2.IMREAD_COLOR) is not None
    camera.stop()
    wait_until(
        lambda: box.source_health("teacher")["state"] == "lost", SEEN_WITHIN_S + 10, what="it is said to be away"
    )
    found = checked(box)
    assert not found["teacher"]["ok"], found
    assert found["teacher"]["remedy"]
    assert found["mic"]["ok"], found


def test_feeds_that_rest_are_opened_for_a_test(tmp_path: Path, camera: RtspCamera) -> None:
    """That they are closed a minute later is tested on a faked clock (tests/classroom/test_standby.py)."""
    teacher = Source("teacher", camera.url, required=True)
    with Box(tmp_path, (teacher, MIC), more="[capture]\nstandby = false\n") as box:
        assert box.health()["tested"] is False
        assert camera.plays == 0
        assert box.post("/test").status == 202
        wait_until(lambda: box.health()["tested"], 30, what=f"every feed was looked at: {box.said}")
        assert len(standing(box)) == 2
        assert box.health()["faults"] == []


@pytest.mark.parametrize("mic", [True, False])
def test_a_camera_whose_sound_stops_is_said_where_it_is_the_only_voice(
    tmp_path: Path, camera: RtspCamera, *, mic: bool
) -> None:
    """Its pictures go on, so that the feed is not lost; a teacher would find out after the lesson."""
    teacher = Source("teacher", camera.url, required=True)
    with Box(tmp_path, (teacher, MIC) if mic else (teacher,)) as box:
        wait_until(lambda: box.health()["tested"], 30, what="it was looked at")
        camera.faults.frozen.add(Kind.AUDIO)
        if mic:
            time.sleep(SEEN_WITHIN_S)
            assert box.health()["status"] == "idle"
            assert box.source_health("teacher")["flaws"] == []
            return
        wait_until(lambda: box.health()["status"] == "trouble", SEEN_WITHIN_S, what="its sound is missed")
        assert box.source_health("teacher")["flaws"] == ["silent"]
        assert not checked(box)["teacher"]["ok"]
        camera.faults.frozen.clear()
        wait_until(lambda: box.health()["status"] == "idle", SEEN_WITHIN_S, what="it is heard again")
