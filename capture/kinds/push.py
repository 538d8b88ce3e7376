"""`push:HOST[:PORT]/NAME`: a screen that its own encoder (OBS, ffmpeg) sends to this box by RTMP."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from capture.kinds.kind import Login, SourceKind, target_and_options
from lesson.errors import ConfigError, CredentialMissingError
from lesson.folder import is_name
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed

PORT = 1935
"""Of RTMP, as encoders know it."""
SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True)
class PushedStream:
    """Where this box listens: an address of its own, or all of them."""

    host: str
    port: int
    name: str

    def open(self, login: Login) -> Feed:
        """Wait some seconds for a sender that names the stream key, which is what `password_env` names."""
        from media.feeds.pushed_feed import open_pushed

        key = login.password()
        if key is None:
            raise CredentialMissingError(f"source {login.source}: {NEEDS_KEY}")
        if len(key) < SHORTEST_KEY or not key.isprintable() or " " in key:  # libav ends an address at a space
            line = f"the stream key in {login.password_env} must have {SHORTEST_KEY} signs at least, and no spaces"
            raise ConfigError(f"source {login.source}: {line}")
        return open_pushed(self.host, self.port, self.name, key)


NEEDS_KEY = "name in password_env the variable that holds the stream key, without which anybody could send"


def _parse(uri: str) -> PushedStream:
    target, _ = target_and_options(uri)
    place, _, name = target.partition("/")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"{uri}: write push:HOST[:PORT]/NAME; HOST is 0.0.0.0, or an address of this box") from None
    if port == 0:
        raise ConfigError(f"{uri}: there is no port 0")
    if not is_name(name):
        raise ConfigError(f"{uri}: NAME, after the slash, is of a-z, 0-9, _ and -")
    return PushedStream(host, port or PORT, name)


def _port(uri: str) -> str:
    return f"port {_parse(uri).port}"


_KEY = "the encoder's stream key is not what password_env names, or its server does not end with NAME: correct them"
KIND = SourceKind(
    schemes=("push",),
    example="push:HOST/NAME",
    parse=_parse,
    needs_password=NEEDS_KEY,
    alone_at=_port,
    remedies={
        SourceFault.REFUSED: _KEY,
        SourceFault.NOT_SENT: "start the encoder: server rtmp://BOX:PORT/NAME with this box's address",
        SourceFault.SILENT: "the encoder is connected and sends nothing: restart its streaming",
        SourceFault.NO_ANSWER: "what sends to this port is no encoder that speaks RTMP: look what it is",
        SourceFault.BUSY: (
            "this port is taken: by classreel serve, while it runs, and its page shows this source; else by another"
            " program or source"
        ),
        SourceFault.ABSENT: "HOST is no address of this box: write 0.0.0.0",
        SourceFault.NOT_PERMITTED: "ports below 1024 are the system's: choose another, such as 1935",
        SourceFault.UNUSABLE: "send H.264 pictures and AAC sound",
    },
)
