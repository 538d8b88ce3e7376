"""What the settings say of a feed: `[[sources]]` in `classroom.toml`. Its capture process reads it in the lesson."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from capture.address import check_address
from lesson.errors import ConfigError
from lesson.folder import is_name
from lesson.model import Role, SourceSpec
from process.section import Section

_KINDS = ("rtsp", "rtsps", "v4l2", "x11", "alsa", "file", "test")
_NETWORK = {"rtsp", "rtsps"}


def _plain_name(text: str) -> str:
    """The id of a source: it becomes a folder name and part of object keys."""
    if not is_name(text):
        raise ValueError(f"{text!r} is no name: use a-z, 0-9, _ and -")
    return text


def _uri(uri: str) -> str:
    """What a feed is: kind, device or address, and every option of it."""
    kind = uri.partition(":")[0]
    if kind not in _KINDS:
        raise ValueError(f"unknown source kind {kind!r}; there is {', '.join(_KINDS)}")
    if not uri.isprintable():
        raise ValueError("there is a control character in it")
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise ValueError("no user or password in an address: name environment variables in user_env, password_env")
    try:
        check_address(uri)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    if kind in _NETWORK and parts.port == 0:  # a port above 65535 or of letters is refused by asking for it
        raise ValueError("there is no port 0")
    return uri


def _substream(uri: str) -> str:
    """A second, smaller stream of the same network camera."""
    if uri.partition(":")[0] not in _NETWORK:
        raise ValueError("write the address of the camera's smaller stream, for example rtsp://10.0.0.11/sub")
    return _uri(uri)


class SourceSettings(Section):
    """One feed."""

    id: Annotated[str, AfterValidator(_plain_name)]
    role: Role
    uri: Annotated[str, AfterValidator(_uri)]
    user_env: str | None = None
    password_env: str | None = None
    substream: Annotated[str, AfterValidator(_substream)] | None = None
    required: bool = False

    def spec(self) -> SourceSpec:
        return SourceSpec(**self.model_dump())
