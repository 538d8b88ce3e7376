"""`classreel discover`: what is printed may be pasted, holds no password, and an exit status of 0 is earned."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.discovery.cameras import Camera, CameraStream, CameraTrouble
from capture.discovery.network import NetworkInterface, interface_of
from capture.discovery.survey import Survey
from capture.settings import SourceSettings
from classroom import discovering
from classroom.discovering import LoginReference, NoNetworkError, discovery_result, source_blocks, unique_ids
from lesson.errors import ConfigError
from lesson.folder import is_name
from lesson.titles import one_line
from tests.kit.onvif_camera import OnvifCamera, Profile, onvif_network
from tests.kit.programme import classreel, environment, result_of

ODD = ["教室", "[red]x", 'a"]\nid = "b', "# x", "Ünder-80", "cam-2", "x" * 99]
NAMES = st.one_of(st.text(max_size=30), st.sampled_from(ODD))
STREAM = CameraStream(uri="rtsp://192.0.2.7/main?a=1", codec="h264", width=1920, height=1080, fps=25, profile="p")
SMALL = CameraStream(uri="rtsp://192.0.2.7/sub", codec="h264", width=640, height=360, fps=0, profile="s")


def camera(name: str = "Front", **values: object) -> Camera:
    known = {"streams": (STREAM, SMALL), **values}
    return Camera(endpoint="e", address="192.0.2.7", name=one_line(name) or "x", **known)  # type: ignore[arg-type]


@given(st.lists(NAMES, max_size=12))
def test_ids_are_names_and_no_two_are_alike(names: list[str]) -> None:
    ids = unique_ids(names)
    assert len(set(ids)) == len(ids) == len(names)
    assert all(map(is_name, ids))


def test_ids_are_made_of_names() -> None:
    assert unique_ids(["Dome Café 4K", "Dome Café 4K", "教室", "教室", "-"]) == [
        "dome-cafe-4k", "dome-cafe-4k-2", "camera", "camera-2", "camera-3",
    ]  # fmt: skip


CAMERAS = st.builds(
    camera,
    NAMES,
    manufacturer=NAMES.map(one_line),
    needs_password=st.booleans(),
    also_at=st.sampled_from([(), ("192.0.2.8",)]),
)


@given(
    st.lists(CAMERAS, max_size=5),
    st.sampled_from([LoginReference(), LoginReference("U", "P")]),
    st.sampled_from(CameraTrouble),
)
def test_what_is_printed_may_be_pasted(
    cameras: list[Camera], reference: LoginReference, trouble: CameraTrouble
) -> None:
    mute = camera("a\nb", streams=(), trouble=trouble, detail="x")
    blocks = tomllib.loads(source_blocks([*cameras, mute], reference)).get("sources", [])
    assert len(blocks) == len(cameras)
    for block, one in zip(blocks, cameras, strict=True):
        source = SourceSettings(**block)
        assert (source.uri, source.substream) == (STREAM.uri, SMALL.uri)
        assert (source.password_env is not None) == (one.needs_password or reference.password_env is not None)


@pytest.mark.parametrize("trouble", CameraTrouble)
def test_every_trouble_has_words_and_a_remedy(trouble: CameraTrouble) -> None:
    mute = camera(streams=(), trouble=trouble)
    [entry] = discovery_result([mute])["cameras"]
    assert (entry["uri"], entry["streams"], entry["code"]) == (None, (), trouble)
    assert entry["problem"]
    assert entry["remedy"]
    assert entry["remedy"] in source_blocks([mute], LoginReference())


def found_nothing(monkeypatch: pytest.MonkeyPatch, *reached: NetworkInterface) -> None:
    async def survey(*_: object, **__: object) -> Survey:
        return Survey((), reached)

    monkeypatch.setattr(discovering, "survey", survey)


def test_an_empty_network_is_said_to_be_empty_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found_nothing(monkeypatch, NetworkInterface("eth0", 2))
    said: list[str] = []
    assert discovering.discover(LoginReference(), [], said.append).cameras == ()
    assert said[-1].startswith("no camera answered on eth0: look whether cameras have power")


def test_of_no_network_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found_nothing(monkeypatch, interface_of("127.0.0.1"))
    with pytest.raises(NoNetworkError, match="plug in its cable"):
        discovering.discover(LoginReference(), [], lambda _: None)
    found_nothing(monkeypatch)
    with pytest.raises(NoNetworkError, match=r"could not be sent on 127\.0\.0\.1"):
        discovering.discover(LoginReference(), ["127.0.0.1"], lambda _: None)


def test_a_login_is_both_and_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U", "admin")
    monkeypatch.delenv("P", raising=False)
    with pytest.raises(ConfigError, match="go together"):
        LoginReference("U").login()
    with pytest.raises(ConfigError, match="--password-env: the environment variable P is not set"):
        LoginReference("U", "P").login()
    monkeypatch.setenv("P", "Sch00l!")
    assert "Sch00l!" not in repr(LoginReference("U", "P").login())


def test_the_command_finds_cameras_and_prints_no_password() -> None:
    cameras = [
        OnvifCamera("127.0.0.2", name="Front", profiles=(Profile(uri="rtsp://admin:Sch00l!@0.0.0.0:554/main"),)),
        OnvifCamera("127.0.0.3", name="Board \x1b[2J", password="Sch00l!"),  # noqa: S106  # of nobody
        OnvifCamera("127.0.0.4", name="Other", password="else"),  # noqa: S106  # of nobody
    ]
    login = {"CAM_USER": "admin", "CAM_PASS": "Sch00l!"}
    options = ("--interface", "127.0.0.1", "--user-env", "CAM_USER", "--password-env", "CAM_PASS")
    with onvif_network(*cameras, port=3702):
        done = classreel("discover", "--json", *options, env=login)
    ours = {one.endpoint: one for one in cameras}
    result = result_of(done)
    assert list(result) == ["cameras"]
    front, board, other = [one for one in result["cameras"] if one["endpoint"] in ours]  # somebody else may try theirs
    assert (front["uri"], front["name"], front["manufacturer"]) == ("rtsp://127.0.0.2:554/main", "Front", "Maker")
    assert front["streams"] == [
        {"uri": front["uri"], "codec": "h264", "width": 1920, "height": 1080, "fps": 25, "profile": "main"}
    ]
    assert (board["name"], board["substream"]) == ("Board [2J", "rtsp://127.0.0.3:554/sub")
    assert (other["uri"], other["code"]) == (None, "password_refused")
    assert all(one["needs_password"] for one in (front, board, other))
    assert "127.0.0.4, Other refuses this user and password" in done.stderr
    assert "Sch00l!" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--interface", "wlan77"), "classreel: --interface: no 'wlan77' here; there is "),
        (("--interface", "203.0.113.77"), "classreel: --interface: 203.0.113.77 is no address of this machine"),
        (("--user-env", "X", "--password-env", "Y"), "classreel: --user-env: the environment variable X is not set"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = classreel("discover", "--json", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(line)


def test_no_other_command_loads_what_speaks_to_cameras() -> None:
    code = (
        "import sys, json, classroom.cli, classroom.conductor, classroom.commands, classroom.checks, capture.session;"
        "print(json.dumps(sorted({'onvif', 'zeep', 'aiohttp', 'lxml', 'capture.discovery'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(), timeout=240
    )
    assert json.loads(done.stdout) == []
