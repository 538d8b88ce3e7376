from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capture.address import Address, check_address, file_uri, parse_address
from lesson.errors import ConfigError


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("rtsp://10.0.0.11/main?channel=1", Address("rtsp", "rtsp://10.0.0.11/main?channel=1")),
        ("v4l2:/dev/video0", Address("v4l2", "/dev/video0")),
        ("v4l2:/dev/video0?size=1280x720&fps=30", Address("v4l2", "/dev/video0", {"size": "1280x720", "fps": "30"})),
        ("alsa:hw:1", Address("alsa", "hw:1")),
        ("alsa:hw:1,0?rate=44100", Address("alsa", "hw:1,0", {"rate": "44100"})),
        ("x11::0", Address("x11", ":0")),
        ("x11::0.0+10,20", Address("x11", ":0.0+10,20")),
        ("file:/a/b.mp4", Address("file", "/a/b.mp4")),
        ("file:///a/b.mp4", Address("file", "/a/b.mp4")),
        ("file:/a/b.mp4?loop", Address("file", "/a/b.mp4", {"loop": ""})),
        ("/a/b: c.mp4", Address("file", "/a/b: c.mp4")),
        ("test:", Address("test", "pattern")),
        ("test:teacher?size=640x360", Address("test", "teacher", {"size": "640x360"})),
    ],
)
def test_what_a_uri_says(uri: str, expected: Address) -> None:
    assert parse_address(uri) == expected


@pytest.mark.parametrize("name", ["/a/what?.mp4", "/a/x?loop", "/a/rtsp:.mp4", "/a/%20.mp4"])
def test_an_imported_path_is_taken_as_it_is(name: str) -> None:
    assert parse_address(f"file:{name}", imported=True) == Address("file", name)
    assert parse_address(name, imported=True) == Address("file", name)


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
@example(b"what?loop")
@example(b"/a/file:///b%20c.mp4")
@example("བོད་/课 #1.mp4".encode())
def test_the_uri_of_a_file_leads_back_to_it(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    assert Path(parse_address(file_uri(path), imported=True).target) == path.resolve()


def test_files_that_older_versions_imported_are_still_found() -> None:
    # they wrote percent-encoded URIs and succeeded only where nothing was encoded
    path = Path("/a/b-c_d.e~/f.mp4")
    assert parse_address(path.as_uri(), imported=True).target == str(path)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("push:", "not there yet"),
        ("http://host/x", "no such kind of source; there is rtsp://HOST/PATH, v4l2:/dev/videoN"),
        ("test:teachr", "no such scene"),
        ("test:teacher?colour=1", "knows no option 'colour'; it has fps, size"),
        ("alsa:", "says nothing after alsa:"),
        ("rtsp:///x", "names no host"),
        ("file:", "names no file"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as caught:
        parse_address(uri)
    assert says in str(caught.value)


@pytest.mark.parametrize("uri", ["rtsp://admin:hunter2@10.0.0.1/x", "http://admin:hunter2@10.0.0.1/x"])
def test_credentials_in_a_uri_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(uri)
    assert "hunter2" not in str(caught.value)
    assert "admin" not in str(caught.value)


def test_options() -> None:
    address = parse_address("test:board?size=1281x721&fps=12")
    assert address.size() == (1280, 720)
    assert address.fps(Fraction(10)) == 12
    assert parse_address("test:board").size() is None
    assert parse_address("test:board").fps(Fraction(10)) == 10
    for wrong in ("size=12", "size=axb", "size=1x99999", "fps=0", "fps=fast", "fps=1000"):
        broken = parse_address(f"test:board?{wrong}")
        with pytest.raises(ConfigError, match=wrong.split("=")[0]):
            broken.size(), broken.fps(Fraction(10))


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("v4l2:/dev/video0?size=big", "size=big"),
        ("v4l2:/dev/video0?fps=121", "from 1 to 120"),
        ("x11::0?fps=61", "from 1 to 60"),
        ("alsa:hw:1?rate=44.1", "rate=44.1"),
        ("alsa:hw:1?channels=9", "from 1 to 8"),
        ("test:board?fps=", "fps="),
        ("test:teachr", "no such scene"),
    ],
)
def test_every_option_is_checked_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as caught:
        check_address(uri)
    assert says in str(caught.value)


@pytest.mark.parametrize("uri", ["v4l2:/dev/video0?size=1280x720&fps=30", "alsa:hw:1?rate=44100&channels=2", "x11::0",
                                 "rtsp://10.0.0.11/main?channel=1", "file:/a b/课.mp4?loop", "test:"])  # fmt: skip
def test_what_is_right_passes(uri: str) -> None:
    assert check_address(uri) == parse_address(uri)
