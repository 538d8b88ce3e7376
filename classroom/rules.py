"""What each setting may be: one function a rule, each raises `ValueError` with a line that says what to write."""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from capture.kinds import parse_source, rtsp, source_kind
from classroom.durations import parse_duration
from classroom.hosts import is_host
from lesson.errors import ConfigError
from lesson.folder import is_name
from lesson.ladders import LADDERS
from lesson.titles import checked_title
from publish.address import parse_store_url

MAX_PORT = 65_535
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # the shape of RFC 5646


def known_zone(name: str) -> str:
    """A time zone of the IANA data base."""
    if name not in available_timezones():
        raise ValueError(f"no time zone {name!r}; write for example Asia/Shanghai")
    return name


def plain_name(text: str) -> str:
    """The id of a source: it becomes a folder name and part of object keys."""
    if not is_name(text):
        raise ValueError(f"{text!r} is no name: use a-z, 0-9, _ and -")
    return text


def source_uri(uri: str) -> str:
    """What a feed is: kind, device or address, and every option of it."""
    try:
        parse_source(uri)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return uri


def substream(uri: str) -> str:
    """A second, smaller stream of the same network camera."""
    if source_kind(uri) is not rtsp.KIND:
        raise ValueError("write the address of the camera's smaller stream, for example rtsp://10.0.0.11/sub")
    return source_uri(uri)


def store_url(url: str) -> str:
    """The URL of a store, by the rule that opens it."""
    parse_store_url(url)
    return url


def listen(text: str) -> str:
    """Where the pages are served: `host:port`."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= MAX_PORT:
        raise ValueError("write host:port, for example 0.0.0.0:8000")
    if not is_host(host):
        raise ValueError(f"{host!r} is no address of this machine: write 0.0.0.0:{port} or [::]:{port} for all of them")
    return text


def allowed_host(name: str) -> str:
    """A name by which the box may be called, or `*`."""
    if name != "*" and not is_host(name):
        raise ValueError(f"{name!r} is no name of a host: write for example recorder.school.example, without a port")
    return name.lower()


def language(tag: str) -> str:
    """A language tag as playlists and pages take it."""
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError(f"{tag!r} is no language tag: write for example bo, zh or en-GB")
    return tag


def room(text: str) -> str:
    """The name of the room, one visible line like a title."""
    room = checked_title(text)
    if not room:
        raise ValueError("a room has a name: lessons without a title are named after it")
    return room


def farm_url(url: str) -> str:
    """The address of an encoding farm."""
    if urlsplit(url).scheme not in {"tcp", "tls"} or not urlsplit(url).netloc:
        raise ValueError("write the address of a Dask scheduler, for example tcp://10.0.0.5:8786")
    return url


def known_ladder(name: str) -> str:
    """The name of a ladder."""
    if name not in LADDERS:
        raise ValueError(f"no ladder {name!r}; there is {', '.join(sorted(LADDERS))}")
    return name


def duration(value: object) -> object:
    """Seconds of a duration such as `1h30m`; what is no text is left to the type."""
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except ConfigError as error:
        raise ValueError(str(error)) from error
