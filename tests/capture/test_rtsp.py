"""A network camera over real RTSP and RTP, well and with every fault we know of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from pathlib import Path

import pytest

from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord
from lesson.time import TICKS_PER_SECOND, Ticks
from media.audio import sound
from tests.kit.beside import Beside, Outcomes
from tests.kit.camera_content import FRAME, content
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    losses,
    marks,
    packet_count,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.clicks import find_clicks
from tests.kit.lessons import source
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until

MS = TICKS_PER_SECOND // 1000
USER, PASSWORD = "camera-admin", "s3cr/et@pass word"
USER_VARIABLE, PASSWORD_VARIABLE = "CAM_USER", "CAM_PASS"
SEEN_WITHIN_S = 6.0
SECOND_OF_MEDIA = 4_000  # bytes of the camera's pictures and sound


beside = Beside()


def with_camera(scenario: Callable[..., None]) -> Callable[..., None]:
    """A scenario with a camera of its own."""

    @wraps(scenario)
    def run(tmp_path: Path, *values: object) -> None:
        camera = RtspCamera().start()
        try:
            scenario(tmp_path, camera, *values)
        finally:
            camera.stop()

    return run


def lesson_of(root: Path, camera: RtspCamera, **fields: object) -> LessonFolder:
    return live_lesson(root, source("teacher", uri=camera.url, **fields))


def assert_no_picture_missing_or_double(folder: LessonFolder, found: list[SegmentRecord]) -> None:
    """Within one epoch each picture is the one after the one before, in what it shows and in when it is shown."""
    length = content().length
    shown = marks(folder, found)
    assert all(mark is not None for _, mark in shown)
    times = [mark.at for _, mark in shown if mark]
    assert [(b - a) % length for a, b in pairwise(times)] == [FRAME] * (len(times) - 1)
    assert max(abs(b - a - FRAME) for (a, _), (b, _) in pairwise(shown)) < 30 * MS


def lost(folder: LessonFolder, count: int) -> bool:
    return len(losses(folder, "teacher")) >= count


def running(folder: LessonFolder, count: int) -> bool:
    return len(epochs(folder, "teacher")) >= count


@beside
@with_camera
def a_camera_is_copied_from_its_very_first_picture(tmp_path: Path, camera: RtspCamera) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(2)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    found = segments(folder, "teacher")
    (epoch,) = epochs(folder, "teacher")
    assert {(info.kind, info.codec) for info in epoch.streams} == {(Kind.VIDEO, "h264"), (Kind.AUDIO, "aac")}
    assert_no_picture_missing_or_double(folder, found)
    shown = marks(folder, found)
    assert shown[0][1] is not None
    assert shown[0][1].at == 0, "cameras send their first key frame without a time stamp"
    assert_clicks_meet_flashes(folder, found, shown[0][0])


def assert_clicks_meet_flashes(folder: LessonFolder, found: list[SegmentRecord], first_picture: Ticks) -> None:
    clicks: list[Ticks] = []
    for block in sound(files(folder, found)):
        clicks += find_clicks(block.pcm, start=block.at - first_picture) if len(block.pcm) > 960 else []
    offsets = [(at + TICKS_PER_SECOND) % (2 * TICKS_PER_SECOND) - TICKS_PER_SECOND for at in clicks]
    assert all(abs(offset) <= 40 * MS for offset in offsets), offsets


@beside
@with_camera
def a_camera_that_is_switched_off_and_on_is_one_source_with_two_epochs(tmp_path: Path, camera: RtspCamera) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        camera.stop()
        wait_until(lambda: lost(folder, 1), SEEN_WITHIN_S)
        wait_until(lambda: capture.log.count("Connection refused") >= 2, 10)
        assert len(losses(folder, "teacher")) == 1, "one loss, however many attempts"
        camera.start()
        wait_for_media(folder, "teacher", epoch=1, size=SECOND_OF_MEDIA)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    groups = by_epoch(segments(folder, "teacher"))
    assert sorted(groups) == [0, 1]
    for found in groups.values():
        assert_no_picture_missing_or_double(folder, found)
    assert losses(folder, "teacher") == ["feed ended"]


@beside.each(
    all=("stalled", "timed out|no (video|audio)"), video=("video", "no video for"), audio=("audio", "no audio for")
)
@with_camera
def silence_of_any_stream_is_seen_and_mended(tmp_path: Path, camera: RtspCamera, fault: str, says: str) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: running(folder, 1), 15)
        if fault == "stalled":
            camera.faults.stalled = True
        else:
            camera.faults.frozen = {Kind(fault)}
        wait_until(lambda: lost(folder, 1), SEEN_WITHIN_S, what="the loss is journaled")
        camera.faults.stalled, camera.faults.frozen = False, set()
        wait_until(lambda: running(folder, 2), 15, what="a second epoch")
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert re.search(says, losses(folder, "teacher")[0])
    for found in by_epoch(segments(folder, "teacher")).values():
        assert_no_picture_missing_or_double(folder, found)


@beside
@with_camera
def connections_that_are_reset_come_back(tmp_path: Path, camera: RtspCamera) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        for count in (1, 2, 3):
            wait_until(lambda n=count: running(folder, n), 15)
            before = len(segments(folder, "teacher"))
            camera.drop_connections()
            wait_until(lambda n=before: len(segments(folder, "teacher")) > n, 10)
        wait_until(lambda: running(folder, 4), 15)
        stop_now(folder)
        assert capture.wait() == 0
    assert camera.plays >= 4
    assert len(losses(folder, "teacher")) == 3


@beside.each(forwards=(100,), back=(-3,))
@with_camera
def a_jump_of_time_stamps_starts_an_epoch_without_a_loss(tmp_path: Path, camera: RtspCamera, jump_s: int) -> None:
    camera.faults.jump, camera.faults.no_reports = 10 * TICKS_PER_SECOND, True
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        camera.faults.jump += jump_s * TICKS_PER_SECOND
        wait_for_media(folder, "teacher", epoch=1, size=2 * SECOND_OF_MEDIA)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    groups = by_epoch(segments(folder, "teacher"))
    assert sorted(groups) == [0, 1], [e.reason for e in epochs(folder, "teacher")]
    assert "time stamps" in epochs(folder, "teacher")[1].reason
    assert not losses(folder, "teacher")
    for found in groups.values():
        assert_no_picture_missing_or_double(folder, found)
    assert packet_count(groups[1], Kind.AUDIO) > 30


@beside
@with_camera
def a_microphone_that_is_only_announced_is_left_out(tmp_path: Path, camera: RtspCamera) -> None:
    camera.faults.frozen = {Kind.AUDIO}
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        stop_now(folder)
        assert capture.wait() == 0
    (epoch,) = epochs(folder, "teacher")
    assert [info.kind for info in epoch.streams] == [Kind.VIDEO]
    assert_no_picture_missing_or_double(folder, segments(folder, "teacher"))


@beside
@with_camera
def a_camera_that_answers_nothing_does_not_keep_stop_waiting(tmp_path: Path, camera: RtspCamera) -> None:
    camera.faults.silent = True
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: lost(folder, 1), 15)
        stop_now(folder)
        assert capture.wait(10) == 0
    assert finished(folder, "teacher")
    assert not segments(folder, "teacher")


@beside
def credentials_open_the_camera_and_are_seen_nowhere(tmp_path: Path) -> None:
    camera = RtspCamera(credentials=(USER, PASSWORD)).start()
    folder = lesson_of(tmp_path, camera, user_env=USER_VARIABLE, password_env=PASSWORD_VARIABLE)
    with Capture(folder, "teacher", env={USER_VARIABLE: USER, PASSWORD_VARIABLE: PASSWORD}) as capture:
        wait_until(lambda: running(folder, 1), 15)
        argv = Path(f"/proc/{capture.process.pid}/cmdline").read_bytes()
        camera.stop()
        wait_until(lambda: capture.log.count("Connection refused") >= 1, 15)
        camera.start()
        wait_until(lambda: running(folder, 2), 15)
        camera._credentials = (USER, "changed")
        camera.drop_connections()
        wait_until(lambda: "401" in capture.log or "nauthorized" in capture.log, 20, what="a refusal")
        stop_now(folder)
        assert capture.wait() == 0
    camera.stop()
    written = b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    for secret in (USER, PASSWORD, "s3cr%2Fet%40pass%20word"):
        assert secret not in capture.log
        assert secret.encode() not in argv
        assert secret.encode() not in written


@beside
@with_camera
def a_missing_credential_is_a_setting_to_mend(tmp_path: Path, camera: RtspCamera) -> None:
    missing = "NO_SUCH_VARIABLE"
    assert missing not in os.environ
    folder = lesson_of(tmp_path, camera, password_env=missing)
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 2
        assert "NO_SUCH_VARIABLE is not set" in capture.log


outcomes = beside.fixture()


@pytest.mark.parametrize("scenario", beside.names)
def test_beside(outcomes: Outcomes, scenario: str) -> None:
    outcomes[scenario].result()
