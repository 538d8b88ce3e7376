"""Cameras on real sockets: multicast and SOAP on loopback, honest, broken and hostile ones beside each other."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from capture.discovery import interview
from capture.discovery.cameras import Camera, CameraTrouble
from capture.discovery.interview import OnvifLogin
from capture.discovery.network import NetworkInterface, all_interfaces, ask_networks, interface_of
from capture.discovery.survey import Survey, survey
from lesson.errors import ConfigError
from tests.capture.test_discovery import HOSTILE
from tests.kit.onvif_camera import MAIN, SUB, OnvifCamera, Profile, onvif_network

PASSWORD = "Sch00l!"  # noqa: S105  # of nobody
LOGIN = OnvifLogin("admin", PASSWORD)
LISTEN_S = 2.0


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that tests other things besides is slow; what must not wait sets its own limits."""
    monkeypatch.setattr(interview, "CALL_S", 30.0)
    monkeypatch.setattr(interview, "INTERVIEW_S", 60.0)


def surveyed(*cameras: OnvifCamera, login: OnvifLogin | None = None) -> Survey:
    with onvif_network(*cameras) as port:
        return asyncio.run(survey([interface_of("127.0.0.1")], login, port=port, listen_s=LISTEN_S))


def only(*cameras: OnvifCamera, login: OnvifLogin | None = None) -> Camera:
    [found] = surveyed(*cameras, login=login).cameras
    return found


def uris(camera: Camera) -> list[str]:
    return [stream.uri for stream in camera.streams]


def test_cameras_are_found_with_their_streams_whatever_addresses_they_name() -> None:
    cameras = [
        OnvifCamera(
            "127.0.0.2", name="教室 前", manufacturer="Maker\x85A", xaddr="http://203.0.113.5:{port}/odd/device"
        ),
        OnvifCamera("127.0.0.3", types="tds:Device dn:NetworkVideoTransmitter", profiles=(SUB, MAIN)),
        OnvifCamera("127.0.0.4", profiles=(Profile(uri="rtsp://admin:Sch00l!@0.0.0.0:8554/x"),)),
        OnvifCamera("127.0.0.5", profiles=(MAIN, Profile(source="b", uri="rtsp://x/b", encoding="H265", fps=0))),
    ]
    found = surveyed(*cameras)
    assert [(one.address, uris(one)) for one in found.cameras] == [
        ("127.0.0.2", ["rtsp://127.0.0.2:554/main", "rtsp://127.0.0.2:554/sub"]),
        ("127.0.0.3", ["rtsp://127.0.0.3:554/main", "rtsp://127.0.0.3:554/sub"]),
        ("127.0.0.4", ["rtsp://127.0.0.4:8554/x"]),
        ("127.0.0.5", ["rtsp://127.0.0.5:554/main"]),
        ("127.0.0.5", ["rtsp://127.0.0.5/b"]),
    ]
    assert [one.trouble for one in found.cameras] == [None] * 5
    assert (found.cameras[0].name, found.cameras[0].manufacturer) == ("教室 前", "Maker A")
    assert [one.needs_password for one in found.cameras] == [False, False, True, False, False]
    assert found.cameras[4].main
    assert (found.cameras[4].main.codec, found.cameras[4].main.fps) == ("hevc", 0)
    assert all(len([name for name, _ in one.asked if name == "GetDeviceInformation"]) == 1 for one in cameras)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=-9000), timedelta(days=3650), timedelta(hours=8)])
def test_a_login_counts_by_the_clock_of_the_camera(ahead: timedelta) -> None:
    camera = OnvifCamera(password=PASSWORD, ahead=ahead)
    found = only(camera, login=LOGIN)
    assert (found.trouble, found.needs_password, len(found.streams)) == (None, True, 2)
    assert not any(b"Sch00l!" in body for body in camera.bodies)


@pytest.mark.parametrize(
    ("login", "trouble"),
    [(None, CameraTrouble.PASSWORD_NEEDED), (OnvifLogin("admin", "wrong"), CameraTrouble.PASSWORD_REFUSED)],
)
@pytest.mark.parametrize("http_digest", [False, True])
def test_a_camera_that_lets_nobody_in_is_listed(
    login: OnvifLogin | None, trouble: CameraTrouble, http_digest: bool
) -> None:
    found = only(OnvifCamera(name="Board", password=PASSWORD, http_digest=http_digest), login=login)
    assert (found.name, found.trouble, found.needs_password, found.streams) == ("Board", trouble, True, ())


def test_a_login_by_http_digest_is_made() -> None:
    found = only(OnvifCamera(password=PASSWORD, http_digest=True), login=LOGIN)
    assert (found.trouble, len(found.streams)) == (None, 2)


def test_an_old_camera_that_knows_no_services_is_asked_for_its_capabilities() -> None:
    fault = OnvifCamera()._soap("<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code></e:Fault>")
    for said in (fault, OnvifCamera()._soap("<tds:GetServicesResponse/>")):
        camera = OnvifCamera(says={"GetServices": lambda said=said: said})  # type: ignore[misc]
        assert len(only(camera).streams) == 2


def test_who_demands_no_login_gets_none() -> None:
    camera = OnvifCamera()
    found = only(camera, login=LOGIN)
    assert not any(b"Username" in body for body in camera.bodies)
    assert (len(found.streams), found.needs_password) == (2, False)


@contextmanager
def hanging() -> Iterator[Callable[[], bytes]]:
    """An answer that is only given when the test is over."""
    over = threading.Event()

    def answer() -> bytes:
        over.wait(120)
        return b""

    try:
        yield answer
    finally:
        over.set()


