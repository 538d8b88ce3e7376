"""The self-test before class opens every feed, and knows what to do about each kind of failure."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from capture.settings import SourceSettings
from classroom.checks import run_checks
from classroom.feed_check import OTHERWISE, check_feed, remedy
from classroom.settings import Settings
from lesson.errors import MediaError
from lesson.model import Kind, Role
from publish.settings import StoreSettings
from tests.kit.beside import Beside, Outcomes
from tests.kit.devices import file_microphone, usb_camera
from tests.kit.lessons import source
from tests.kit.rtsp_camera import RtspCamera

USER, PASSWORD = "camera-admin", "s3cr/et@pass word"
PASSWORD_VARIABLE, OLD_VARIABLE, MISSING_VARIABLE = "CAM_PASS", "CAM_OLD_PASS", "NO_SUCH_VARIABLE"

beside = Beside()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    camera = RtspCamera(credentials=(USER, PASSWORD)).start()
    yield camera
    camera.stop()


def failure(uri: str, environ: Mapping[str, str] | None = None, **fields: object) -> str:
    with pytest.raises(MediaError, match=r"^[^\n]+$") as found:
        check_feed(source("teacher", uri=uri, **fields), environ=environ)
    return str(found.value)


def test_the_whole_box_is_tried_at_once(tmp_path: Path, camera: RtspCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_USER", USER)
    monkeypatch.setenv("CAM_PASS", PASSWORD)
    monkeypatch.setenv("CAM_OLD_PASS", "changed since")
    sources = (
        SourceSettings(
            id="teacher", role=Role.TEACHER, uri=camera.url, user_env="CAM_USER", password_env=PASSWORD_VARIABLE
        ),
        SourceSettings(id="board", role=Role.BOARD, uri=camera.url, user_env="CAM_USER", password_env=OLD_VARIABLE),
        SourceSettings(id="mic", role=Role.MIC, uri="test:tone"),
        SourceSettings(id="students", role=Role.STUDENTS, uri="v4l2:/dev/video97"),
    )
    result = run_checks(Settings(root=tmp_path, sources=sources))
    found = {check["name"]: check for check in result["checks"]}
    assert not result["ok"]
    assert found["disk"]["ok"]
    assert found["store"]["ok"]
    assert found["source teacher"]["ok"], found
    assert found["source teacher"]["detail"] == "h264 384x208, 25 fps, aac 48000 Hz, 1 ch"
    assert found["source mic"]["detail"] == "pcm_s16le 48000 Hz, 1 ch"
    assert "password" in found["source board"]["remedy"]
    assert "plugged in" in found["source students"]["remedy"]
    for secret in (USER, PASSWORD, "changed since", "s3cr%2Fet"):
        assert secret not in str(result)


@beside
def a_camera_nobody_listens_on_and_a_silent_one(_folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        line = failure(f"rtsp://127.0.0.1:{unused.getsockname()[1]}/main")
    assert "Connection refused" in line
    assert "port" in remedy(line)
    camera = RtspCamera().start()
    camera.faults.silent = True
    line = failure(camera.url)
    camera.stop()
    assert "restart it" in remedy(line), line


@beside
def a_microphone_that_is_only_announced_is_said(_folder: Path) -> None:
    camera = RtspCamera().start()
    camera.faults.frozen = {Kind.AUDIO}
    try:
        assert check_feed(source("teacher", uri=camera.url)).endswith("aac 48000 Hz, 1 ch announced but silent")
    finally:
        camera.stop()


@beside
def a_usb_camera_well_busy_pulled_and_hanging(tmp_path: Path) -> None:
    camera = usb_camera(tmp_path)
    spec = source("teacher", uri=f"v4l2:{camera.device}")
    assert check_feed(spec, environ=camera.env) == "mjpeg 384x208, 25 fps"
    camera.set(camera.busy, on=True)
    line = failure(spec.uri, camera.env)
    assert os.strerror(errno.EBUSY) in line
    assert "another program" in remedy(line)
    camera.set(camera.busy, on=False)
    camera.set(camera.unplug, on=True)
    assert "plugged in" in remedy(failure(spec.uri, camera.env))
    camera.set(camera.unplug, on=False)
    camera.set(camera.stall, on=True)
    began = time.monotonic()
    with pytest.raises(MediaError) as hanging:
        check_feed(spec, environ=camera.env, limit_s=4)
    assert time.monotonic() - began < 6
    assert "again" in remedy(str(hanging.value))


@beside
def a_sound_card(tmp_path: Path) -> None:
    assert check_feed(source("mic", uri="alsa:kit"), environ=file_microphone(tmp_path)) == "pcm_s16le 48000 Hz, 1 ch"


def test_settings_that_cannot_work_are_said() -> None:
    assert "NO_SUCH_VARIABLE is not set" in (line := failure("rtsp://127.0.0.1/main", password_env=MISSING_VARIABLE))
    assert "EnvironmentFile" in remedy(line)
    assert "no such scene" in failure("test:teachr")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EHOSTUNREACH, "IP address"),
        (errno.ENETUNREACH, "IP address"),
        (errno.ETIMEDOUT, "IP address"),
        (errno.EACCES, "groups"),
        (errno.ENODEV, "plugged in"),
        (errno.EBUSY, "another program"),
        (errno.EIO, OTHERWISE),
    ],
)
def test_what_the_system_says_has_its_remedy(number: int, says: str) -> None:
    assert says in remedy(f"rtsp://10.0.0.9/main: {os.strerror(number)}")


def test_a_store_without_tls_and_a_missing_player_have_their_remedies(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"s3+https://127.0.0.1:{plain.getsockname()[1]}/lessons"
        missing = tmp_path / "hls.min.js"
        result = run_checks(Settings(root=tmp_path, store=StoreSettings(url=url), hls_js=missing))
        thread.join(10)
    found = {check["name"]: check for check in result["checks"]}
    assert found["store"]["detail"].endswith("this port speaks plain http: write s3+http")
    assert "s3+http://" in found["store"]["remedy"]
    assert found["hls_js"]["detail"] == f"{missing}: no such file"
    assert "hls_js" in found["hls_js"]["remedy"]


outcomes = beside.fixture()


@pytest.mark.parametrize("scenario", beside.names)
def test_beside(outcomes: Outcomes, scenario: str) -> None:
    outcomes[scenario].result()
