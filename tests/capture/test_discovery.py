"""What strangers in the network say is made safe and true before anybody acts on it: no socket is needed for that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.discovery.addresses import service_url, stream_address
from capture.discovery.cameras import Camera, CameraTrouble, Contact, Interview, MediaProfile, cameras_of, merged
from capture.discovery.probe import PROBED_TYPES, probe, probe_matches
from capture.discovery.screening import MAX_BYTES, MAX_ELEMENTS, HostAllowance, UnreadableAnswerError, screened
from capture.discovery.survey import MAX_AT_ONE_ADDRESS, Register
from capture.kinds import parse_source
from process.logs import redacted
from tests.kit.onvif_camera import OnvifCamera

AT = "192.0.2.7"
CONTACT = Contact("urn:uuid:1", AT, f"http://{AT}/", "Front")
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)
HOSTILE: dict[str, bytes] = {
    "entities": BOMB + b"]><x>&j;</x>",
    "outer entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "outer type": b'<!DOCTYPE x SYSTEM "http://192.0.2.9/x.dtd"><x/>',
    "type in UTF-16": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x><x/>'.encode("utf-16"),
    "deep": b"<x>" * 1000 + b"</x>" * 1000,
    "many": b"<x>" + b"<y/>" * (MAX_ELEMENTS + 1) + b"</x>",
    "long": b"<x>" + b"y" * MAX_BYTES + b"</x>",
    "no end": b"<x><y>",
    "page": b"<html><br>Not found",
    "nothing": b"",
    "noise": bytes(range(256)),
    "odd encoding": b'<?xml version="1.0" encoding="klingon"?><x/>',
    "undeclared prefix": b"<a:x/>",
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents_are_refused_at_once(document: bytes) -> None:
    began = time.process_time()
    with pytest.raises(UnreadableAnswerError):
        screened(document)
    with pytest.raises(UnreadableAnswerError):
        probe_matches(document)
    assert time.process_time() - began < 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    for document in (noise, OnvifCamera().match("x")[:150] + noise):
        try:
            assert probe_matches(document) == []
        except UnreadableAnswerError:
            continue


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), st.sampled_from(PROBED_TYPES))
def test_a_match_is_read_as_it_was_said(name: str, probed: tuple[str, str]) -> None:
    camera = OnvifCamera(name=name, port=8080)
    [match] = probe_matches(camera.match("uuid:1"))
    assert (match.name, match.endpoint) == (name, camera.endpoint)
    assert match.xaddrs == ("http://127.0.0.2:8080/onvif/device_service",)
    assert {element.name for element in screened(probe("1", probed))} >= {
        "http://schemas.xmlsoap.org/ws/2005/04/discovery}Types"
    }


def test_of_one_host_only_so_much_is_read() -> None:
    allowance = HostAllowance(2_500)
    document = b"<x>" + b"<y/>" * 999 + b"</x>"
    for _ in range(2):
        allowance.screen(document)
    with pytest.raises(UnreadableAnswerError, match="too much in all"):
        allowance.screen(document)


def test_printers_are_no_cameras() -> None:
    assert probe_matches(OnvifCamera(types="dn:Computer").match("x")) == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (["http://10.1.1.1/onvif/x", f"http://{AT}:8000/onvif/y"], f"http://{AT}:8000/onvif/y"),
        (["http://203.0.113.9:8899/onvif/x?y=1"], f"http://{AT}:8899/onvif/x?y=1"),
        (["https://[fe80::1]/onvif/x"], f"https://{AT}/onvif/x"),
        (["http://user:pw@203.0.113.9/x"], f"http://{AT}/x"),
        (["ftp://x/y", "http://x:99999/y", "http://x:0/", "nonsense", "http://"], None),
        ([], None),
    ],
)
def test_a_device_is_asked_where_it_answered_and_nowhere_else(said: list[str], asked: str | None) -> None:
    assert service_url(said, AT) == asked


@pytest.mark.parametrize(
    ("said", "uri", "had_login"),
    [
        ("rtsp://0.0.0.0:554/main", f"rtsp://{AT}:554/main", False),
        ("rtsp://192.168.1.10/main?a=1&b", f"rtsp://{AT}/main?a=1&b", False),
        ("RTSP://admin:12/3@45@10.0.0.1:8554/main", None, True),
        ("rtsp://admin:secret@10.0.0.1:8554/main#x", f"rtsp://{AT}:8554/main", True),
        ("rtsp://h/real?channel=1&user=a&password=b&subtype=0", f"rtsp://{AT}/real?channel=1&subtype=0", True),
        ("rtsp://h/user=admin&password=tlJwpbo6&channel=1&stream=0.sdp?", None, True),
        ("rtsp://h/user=admin_password=tlJwpbo6_channel=1.sdp", None, True),
        ("rtsp://h/live/admin/Sch00l!/0", None, True),
        ("rtsp://h/live/admin/Sch00l%21/0", None, True),
        ("http://h/main", None, False),
        ("file:///etc/passwd", None, False),
        ("rtsp://h:0/main", None, False),
        ("rtsp://h/a\x1b[2Jb", None, False),
        ("", None, False),
    ],
)  # fmt: skip
def test_the_address_of_a_stream_is_made_true_and_holds_no_login(said: str, uri: str | None, had_login: bool) -> None:
    found = stream_address(said, AT, "Sch00l!")
    assert (found.uri, found.had_login) == (uri, had_login)


SECRET = "Sch00l!/x@y"  # noqa: S105  # of nobody
SECRETS = st.sampled_from([SECRET, quote(SECRET, safe=""), SECRET.replace("/", "%2F")])
URIS = st.tuples(
    st.sampled_from(["rtsp", "rtsps", "RTSP"]),
    st.one_of(st.just(""), SECRETS.map(lambda secret: f"admin:{secret}@"), SECRETS.map(lambda secret: f":{secret}@")),
    st.sampled_from(["0.0.0.0", "10.0.0.1:554", "[::1]", "cam.example", "evil.example:99999", ""]),
    st.one_of(st.just("/main"), SECRETS.map(lambda secret: f"/live/{secret}"), st.text(max_size=8).map("/".__add__)),
    st.one_of(st.just(""), st.tuples(st.sampled_from(["?a=1&Password=", "?x=", "?"]), SECRETS).map("".join)),
).map(lambda parts: f"{parts[0]}://{parts[1]}{parts[2]}{parts[3]}{parts[4]}")  # fmt: skip


@given(URIS)
def test_whatever_a_camera_says_no_password_and_no_other_host_is_shown(said: str) -> None:
    uri = stream_address(said, AT, SECRET).uri
    if uri is not None:
        assert not any(piece in uri for piece in ("Sch00l", "evil", "10.0.0.1", "cam.example"))
        assert urlsplit(uri).hostname == AT
        assert redacted(uri) == uri
        parse_source(uri)  # it may stand in classroom.toml


def profile(width: int, height: int, encoding: str = "H264", source: str = "v", **more: int | str) -> MediaProfile:
    values = {"uri": f"rtsp://x/{source}-{encoding}-{width}", "name": "p", **more}
    return MediaProfile(width=width, height=height, encoding=encoding, video_source=source, **values)  # type: ignore[arg-type]


def camera(*profiles: MediaProfile) -> Camera:
    [found] = cameras_of(CONTACT, Interview(profiles=list(profiles)))
    return found


@pytest.mark.parametrize(
    ("profiles", "main", "sub"),
    [
        ([profile(640, 360), profile(1920, 1080)], 1920, 640),
        ([profile(320, 180), profile(704, 576), profile(1280, 720), profile(2560, 1440)], 2560, 704),
        ([profile(320, 180), profile(1920, 1080)], 1920, None),  # too small for detectors
        ([profile(3840, 2160, "JPEG"), profile(1920, 1080, "H265")], 1920, None),  # stills come last
        ([profile(1920, 1080), profile(640, 360, "JPEG")], 1920, None),
        ([profile(0, 0), profile(1280, 720)], 1280, None),
        ([profile(1920, 1080)], 1920, None),
    ],
)
def test_the_largest_is_recorded_and_the_smallest_that_suffices_is_tracked(
    profiles: list[MediaProfile], main: int, sub: int | None
) -> None:
    for order in (profiles, profiles[::-1]):
        found = camera(*order)
        assert found.main
        assert (found.main.width, found.substream.width if found.substream else None) == (main, sub)


def test_each_video_source_of_a_device_is_a_camera() -> None:
    told = Interview(
        profiles=[profile(1920, 1080, source="a"), profile(1280, 720, source="b"), profile(640, 360, source="a")]
    )
    first, second = cameras_of(CONTACT, told)
    assert [len(first.streams), len(second.streams)] == [2, 1]
    assert [first.video_source, second.video_source] == [1, 2]


@pytest.mark.parametrize(
    ("told", "trouble"),
    [
        (Interview(), CameraTrouble.NO_STREAM),
        (Interview(profiles=[profile(640, 360, uri="")]), CameraTrouble.NO_STREAM),
        (Interview(profiles=[profile(640, 360, uri="rtsp://x/user=a&password=b")]), CameraTrouble.LOGIN_IN_ADDRESS),
        (Interview(trouble=CameraTrouble.NO_ANSWER), CameraTrouble.NO_ANSWER),
        (Interview(trouble=CameraTrouble.PASSWORD_NEEDED, manufacturer="M"), CameraTrouble.PASSWORD_NEEDED),
    ],
)
def test_a_device_that_says_too_little_is_listed_with_the_reason(told: Interview, trouble: CameraTrouble) -> None:
    [found] = cameras_of(CONTACT, told)
    assert (found.trouble, found.streams, found.name) == (trouble, (), "Front")
    assert found.needs_password == (trouble in {CameraTrouble.PASSWORD_NEEDED, CameraTrouble.LOGIN_IN_ADDRESS})


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_are_one_clean_line_and_never_nothing(name: str, maker: str) -> None:
    [found] = cameras_of(replace(CONTACT, name=name), Interview(manufacturer=maker))
    assert found.name
    assert all(character.isprintable() or character in "\u200e\u200f\u200c\u200d" or ord(character) > 0x7F
               for character in found.name)  # fmt: skip
    assert "\n" not in found.name + found.manufacturer


def test_the_password_is_in_no_word_of_a_device() -> None:
    secret = SECRET
    profiles = [profile(640, 360, name=secret, encoding=secret)]
    told = Interview(manufacturer=f"x{secret}", model=f"Sch\u202e{secret[3:]}", serial=secret, profiles=profiles)
    [found] = cameras_of(replace(CONTACT, name=f"a {secret}", endpoint=secret), told, secret)
    assert secret.lower() not in repr(found).lower()


def seen(address: str, *, endpoint: str = "e", serial: str = "1", trouble: CameraTrouble | None = None) -> Camera:
    contact = Contact(endpoint, address, "", "Front")
    profiles = [] if trouble else [profile(640, 360)]
    [found] = cameras_of(contact, Interview(serial=serial, trouble=trouble, profiles=profiles))
    return found


@pytest.mark.parametrize(
    ("cameras", "kept"),
    [
        ([seen("192.0.2.9"), seen("192.0.2.10")], [("192.0.2.9", ("192.0.2.10",))]),  # one device, two networks
        ([seen("192.0.2.9"), seen("192.0.2.10", serial="2")], [("192.0.2.9", ()), ("192.0.2.10", ())]),  # cheap twins
        ([seen("192.0.2.9", trouble=CameraTrouble.NO_ANSWER), seen("192.0.2.10")], [("192.0.2.10", ("192.0.2.9",))]),
        (
            [seen("192.0.2.9", trouble=CameraTrouble.PASSWORD_NEEDED), seen("192.0.2.10")],  # a liar borrowed its name
            [("192.0.2.9", ()), ("192.0.2.10", ())],
        ),
        (
            [
                seen("192.0.2.9", endpoint="", trouble=CameraTrouble.NO_ANSWER),
                seen("192.0.2.10", endpoint="", serial=""),
            ],
            [("192.0.2.9", ()), ("192.0.2.10", ())],
        ),
    ],
)
def test_each_device_is_listed_once_and_none_in_silence(
    cameras: list[Camera], kept: list[tuple[str, tuple[str, ...]]]
) -> None:
    for order in (cameras, cameras[::-1]):
        assert [(one.address, one.also_at) for one in merged(order)] == kept


def test_one_host_that_is_a_thousand_devices_takes_no_room_from_others() -> None:
    register = Register()
    liars = [register.hear(OnvifCamera(port=1).match("x"), "192.0.2.66") for _ in range(1000)]
    assert sum(map(len, liars)) == MAX_AT_ONE_ADDRESS
    assert list(register.left_out) == ["192.0.2.66"]
    honest = OnvifCamera(port=1)
    heard: Callable[[], list[Contact]] = lambda: register.hear(honest.match("x"), "192.0.2.7")  # noqa: E731
    assert [contact.url for contact in heard()] == ["http://192.0.2.7:1/onvif/device_service"]
    assert heard() == []  # it answers each question
