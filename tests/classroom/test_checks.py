"""The self-test before class opens every feed, and knows what to do about each kind of failure."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from capture.kinds import remedy
from capture.settings import SourceSettings
from capture.trial import try_source
from classroom.checks import checks_result, self_test
from classroom.feed_check import FlawedFeedError, check_feed
from classroom.settings import Settings
from lesson.errors import MediaError
from lesson.model import Kind, Role
from lesson.signal import FLAW_KINDS, FLAW_REMEDIES, FLAW_WORDS, Flaw
from lesson.source_fault import SourceFault
from publish.settings import StoreSettings
from publish.store import ATTENDED_REPLY_S
from tests.kit.camera_content import content, nal_units
from tests.kit.devices import usb_camera
from tests.kit.flawed import flawed_clip
from tests.kit.lessons import source
from tests.kit.odd_servers import odd_server, silence
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.sound_card import sound_card

pytestmark = pytest.mark.slow

USER, PASSWORD = "camera-admin", "s3cr/et@pass word"
PASSWORD_VARIABLE, OLD_VARIABLE, MISSING_VARIABLE = "CAM_PASS", "CAM_OLD_PASS", "NO_SUCH_VARIABLE"


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    camera = RtspCamera(credentials=(USER, PASSWORD)).start()
    yield camera
    camera.stop()


def failure(uri: str, environ: Mapping[str, str] | None = None, **fields: object) -> tuple[SourceFault, str]:
    """What is wrong, and the line that says so."""
    with pytest.raises(MediaError, match=r"^[^\n]+$") as found:
        check_feed(source("teacher", uri=uri, **fields), environ=environ)
    return found.value.fault, str(found.value)


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
    result = checks_result([*self_test(Settings(root=tmp_path, sources=sources))])
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


def test_a_camera_nobody_listens_on_and_a_silent_one() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"rtsp://127.0.0.1:{unused.getsockname()[1]}/main"
        assert failure(uri) == (SourceFault.NOT_SERVED, f"{uri}: Connection refused")
    assert "port" in remedy(uri, SourceFault.NOT_SERVED)
    camera = RtspCamera().start()
    camera.faults.silent = True
    fault, line = failure(camera.url)
    camera.stop()
    assert "restart it" in remedy(camera.url, fault), line


def test_a_microphone_that_is_only_announced_is_said() -> None:
    camera = RtspCamera().start()
    camera.faults.frozen = {Kind.AUDIO}
    try:
        assert check_feed(source("teacher", uri=camera.url)).endswith("aac 48000 Hz, 1 ch announced but silent")
        with pytest.raises(FlawedFeedError, match="announced but silent") as found:
            check_feed(source("teacher", uri=camera.url), voice=True)
        assert found.value.flaw is Flaw.SILENT
    finally:
        camera.stop()


def test_a_usb_camera_well_busy_pulled_and_hanging(tmp_path: Path) -> None:
    camera = usb_camera(tmp_path)
    spec = source("teacher", uri=f"v4l2:{camera.device}")
    assert check_feed(spec, environ=camera.env) == "mjpeg 384x208, 25 fps"
    camera.set(camera.busy, on=True)
    assert failure(spec.uri, camera.env) == (SourceFault.BUSY, f"{camera.device}: {os.strerror(errno.EBUSY)}")
    assert "another program" in remedy(spec.uri, SourceFault.BUSY)
    camera.set(camera.busy, on=False)
    camera.set(camera.unplug, on=True)
    assert failure(spec.uri, camera.env)[0] is SourceFault.ABSENT
    camera.set(camera.unplug, on=False)
    camera.set(camera.stall, on=True)
    began = time.monotonic()
    with pytest.raises(MediaError) as hanging:
        check_feed(spec, environ=camera.env, limit_s=4)
    assert time.monotonic() - began < 6
    assert hanging.value.fault is SourceFault.HANGS
    assert "plug it in again" in remedy(spec.uri, SourceFault.HANGS)


def test_a_sound_card(tmp_path: Path) -> None:
    with sound_card(tmp_path) as card:
        assert check_feed(source("mic", uri="alsa:kit"), environ=card.env) == "pcm_s16le 48000 Hz, 1 ch"


def test_settings_that_cannot_work_are_said() -> None:
    fault, line = failure("rtsp://127.0.0.1/main", password_env=MISSING_VARIABLE)
    assert fault is SourceFault.NO_CREDENTIAL
    assert "NO_SUCH_VARIABLE is not set" in line
    assert "EnvironmentFile" in remedy("rtsp://127.0.0.1/main", fault)
    fault, line = failure("test:teachr")
    assert fault is SourceFault.BAD_ADDRESS
    assert "no such scene" in line


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
        result = checks_result([*self_test(Settings(root=tmp_path, store=StoreSettings(url=url), hls_js=missing))])
        thread.join(10)
    found = {check["name"]: check for check in result["checks"]}
    assert found["store"]["detail"].endswith("this port speaks plain http: write s3+http")
    assert "s3+http://" in found["store"]["remedy"]
    assert found["hls_js"]["detail"] == f"{missing}: no such file"
    assert "hls_js" in found["hls_js"]["remedy"]


def test_a_camera_whose_pictures_no_decoder_makes_anything_of_fails() -> None:
    whole = content()
    units = tuple(replace(unit, data=garbled(unit.data)) if unit.kind is Kind.VIDEO else unit for unit in whole.units)
    camera = RtspCamera(shown=replace(whole, units=units)).start()
    try:
        with pytest.raises(FlawedFeedError) as raised:
            check_feed(source("teacher", uri=camera.url))
    finally:
        camera.stop()
    assert raised.value.flaw is Flaw.UNDECODABLE


def garbled(annex_b: bytes) -> bytes:
    """A coded picture with its parameter sets, and nothing in its slices."""
    nals = (nal if nal[0] & 31 in {7, 8} else nal[:1] + b"\xff" * len(nal[1:]) for nal in nal_units(annex_b))
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


@pytest.mark.parametrize("flaw", [f for f in Flaw if f not in {Flaw.FROZEN, Flaw.FAINT, Flaw.UNDECODABLE}])
def test_a_feed_that_delivers_nothing_worth_recording_fails_with_what_to_do(tmp_path: Path, flaw: Flaw) -> None:
    clip = flawed_clip(tmp_path / "clip.mkv", flaw, seconds=6)
    role = Role.MIC if FLAW_KINDS[flaw] is Kind.AUDIO else Role.TEACHER
    wanted = SourceSettings(id="it", role=role, uri=f"file:{clip}?loop")
    found = next(
        one for one in self_test(Settings(root=tmp_path / "root", sources=(wanted,))) if one.name == "source it"
    )
    assert not found.ok
    assert found.detail.endswith(f"; {FLAW_WORDS[flaw]}")
    assert found.remedy == FLAW_REMEDIES[flaw]


@pytest.mark.parametrize(("flaw", "role"), [(None, Role.TEACHER), (None, Role.MIC), (Flaw.FAINT, Role.MIC)])
def test_a_quiet_room_before_class_is_ready(tmp_path: Path, flaw: Flaw | None, role: Role) -> None:
    kind = Kind.AUDIO if role is Role.MIC else Kind.VIDEO
    clip = flawed_clip(tmp_path / "clip.mkv", flaw, seconds=6, kind=kind)
    assert check_feed(source(role, uri=f"file:{clip}?loop"))


def test_a_store_that_takes_the_question_and_says_nothing_is_named_soon(tmp_path: Path) -> None:
    with odd_server(silence) as server:
        began = time.monotonic()
        settings = Settings(root=tmp_path, store=StoreSettings(url=f"s3+http://127.0.0.1:{server.port}/lessons"))
        found = next(one for one in self_test(settings) if one.name == "store")
        took = time.monotonic() - began
    assert not found.ok
    assert "does not answer" in found.detail
    assert "Pool" not in found.detail
    assert took < 3 * ATTENDED_REPLY_S, "somebody waits for it"


def test_a_feed_is_tried_where_there_is_no_room_to_look_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = flawed_clip(tmp_path / "clip.mkv", Flaw.BLACK, seconds=6)
    spec = source("teacher", uri=f"file:{clip}?loop")
    assert try_source(spec, {}).flaws == (Flaw.BLACK,)

    def full(**_names: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("capture.trial.TemporaryDirectory", full)
    found = try_source(spec, {})
    assert found.flaws is None, "not known, and not called well"
    assert [stream.kind for stream in found.streams] == [Kind.VIDEO]
