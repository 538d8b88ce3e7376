"""Kinds of sources: what their addresses say, and what helps when one fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capture.kinds import KINDS, parse_source, remedy
from capture.kinds.alsa import SoundCard
from capture.kinds.file import MediaFile, file_uri, imported_file
from capture.kinds.kind import Login, Source
from capture.kinds.push import PushedStream
from capture.kinds.rtsp import NetworkCamera
from capture.kinds.test import SimulatedSource
from capture.kinds.v4l2 import UsbCamera
from capture.kinds.x11 import Screen
from lesson.errors import ConfigError, CredentialMissingError
from lesson.model import Role, SourceSpec
from lesson.source_fault import SourceFault

EXAMPLES = {
    "rtsp://10.0.0.11/main?channel=1": NetworkCamera("rtsp://10.0.0.11/main?channel=1"),
    "rtsp://10.0.0.11:554/live@2": NetworkCamera("rtsp://10.0.0.11:554/live@2"),
    "rtsps://[fd00::11]:322/main": NetworkCamera("rtsps://[fd00::11]:322/main"),
    "v4l2:/dev/video0": UsbCamera("/dev/video0"),
    "v4l2:/dev/video0?size=1280x720&fps=30": UsbCamera("/dev/video0", (1280, 720), 30),
    "v4l2:/dev/video0?format=yuyv422": UsbCamera("/dev/video0", pixel_format="yuyv422"),
    "alsa:hw:1": SoundCard("hw:1"),
    "alsa:hw:1,0?rate=44100&channels=2": SoundCard("hw:1,0", 44_100, 2),
    "x11::0": Screen(":0"),
    "x11::0.0+10,20?size=641x361": Screen(":0.0+10,20", (640, 360)),
    "push:0.0.0.0/screen": PushedStream("0.0.0.0", 1935, "screen"),
    "push:10.0.0.2:1940/pc-1": PushedStream("10.0.0.2", 1940, "pc-1"),
    "push:[fd00::2]:1940/pc": PushedStream("fd00::2", 1940, "pc"),
    "file:/a/b.mp4": MediaFile(Path("/a/b.mp4")),
    "file:///a/b.mp4": MediaFile(Path("/a/b.mp4")),
    "file:/a b/课.mp4?loop": MediaFile(Path("/a b/课.mp4"), loop=True),
    "test:": SimulatedSource("pattern"),
    "test:teacher?size=640x360&fps=12": SimulatedSource("teacher", (640, 360), 12),
}


@pytest.mark.parametrize(("uri", "expected"), EXAMPLES.items())
def test_what_an_address_says(uri: str, expected: Source) -> None:
    assert parse_source(uri) == expected


def test_no_kind_is_without_an_example_here() -> None:
    shown = {uri.partition(":")[0] for uri in EXAMPLES}
    assert shown == {scheme for kind in KINDS for scheme in kind.schemes}


@pytest.mark.parametrize("name", ["/a/what?.mp4", "/a/x?loop", "/a/rtsp:.mp4", "/a/%20.mp4"])
def test_an_imported_path_is_taken_as_it_is(name: str) -> None:
    assert imported_file(f"file:{name}") == imported_file(name) == MediaFile(Path(name), paced=False)


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
@example(b"what?loop")
@example(b"/a/file:///b%20c.mp4")
@example("བོད་/课 #1.mp4".encode())
def test_the_uri_of_a_file_leads_back_to_it(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    assert imported_file(file_uri(path)).path == path.resolve()


def test_files_that_older_versions_imported_are_still_found() -> None:
    # they wrote percent-encoded URIs and succeeded only where nothing was encoded
    path = Path("/a/b-c_d.e~/f.mp4")
    assert imported_file(path.as_uri()).path == path


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("push:", "write push:HOST[:PORT]/NAME"),
        ("push:screen/screen", "HOST is 0.0.0.0"),
        ("push:0.0.0.0", "NAME, after the slash"),
        ("push:0.0.0.0/a/b", "NAME, after the slash"),
        ("push:0.0.0.0:0/screen", "no port 0"),
        ("push:0.0.0.0:99999/screen", "write push:"),
        ("push:0.0.0.0/screen?key=1", "knows no option"),
        ("http://host/x", "no such kind of source; there is rtsp://HOST/PATH, v4l2:/dev/videoN"),
        ("/a/b.mp4", "no such kind of source"),
        ("test:teachr", "no such scene"),
        ("test:teacher?colour=1", "knows no option 'colour'; it has fps, size"),
        ("alsa:", "says nothing after alsa:"),
        ("x11:", "says nothing after x11:"),
        ("v4l2:?fps=5", "says nothing after v4l2:"),
        ("rtsp:///x", "names no host"),
        ("rtsp://10.0.0.11:0/x", "no port 0"),
        ("rtsp://10.0.0.11:99999/x", "Port out of range"),
        ("rtsp://[fd00::11/x", "Invalid IPv6"),
        ("rtsp://10.0.0.11/x\n", "control character"),
        ("file:", "names no file"),
        ("v4l2:/dev/video0?size=big", "size=big"),
        ("v4l2:/dev/video0?fps=121", "from 1 to 120"),
        ("x11::0?fps=61", "from 1 to 60"),
        ("alsa:hw:1?rate=44.1", "rate=44.1"),
        ("alsa:hw:1?channels=9", "from 1 to 8"),
        *((f"test:board?{wrong}", wrong) for wrong in ("size=12", "size=axb", "size=1x99999")),
        *((f"test:board?{wrong}", wrong) for wrong in ("fps=0", "fps=fast", "fps=1000", "fps=")),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as caught:
        parse_source(uri)
    assert says in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", *(scheme for kind in KINDS for scheme in kind.schemes)])
@pytest.mark.parametrize("rest", ["//admin:hunter2@10.0.0.1/x", "//admin:hunt/er2@10.0.0.1/x"])
def test_credentials_in_an_address_are_refused_and_not_repeated(scheme: str, rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(f"{scheme}:{rest}")
    assert "er2" not in str(caught.value)
    assert "admin" not in str(caught.value)


def test_a_login_is_looked_up_when_it_is_asked_for_and_shown_nowhere() -> None:
    user, password = "CAM_USER", "CAM_PASS"
    spec = SourceSpec(id="teacher", role=Role.TEACHER, uri="rtsp://h/x", user_env=user, password_env=password)
    login = Login.of(spec, {user: "admin", password: "hunter2"})
    assert (login.user(), login.password()) == ("admin", "hunter2")
    assert "hunter2" not in repr(login)
    with pytest.raises(CredentialMissingError, match="source teacher: the environment variable CAM_PASS is not set"):
        Login.of(spec, {user: "admin"}).password()
    assert Login("mic").user() is None


@pytest.mark.parametrize("uri", [*EXAMPLES, "gone:"])
@pytest.mark.parametrize("fault", SourceFault)
def test_every_fault_of_every_kind_has_its_remedy(uri: str, fault: SourceFault) -> None:
    assert remedy(uri, fault)


def test_a_remedy_is_of_its_kind() -> None:
    absent = {kind.schemes[0]: remedy(kind.example, SourceFault.ABSENT) for kind in KINDS}
    assert "v4l2-ctl" in absent["v4l2"]
    assert "arecord" in absent["alsa"]
    assert "X server" in absent["x11"]
    assert "no such file" in absent["file"]


PUSHED = "push:127.0.0.1:1940/screen"


def test_a_pushed_stream_is_opened_with_a_key_only() -> None:
    with pytest.raises(CredentialMissingError, match="source screen: name in password_env the variable"):
        parse_source(PUSHED).open(Login("screen"))


@pytest.mark.parametrize("key", ["", "short", "with a space", "with\ta-tab"])
def test_a_key_that_is_none_is_said_and_not_shown(key: str) -> None:
    variable = "SCREEN_KEY"
    login = Login("screen", password_env=variable, environ={variable: key})
    with pytest.raises(ConfigError, match="the stream key in SCREEN_KEY must have 8 signs at least") as caught:
        parse_source(PUSHED).open(login)
    assert not key or key not in str(caught.value)


def test_reading_addresses_loads_no_media_library() -> None:
    code = "import sys, capture.kinds; print(*({'av', 'cv2', 'numpy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
