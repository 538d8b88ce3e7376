"""A screen that a real encoder (ffmpeg) sends to the box, well and with every fault we know of."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from capture.orders import Order, order_lines
from capture.settings import SourceSettings
from classroom.checks import self_test
from classroom.settings import compose
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.look import look_in
from lesson.loss import Loss
from lesson.model import Kind
from lesson.records import SourceLost
from lesson.view import load_state
from media.decode.sound import sound
from process.beat import BEAT_ENV, TAKEN_BACK
from process.bulletin import BulletinReader, BulletinWriter
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    marks,
    records,
    segments,
    stop_now,
    wait_for_media,
)
from tests.kit.clicks import find_clicks
from tests.kit.clips import marked_clip
from tests.kit.lessons import make_lesson, source, start
from tests.kit.source_stand_ins import unused_port
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

VARIABLE, KEY = "SCREEN_KEY", "correct-horse-battery"
BACK_WITHIN_S = 5.0
SEEN_WITHIN_S = 8.0
FILM_S = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return marked_clip(tmp_path_factory.mktemp("film") / "film.mkv", seconds=FILM_S)


class Box:
    """The source of a lesson, and where it is sent to."""

    def __init__(self, root: Path, film: Path) -> None:
        self.port = unused_port()
        self.spec = source("screen", uri=f"push:127.0.0.1:{self.port}/screen", password_env=VARIABLE)
        self.root, self.film = root, film

    def lesson(self) -> LessonFolder:
        return live_lesson(self.root, self.spec)

    def capture(self, folder: LessonFolder) -> Capture:
        return Capture(folder, "screen", env={VARIABLE: KEY})

    def send(self, key: str = KEY, *options: str) -> subprocess.Popen[str]:
        """ffmpeg, which sends the film in real time."""
        url = f"rtmp://127.0.0.1:{self.port}/screen/{key}"
        argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-re", "-i", str(self.film)]
        argv += [*(options or ("-c", "copy")), "-flvflags", "no_duration_filesize", "-f", "flv", url]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def listens(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def box(tmp_path: Path, film: Path) -> Box:
    return Box(tmp_path, film)


@pytest.fixture
def sending(box: Box) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """As `Box.send`; all are ended with the test."""
    with ExitStack() as stack:

        def send(*arguments: str) -> subprocess.Popen[str]:
            wait_until(box.listens, SEEN_WITHIN_S)  # ffmpeg tries once; OBS goes on trying
            sender = stack.enter_context(box.send(*arguments))
            stack.callback(sender.kill)
            return sender

        yield send


Sending = Callable[..., subprocess.Popen[str]]


def end(folder: LessonFolder, capture: Capture) -> None:
    stop_now(folder)
    assert capture.wait() == 0, capture.log
    assert finished(folder, "screen")


def losses(folder: LessonFolder) -> list[str]:
    return [loss.code for loss in records(folder, "screen", SourceLost)]


def shown(folder: LessonFolder, epoch: int) -> list[int]:
    """The times of the film, in ticks, that an epoch shows, each picture once and in its place."""
    seen = marks(folder, by_epoch(segments(folder, "screen"))[epoch])
    assert all(mark is not None for _, mark in seen)
    times = [mark.at for _, mark in seen if mark is not None]
    assert times == sorted(set(times))
    places = {at - mark.at for at, mark in seen if mark is not None}
    assert max(places) - min(places) <= 48 * 2, "RTMP counts milliseconds"
    return times


def test_what_is_sent_is_recorded(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        sending()
        capture.wait_for_segments(2)
        end(folder, capture)
        log = capture.log
    times = shown(folder, 0)
    assert times[0] == 0
    assert {b - a for a, b in pairwise(times)} == {1_920}
    infos = {info.kind: info.codec for info in epochs(folder, "screen")[0].streams}
    assert infos == {Kind.VIDEO: "h264", Kind.AUDIO: "aac"}
    pcm = np.concatenate([block.pcm for block in sound(files(folder, segments(folder, "screen")))])
    assert len(find_clicks(pcm)) >= 3
    assert losses(folder) in ([], [Loss.NOT_SENT])
    written = b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    assert KEY not in log
    assert KEY.encode() not in written


def test_a_sender_that_goes_away_and_comes_back_is_one_lesson_with_a_named_gap(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        first = sending()
        capture.wait_for_segments(1)
        first.kill()
        wait_until(lambda: losses(folder)[-1:] == [Loss.NOT_SENT], SEEN_WITHIN_S + 5)
        before = Moment.now()
        sending()
        wait_for_media(folder, "screen", epoch=1, size=5_000)
        back = epochs(folder, "screen")[1].at
        assert back.seconds_since(before) < BACK_WITHIN_S
        capture.wait_for_segments(len(segments(folder, "screen")) + 1)
        end(folder, capture)
        warnings = [line for line in capture.log.splitlines() if '"level": "warning"' in line]
        assert '"level": "error"' not in capture.log
    assert losses(folder)[-2:] == [Loss.ENDED, Loss.NOT_SENT]
    assert len(warnings) <= 3, "each once"
    subprocess.run([sys.executable, "-m", "tracking", str(folder.path)], check=True, stderr=subprocess.DEVNULL)
    gaps = [gap for gap in load_state(folder).gaps() if gap.kind is Kind.VIDEO]
    assert [gap.code for gap in gaps if gap.span.start > 0] == [Loss.ENDED], gaps
    assert shown(folder, 0)[0] == shown(folder, 1)[0] == 0


def test_a_wrong_key_records_nothing_and_the_right_one_still_comes(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        wait_until(box.listens, SEEN_WITHIN_S)
        wrong = sending("wrong-key-altogether")
        assert wrong.wait(SEEN_WITHIN_S) != 0
        assert wrong.stderr is not None
        assert "wrong stream key" in wrong.stderr.read()
        wait_until(lambda: losses(folder) == [Loss.NOT_SENT], SEEN_WITHIN_S)
        assert not epochs(folder, "screen")
        sending()
        capture.wait_for_segments(1)
        end(folder, capture)
        assert "wrong-key-altogether" not in capture.log


def test_a_second_sender_is_refused_and_the_first_unharmed(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        sending()
        capture.wait_for_segments(1)
        second = sending()
        assert second.wait(SEEN_WITHIN_S) != 0
        capture.wait_for_segments(2)
        end(folder, capture)
    assert len(epochs(folder, "screen")) == 1
    times = shown(folder, 0)
    assert {b - a for a, b in pairwise(times)} == {1_920}


def test_a_sender_that_hangs_is_hung_up_on_and_recorded_again(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        first = sending()
        capture.wait_for_segments(1)
        first.send_signal(signal.SIGSTOP)
        wait_until(lambda: Loss.STALLED in losses(folder), SEEN_WITHIN_S)
        sending()
        wait_for_media(folder, "screen", epoch=1, size=5_000)
        end(folder, capture)


def test_rare_key_frames_of_a_still_screen(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        sending(KEY, "-c:a", "copy", "-c:v", "libx264", "-preset", "ultrafast", "-g", "250", "-keyint_min", "250")
        capture.wait_for_segments(1, timeout_s=30)
        end(folder, capture)
    assert shown(folder, 0)[0] == 0
    assert losses(folder) in ([], [Loss.NOT_SENT])


def test_a_recording_process_that_is_killed_is_followed_by_one_that_goes_on(box: Box, sending: Sending) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        first = sending()
        capture.wait_for_segments(1)
        wait_until(lambda: len(list(folder.path.glob("raw/screen/e00/*"))) > len(segments(folder, "screen")), 5)
        capture.kill()
    assert first.wait(SEEN_WITHIN_S) != 0
    with box.capture(folder) as capture:
        sending()
        wait_for_media(folder, "screen", epoch=1, size=5_000)
        end(folder, capture)
    assert shown(folder, 0)[0] == 0
    assert shown(folder, 1)[0] == 0


def test_nobody_sends_all_lesson_long_and_it_ends_in_time(box: Box) -> None:
    folder = box.lesson()
    with box.capture(folder) as capture:
        wait_until(lambda: losses(folder), SEEN_WITHIN_S)
        assert records(folder, "screen", SourceLost)[0].reason == f"push 127.0.0.1:{box.port}/screen: nobody sends"
        with pytest.raises(subprocess.TimeoutExpired):
            capture.wait(9)  # two more attempts
        end(folder, capture)
        assert capture.log.count("warning") == 1, capture.log
        assert "hung" not in capture.log
    assert losses(folder) == [Loss.NOT_SENT]


class Standing:
    """A process that stands by, and what it complains of."""

    def __init__(self, box: Box, *, required: bool) -> None:
        self.orders, self.looks = BulletinWriter(), BulletinWriter()
        told = SourceSettings(
            id="screen", role=box.spec.role, uri=box.spec.uri, password_env=VARIABLE, required=required
        )
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "capture.standby", told.argument(), str(self.orders.path), str(self.looks.path)],
            env={**os.environ, VARIABLE: KEY, BEAT_ENV: str(write)},
            pass_fds=(write,),
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(write)

    def complaints(self) -> list[str]:
        """Also taken back ones, which are `TAKEN_BACK`."""
        with contextlib.suppress(BlockingIOError):
            self.said += os.read(self._read, 1 << 16).decode()
        return [line for line in self.said.splitlines() if line]

    def close(self) -> str:
        """What it logged."""
        self.process.kill()
        _, log = self.process.communicate()
        os.close(self._read)
        self.orders.close()
        self.looks.close()
        return log

    def waits(self) -> bool:
        """Whether it says that nobody sends, and nobody needs to."""
        assert self.looks.path is not None
        read = BulletinReader(self.looks.path).read()
        look = look_in(read.lines or ()) if read else None
        return look is not None and look.waits


def test_it_stands_by_and_the_lesson_begins_with_the_press(box: Box, sending: Sending) -> None:
    standing = Standing(box, required=True)
    try:
        wait_until(lambda: standing.complaints(), 15)
        assert standing.complaints() == [f"push 127.0.0.1:{box.port}/screen: nobody sends"]
        sending()
        wait_until(lambda: standing.complaints()[-1] == TAKEN_BACK, SEEN_WITHIN_S)
        press = Moment.now()
        folder = make_lesson(box.root, sources=(box.spec,))
        start(folder, at=press)
        standing.orders.write(order_lines([Order("screen", str(folder.path), press.monotonic_ns)]))
        wait_until(lambda: segments(folder, "screen"), 15)
        assert epochs(folder, "screen")[0].at.seconds_since(press) < 0, "it begins before the press"
        stop_now(folder)
        assert standing.process.wait(SEEN_WITHIN_S) == 0
    finally:
        log = standing.close()
    assert log.count("feed_lost") == 1
    assert KEY not in log
    assert shown(folder, 0)
    assert losses(folder) == []


def test_what_need_not_be_sent_is_no_complaint(box: Box) -> None:
    standing = Standing(box, required=False)
    try:
        wait_until(lambda: len(standing.said) > 20 or standing.complaints(), 20, what="beats, twice a second")
        wait_until(standing.waits, 10, what="the page is told that nobody sends")
        assert standing.complaints() == []
    finally:
        assert standing.close().count("feed_lost") == 1


def test_the_self_test_waits_for_a_sender_and_knows_a_port_that_is_taken(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    one = {"id": "screen", "role": "screen", "uri": box.spec.uri, "password_env": VARIABLE}
    settings = compose({"root": str(tmp_path / "root"), "sources": [one]})
    check = list(self_test(settings))[-1]
    assert check.ok, "it need not be sent"
    assert "nobody sends" in check.line
    assert "start the encoder" in check.line
    needed = compose({"root": str(tmp_path / "root"), "sources": [{**one, "required": True}]})
    assert not list(self_test(needed))[-1].ok
    folder = box.lesson()
    with box.capture(folder):
        wait_until(box.listens, SEEN_WITHIN_S)
        check = list(self_test(settings))[-1]
        assert not check.ok
        assert "classreel serve" in check.remedy


def test_the_self_test_says_what_is_sent(
    box: Box, sending: Sending, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    one = {"id": "screen", "role": "screen", "uri": box.spec.uri, "password_env": VARIABLE}
    settings = compose({"root": str(tmp_path / "root"), "sources": [one]})
    with ThreadPoolExecutor(1) as checking:
        checked = checking.submit(lambda: list(self_test(settings))[-1])
        wait_until(box.listens, SEEN_WITHIN_S)
        sending()
        check = checked.result(30)
    assert check.ok, check.line
    assert check.detail == "h264 384x208, 25 fps, aac 48000 Hz, 1 ch"
