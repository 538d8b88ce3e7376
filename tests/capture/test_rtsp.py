"""A network camera over real RTSP and RTP, well and with every fault we know of."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.loss import Loss
from lesson.model import Kind, SegmentRecord
from lesson.records import EpochStarted, SourceLost, StreamAccount
from lesson.time import TICKS_PER_SECOND, Ticks, merged
from lesson.view import load_state
from media.decode.sound import AudioBlock, sound
from media.feeds.live_feed import STALL_S
from tests.kit.camera_content import FRAME, Content, content
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
    records,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.clicks import find_clicks
from tests.kit.lessons import source
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

MS = TICKS_PER_SECOND // 1000
USER, PASSWORD = "camera-admin", "s3cr/et@pass word"
USER_VARIABLE, PASSWORD_VARIABLE = "CAM_USER", "CAM_PASS"
SEEN_WITHIN_S = 6.0
SECOND_OF_MEDIA = 4_000  # bytes of the camera's pictures and sound


@contextmanager
def running_camera(
    shown: Content | None = None, joined_at: Ticks = 0, *, taciturn: bool = False, terse: bool = False
) -> Iterator[RtspCamera]:
    camera = RtspCamera(shown=shown, joined_at=joined_at, taciturn=taciturn, terse=terse).start()
    try:
        yield camera
    finally:
        camera.stop()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with running_camera() as camera:
        yield camera


def lesson_of(root: Path, camera: RtspCamera, **fields: object) -> LessonFolder:
    return live_lesson(root, source("teacher", uri=camera.url, **fields))


def assert_no_picture_missing_or_double(
    folder: LessonFolder, found: list[SegmentRecord], length: Ticks = 8 * TICKS_PER_SECOND
) -> None:
    """Each picture is the one after the one before, in what it shows and in when it is shown."""
    shown = marks(folder, found)
    assert all(mark is not None for _, mark in shown)
    times = [mark.at for _, mark in shown if mark]
    assert [(b - a) % length for a, b in pairwise(times)] == [FRAME] * (len(times) - 1)
    assert all(abs(b - a - FRAME) < 30 * MS for (a, _), (b, _) in pairwise(shown))


def lost(folder: LessonFolder, count: int) -> bool:
    return len(losses(folder, "teacher")) >= count


def running(folder: LessonFolder, count: int) -> bool:
    return len(epochs(folder, "teacher")) >= count


def test_a_camera_is_copied_from_its_very_first_picture(tmp_path: Path, camera: RtspCamera) -> None:
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
    assert_clicks_meet_flashes(folder, found)


def assert_clicks_meet_flashes(folder: LessonFolder, found: list[SegmentRecord]) -> None:
    """Sound lies where the pictures of its segments say; both are on one timeline."""
    at, mark = marks(folder, found)[0]
    assert mark is not None
    runs: list[list[AudioBlock]] = []  # a click may lie across two blocks
    for block in sound(files(folder, found)):
        if runs and abs(block.at - runs[-1][-1].end) <= 2:
            runs[-1].append(block)
        else:
            runs.append([block])
    clicks: list[Ticks] = []
    for run in runs:
        clicks += find_clicks(np.concatenate([block.pcm for block in run]), start=run[0].at - at + mark.at)
    offsets = [(at + TICKS_PER_SECOND) % (2 * TICKS_PER_SECOND) - TICKS_PER_SECOND for at in clicks]
    assert clicks
    assert all(abs(offset) <= 40 * MS for offset in offsets), [offset / MS for offset in offsets]


def test_a_camera_that_is_switched_off_and_on_is_one_source_with_two_epochs(tmp_path: Path, camera: RtspCamera) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        camera.stop()
        wait_until(lambda: lost(folder, 1), SEEN_WITHIN_S)
        wait_until(lambda: capture.log.count("Connection refused") >= 2, 10)
        assert len(losses(folder, "teacher")) == 2, "each reason once, however many attempts"
        camera.start()
        wait_for_media(folder, "teacher", epoch=1, size=SECOND_OF_MEDIA)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    groups = by_epoch(segments(folder, "teacher"))
    assert sorted(groups) == [0, 1]
    for found in groups.values():
        assert_no_picture_missing_or_double(folder, found)
    first, then = losses(folder, "teacher")
    assert first == "feed ended"
    assert "Connection refused" in then


def test_a_camera_that_takes_another_password_in_mid_lesson_says_so(tmp_path: Path, camera: RtspCamera) -> None:
    """The connection that it ended is one reason, that it refuses the next one another, on which somebody can act."""
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        camera.credentials = ("teacher", "another")
        camera.drop_connections()
        wait_until(lambda: load_state(folder).sources["teacher"].lost, SEEN_WITHIN_S)
        wait_until(lambda: load_state(folder).sources["teacher"].lost.code == Loss.REFUSED, SEEN_WITHIN_S)
        wait_until(lambda: capture.log.count("401 Unauthorized") >= 2, 10)
        assert len(losses(folder, "teacher")) == 2, "each reason once, however many attempts"
        camera.credentials = None
        wait_until(lambda: running(folder, 2), SEEN_WITHIN_S)
        stop_now(folder)
        assert capture.wait() == 0, capture.log


@pytest.mark.parametrize("asleep_s", [4.5, 7.0, 10.0])
def test_a_process_that_gets_no_core_for_a_while_reads_afterwards_what_waits(
    tmp_path: Path, camera: RtspCamera, asleep_s: float
) -> None:
    """The camera goes on sending, and it was never silent: nothing of it is thrown away."""
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(1)
        capture.process.send_signal(signal.SIGSTOP)
        time.sleep(asleep_s)
        capture.process.send_signal(signal.SIGCONT)
        before = len(segments(folder, "teacher"))
        wait_until(lambda: len(segments(folder, "teacher")) >= before + 4, 40)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert losses(folder, "teacher") == []
    assert len(epochs(folder, "teacher")) == 1
    assert camera.plays == 1
    assert_no_picture_missing_or_double(folder, segments(folder, "teacher"))


def test_silence_of_all_streams_is_seen_and_mended(tmp_path: Path, camera: RtspCamera) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: running(folder, 1), 15)
        camera.faults.stalled = True
        wait_until(lambda: lost(folder, 1), SEEN_WITHIN_S, what="the loss is journaled")
        camera.faults.stalled = False
        wait_until(lambda: running(folder, 2), 15, what="a second epoch")
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    (loss,) = records(folder, "teacher", SourceLost)
    assert re.search("timed out|no video or audio", loss.reason)
    assert loss.code == Loss.STALLED
    for found in by_epoch(segments(folder, "teacher")).values():
        assert_no_picture_missing_or_double(folder, found)


@pytest.mark.parametrize("says", ["taciturn", "terse", "both"])
def test_a_camera_that_was_silent_while_it_was_opened_is_recorded_when_it_speaks(tmp_path: Path, says: str) -> None:
    """It stalls for longer than the first connection lives, and the next one joins it half-way between key frames."""
    wording = {"taciturn": says == "taciturn", "terse": says == "terse"}
    with running_camera(content(24, gop_s=4.0), joined_at=TICKS_PER_SECOND, **wording) as camera:
        folder = lesson_of(tmp_path, camera)
        with Capture(folder, "teacher") as capture:
            wait_until(lambda: any(Kind.VIDEO in kinds_of(epoch) for epoch in epochs(folder, "teacher")), 20)
            camera.faults.stalled = True
            wait_until(lambda: camera.plays == 2, 15, what="it is connected to anew")
            again, before = time.monotonic(), len(epochs(folder, "teacher"))
            wait_until(lambda: time.monotonic() >= again + 7, 8)
            camera.faults.stalled, came = False, Moment.now()
            wait_until(lambda: any(Kind.VIDEO in kinds_of(e) for e in epochs(folder, "teacher")[before:]), 20)
            stop_now(folder)
            assert capture.wait() == 0, capture.log
    first = next(epoch for epoch in epochs(folder, "teacher")[before:] if Kind.VIDEO in kinds_of(epoch))
    assert first.at.seconds_since(came) < 4 + 5, "a key frame comes each 4 s"
    assert camera.plays == 2
    for found in by_epoch(segments(folder, "teacher")).values():
        assert_no_picture_missing_or_double(folder, [segment for segment in found if segment.video])


def kinds_of(epoch: EpochStarted) -> set[Kind]:
    return {info.kind for info in epoch.streams}


def spans(found: list[SegmentRecord], kind: Kind) -> list[tuple[float, float]]:
    """(start, end) in seconds of what the ranges of a kind say, holes of less than half a second closed."""
    spans = merged([span for segment in found if (span := segment.span(kind))], slack=TICKS_PER_SECOND // 2)
    return [(span.start / TICKS_PER_SECOND, span.end / TICKS_PER_SECOND) for span in spans]


@pytest.mark.parametrize(
    ("kind", "frozen_s"), [(Kind.VIDEO, 15.0), (Kind.AUDIO, 15.0), (Kind.VIDEO, 2.5)], ids=["video", "audio", "shortly"]
)
def test_a_frozen_stream_costs_the_other_nothing(
    tmp_path: Path, camera: RtspCamera, kind: Kind, frozen_s: float
) -> None:
    other = Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(1)
        frozen = time.monotonic()
        camera.faults.frozen = {kind}
        wait_until(lambda: time.monotonic() >= frozen + frozen_s, frozen_s + 1)
        camera.faults.frozen = set()
        thawed = time.monotonic()
        wait_until(lambda: time.monotonic() >= thawed + 4, 5)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    found = segments(folder, "teacher")
    assert not losses(folder, "teacher")
    assert len(spans(found, other)) == 1, "the other stream goes on without a hole"
    before, after = spans(found, kind)
    assert frozen_s - 0.3 <= after[0] - before[1] <= frozen_s + 1.3, (
        "the gap is as long as the pause, up to a key frame"
    )
    kinds = [{info.kind for info in epoch.streams} for epoch in epochs(folder, "teacher")]
    assert len(kinds) > 1, "no epoch has a hole"
    # a picture from before the pause may be handed out only with the first one after it: then there are two epochs
    whole_again = [kinds for kinds, _ in groupby(kinds)]
    assert whole_again == ([set(Kind), {other}, set(Kind)] if frozen_s > STALL_S else [set(Kind)])
    if kind is Kind.AUDIO:
        assert_no_picture_missing_or_double(folder, found)
    for segment in found:
        if segment.video and segment.audio:
            assert_no_picture_missing_or_double(folder, [segment])
    whole = [segment for segment in found if segment.video and segment.audio]
    pause = round((before[1] + after[0]) / 2 * TICKS_PER_SECOND)
    assert_clicks_meet_flashes(folder, [each for each in whole if each.video.first * MS < pause])
    assert_clicks_meet_flashes(folder, [each for each in whole if each.video.first * MS > pause])


def test_a_stream_that_only_a_new_connection_brings_back_costs_the_other_nothing(
    tmp_path: Path, camera: RtspCamera
) -> None:
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(1)
        camera.faults.stuck = {Kind.VIDEO}
        wait_until(lambda: running(folder, 3), 40, what="pictures again")
        seen = len(segments(folder, "teacher"))
        capture.wait_for_segments(seen + 2)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert not losses(folder, "teacher")
    assert camera.plays == 2
    _, without, after = epochs(folder, "teacher")
    assert [info.kind for info in without.streams] == [Kind.AUDIO]
    assert {info.kind for info in after.streams} == set(Kind)
    groups = by_epoch(segments(folder, "teacher"))
    assert_clicks_meet_flashes(folder, groups[2])
    heard = [arrival_span(group, Kind.AUDIO) for group in groups.values()]
    assert max(b[0] - a[1] for a, b in pairwise(heard)) < 0.15, "sound goes on from one connection to the other"


def arrival_span(found: list[SegmentRecord], kind: Kind) -> tuple[float, float]:
    """From when to when, in seconds of the monotonic clock, the segments of one epoch hold a stream."""
    offset = min(a.monotonic_ns / 1e9 - a.pts / 1_000 for segment in found for a in segment.anchors)
    times = [span for segment in found if (span := segment.span(kind))]
    return (offset + times[0].start / TICKS_PER_SECOND, offset + times[-1].end / TICKS_PER_SECOND)


@pytest.mark.parametrize("taciturn", [False, True], ids=["described_at_once", "described_by_key_frames"])
def test_a_camera_with_rare_key_frames_is_joined_half_way(tmp_path: Path, taciturn: bool) -> None:
    """Sound from the first packet on, pictures from the first key frame on, 6 s later."""
    shown = content(24, gop_s=12.0)
    with running_camera(shown, joined_at=6 * TICKS_PER_SECOND, taciturn=taciturn) as camera:
        folder = lesson_of(tmp_path, camera)
        with Capture(folder, "teacher") as capture:
            wait_until(lambda: running(folder, 2), 25, what="an epoch with pictures")
            capture.wait_for_segments(3)
            stop_now(folder)
            assert capture.wait() == 0, capture.log
    found = segments(folder, "teacher")
    first, second = epochs(folder, "teacher")
    assert [info.kind for info in first.streams] == [Kind.AUDIO]
    assert {info.kind for info in second.streams} == set(Kind)
    assert second.reason == "video came"
    (heard,) = spans(found, Kind.AUDIO)
    (seen,) = spans(found, Kind.VIDEO)
    assert 5.8 <= seen[0] - heard[0] <= 6.2
    with_pictures = [segment for segment in found if segment.video]
    assert_no_picture_missing_or_double(folder, with_pictures, shown.length)
    assert_clicks_meet_flashes(folder, with_pictures)
    accounts = records(folder, "teacher", StreamAccount)
    waited = next(a for a in accounts if a.epoch == 0 and a.kind is Kind.VIDEO)
    assert (waited.used, waited.code, waited.dropped_packets) == (False, Loss.UNDECODABLE, 150)


@pytest.mark.parametrize("gop_s", [1.0, 12.0], ids=["gop_1_s", "gop_12_s"])
def test_a_microphone_that_delivers_late_is_recorded_from_its_first_packet_on(tmp_path: Path, gop_s: float) -> None:
    shown = content(24, gop_s=gop_s)
    with running_camera(shown) as camera:
        camera.faults.frozen = {Kind.AUDIO}
        folder = lesson_of(tmp_path, camera)
        with Capture(folder, "teacher") as capture:
            wait_until(lambda: running(folder, 1), 25)
            began = time.monotonic()
            wait_until(lambda: time.monotonic() >= began + 9, 10)
            camera.faults.frozen, came = set(), Moment.now()
            wait_until(lambda: running(folder, 2), 5, what="an epoch with sound")
            wait_until(lambda: came.seconds_since(Moment.now()) <= 0 and Moment.now().seconds_since(came) > 6, 10)
            stop_now(folder)
            assert capture.wait() == 0, capture.log
    found = segments(folder, "teacher")
    first, second = epochs(folder, "teacher")
    assert [info.kind for info in first.streams] == [Kind.VIDEO]
    assert {info.kind for info in second.streams} == set(Kind)
    assert second.at.seconds_since(came) < 1
    assert_no_picture_missing_or_double(folder, found, shown.length)
    (seen,) = spans(found, Kind.VIDEO)
    (heard,) = spans(found, Kind.AUDIO)
    assert seen[1] - heard[1] < 0.5
    assert heard[1] - heard[0] > 5
    assert_clicks_meet_flashes(folder, found)
    absent = next(a for a in records(folder, "teacher", StreamAccount) if a.epoch == 0 and a.kind is Kind.AUDIO)
    assert (absent.used, absent.code) == (False, Loss.ABSENT)


def test_connections_that_are_reset_come_back(tmp_path: Path, camera: RtspCamera) -> None:
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


@pytest.mark.parametrize("jump_s", [100, -3], ids=["forwards", "back"])
def test_a_jump_of_time_stamps_starts_an_epoch_without_a_loss(tmp_path: Path, camera: RtspCamera, jump_s: int) -> None:
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


@pytest.mark.parametrize(
    ("kind", "jump_s"),
    [(Kind.VIDEO, 30), (Kind.VIDEO, -30), (Kind.AUDIO, 3600), (Kind.AUDIO, -3)],
    ids=["pictures_ahead", "pictures_back", "sound_ahead", "sound_back"],
)
def test_a_jump_of_one_clock_costs_neither_stream_anything(
    tmp_path: Path, camera: RtspCamera, kind: Kind, jump_s: int
) -> None:
    camera.faults.no_reports = True
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=3 * SECOND_OF_MEDIA)
        camera.faults.jumps = {kind: jump_s * TICKS_PER_SECOND}
        wait_until(lambda: running(folder, 2), 10)
        capture.wait_for_segments(3)
        stop_now(folder)
        assert capture.wait() == 0, capture.log
    assert not losses(folder, "teacher")
    found = segments(folder, "teacher")
    reason = epochs(folder, "teacher")[1].reason
    assert re.match(rf"{kind} time stamps (jumped ahead|stepped back) by", reason), reason
    assert len(epochs(folder, "teacher")) == 2
    assert_no_picture_missing_or_double(folder, found)
    (heard,) = spans(found, Kind.AUDIO)
    counted = packet_count(found, Kind.AUDIO) * 1024 / TICKS_PER_SECOND
    assert abs(heard[1] - heard[0] - counted) < 0.1, "no sample is missing"
    for group in by_epoch(found).values():
        assert_clicks_meet_flashes(folder, group)


def test_a_microphone_that_is_only_announced_is_left_out(tmp_path: Path, camera: RtspCamera) -> None:
    camera.faults.frozen = {Kind.AUDIO}
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_for_media(folder, "teacher", size=SECOND_OF_MEDIA)
        stop_now(folder)
        assert capture.wait() == 0
    (epoch,) = epochs(folder, "teacher")
    assert [info.kind for info in epoch.streams] == [Kind.VIDEO]
    accounts = {a.kind: (a.used, a.code, a.codec) for a in records(folder, "teacher", StreamAccount)}
    assert accounts == {Kind.VIDEO: (True, None, "h264"), Kind.AUDIO: (False, "absent", "aac")}
    assert_no_picture_missing_or_double(folder, segments(folder, "teacher"))


def test_a_camera_that_answers_nothing_does_not_keep_stop_waiting(tmp_path: Path, camera: RtspCamera) -> None:
    camera.faults.silent = True
    folder = lesson_of(tmp_path, camera)
    with Capture(folder, "teacher") as capture:
        wait_until(lambda: lost(folder, 1), 15)
        stop_now(folder)
        assert capture.wait(10) == 0
    assert finished(folder, "teacher")
    assert not segments(folder, "teacher")


def test_credentials_open_the_camera_and_are_seen_nowhere(tmp_path: Path) -> None:
    camera = RtspCamera(credentials=(USER, PASSWORD)).start()
    folder = lesson_of(tmp_path, camera, user_env=USER_VARIABLE, password_env=PASSWORD_VARIABLE)
    with Capture(folder, "teacher", env={USER_VARIABLE: USER, PASSWORD_VARIABLE: PASSWORD}) as capture:
        wait_until(lambda: running(folder, 1), 15)
        argv = Path(f"/proc/{capture.process.pid}/cmdline").read_bytes()
        camera.stop()
        wait_until(lambda: capture.log.count("Connection refused") >= 1, 15)
        camera.start()
        wait_until(lambda: running(folder, 2), 15)
        camera.credentials = (USER, "changed")
        camera.drop_connections()
        wait_until(lambda: '"code": "refused"' in capture.log, 20, what="a refusal")
        stop_now(folder)
        assert capture.wait() == 0
    camera.stop()
    written = b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    for secret in (USER, PASSWORD, "s3cr%2Fet%40pass%20word"):
        assert secret not in capture.log
        assert secret.encode() not in argv
        assert secret.encode() not in written


def test_a_missing_credential_is_a_setting_to_mend(tmp_path: Path, camera: RtspCamera) -> None:
    missing = "NO_SUCH_VARIABLE"
    assert missing not in os.environ
    folder = lesson_of(tmp_path, camera, password_env=missing)
    with Capture(folder, "teacher") as capture:
        assert capture.wait() == 2
        assert "NO_SUCH_VARIABLE is not set" in capture.log