@pytest.mark.parametrize("operation", ["GetDeviceInformation", "GetServices", "GetProfiles", "GetStreamUri"])
def test_what_a_hung_camera_said_before_is_kept_and_others_do_not_wait(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interview, "CALL_S", 5.0)
    with hanging() as answer:
        hung = OnvifCamera("127.0.0.3", name="Hung", says={operation: answer})
        done: list[tuple[str, float]] = []
        with onvif_network(hung, OnvifCamera("127.0.0.2", name="Well")) as port:
            found = asyncio.run(
                survey(
                    [interface_of("127.0.0.1")], port=port, listen_s=LISTEN_S,
                    found=lambda camera: done.append((camera.name, time.monotonic())),
                )
            )  # fmt: skip
    well, other = found.cameras
    assert [name for name, _ in done] == ["Well", "Hung"]
    assert (well.trouble, len(well.streams)) == (None, 2)
    assert (other.name, other.trouble, other.streams) == ("Hung", CameraTrouble.NO_ANSWER, ())
    assert other.manufacturer == ("" if operation == "GetDeviceInformation" else "Maker")


HOSTILE_ANSWERS = {
    **HOSTILE,
    "zipped bomb": gzip.compress(b"<x>" + b" " * 50_000_000),
    "other answer": OnvifCamera()._soap("<tds:RebootResponse/>"),
    "other types": OnvifCamera()._soap(
        "<trt:GetProfilesResponse><trt:Profiles token='x'><tt:VideoEncoderConfiguration><tt:Resolution><tt:Width>wide"
        "</tt:Width><tt:Height/></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles><trt:Profiles/>"
        "</trt:GetProfilesResponse>"
    ),
    "empty body": OnvifCamera()._soap(""),
    "no body": b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"/>',
    "other envelope": b"<x/>",
}


@pytest.mark.parametrize("operation", ["GetDeviceInformation", "GetServices", "GetProfiles", "GetStreamUri"])
def test_garbage_and_bombs_are_their_senders_trouble_alone(operation: str) -> None:
    liars = [
        OnvifCamera(f"127.0.1.{number}", name=f"Liar {number}", says={operation: lambda said=said: said})  # type: ignore[misc]
        for number, said in enumerate(HOSTILE_ANSWERS.values(), 1)
    ]
    began = time.process_time()
    found = surveyed(OnvifCamera("127.0.0.2", name="Well"), *liars)
    assert time.process_time() - began < 20
    well, *others = found.cameras
    assert (well.name, well.trouble, len(well.streams)) == ("Well", None, 2)
    assert [one.name for one in others] == [one.name for one in liars]
    harmless = operation in {"GetDeviceInformation", "GetServices"}  # its streams are known without
    allowed = {CameraTrouble.UNREADABLE, CameraTrouble.NO_STREAM, *([None] if harmless else [])}
    for one, what in zip(others, HOSTILE_ANSWERS, strict=True):
        assert one.trouble in allowed, what
        assert len(one.streams) == (2 if one.trouble is None else 0), what


def test_datagrams_of_garbage_and_bombs_leave_the_others_alone() -> None:
    noisy = OnvifCamera("127.0.0.9", datagrams=tuple(said for said in HOSTILE.values() if len(said) < 60_000))
    found = surveyed(noisy, OnvifCamera("127.0.0.2", name="Well"))
    assert [one.name for one in found.cameras] == ["Well"]
    assert found.garbled == ("127.0.0.9",)


def test_what_is_found_but_refuses_connections_is_listed() -> None:
    with socket.create_server(("127.0.0.9", 0)) as taken:
        port = taken.getsockname()[1]
    gone = OnvifCamera("127.0.0.9", name="Gone", xaddr=f"http://127.0.0.9:{port}/x")
    found = only(gone)
    assert (found.name, found.trouble) == ("Gone", CameraTrouble.UNREACHABLE)


def test_a_host_that_says_as_much_as_it_may_many_times_holds_nobody_up() -> None:
    profiles = "<trt:Profiles token='x'><tt:Name>n</tt:Name></trt:Profiles>" * 4_000
    said = OnvifCamera()._soap(f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>")
    talkers = [OnvifCamera("127.0.0.9", name=str(n), says={"GetProfiles": lambda: said}) for n in range(12)]
    found = surveyed(OnvifCamera("127.0.0.2", name="Well"), *talkers)
    well, *others = found.cameras
    assert (well.name, len(well.streams), len(others)) == ("Well", 2, 12)
    assert len([one for one in others if one.detail == "answers too much in all"]) >= 7


def test_nobody_is_led_to_another_host() -> None:
    with onvif_network(OnvifCamera("127.0.0.66")) as _:
        victim = OnvifCamera("127.0.0.3")
        with onvif_network(victim) as quiet:
            assert quiet
            liar = OnvifCamera(
                "127.0.0.2", xaddr=f"http://127.0.0.3:{victim.port}/x", media_url=f"http://127.0.0.3:{victim.port}/x"
            )
            found = only(liar)
    assert victim.asked == []
    assert found.trouble is CameraTrouble.UNREACHABLE  # at that port of its own


def test_networks_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        asyncio.run(ask_networks([interface_of("203.0.113.77")], print, listen_s=0.1))
    with pytest.raises(ConfigError, match="no 'wlan77' here; there is"):
        interface_of("wlan77")
    down = NetworkInterface("down", 9999)
    assert asyncio.run(ask_networks([down], print, listen_s=0.1)) == []
    assert all_interfaces()[-1].is_loopback


def test_no_camera_is_no_trouble() -> None:
    found = surveyed()
    assert found.cameras == ()
    assert [one.name for one in found.reached] == ["127.0.0.1"]
