"""`rtsp://HOST/PATH`, `rtsps://HOST/PATH`: a network camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from capture.kinds.kind import Login, SourceKind
from lesson.errors import ConfigError
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed

_TIMEOUT_US = 4_000_000
"""Below `media.feeds.live_feed.STALL_S`: a silent camera ends by itself. libav's own: PyAV's follow the wall clock."""

_HELD_BACK = frozenset({"h264", "hevc"})
"""libav's depacketizers of these leave it to the parser to find the end of a picture."""


@dataclass(frozen=True, slots=True)
class NetworkCamera:
    """A camera at a URL that holds no credentials."""

    url: str

    def open(self, login: Login) -> Feed:
        """Over TCP: UDP loses packets without anyone noticing."""
        from media.feeds.live_feed import Device, LiveFeed

        options = {
            "rtsp_transport": "tcp",
            "timeout": str(_TIMEOUT_US),
            "fpsprobesize": "0",  # the frame rate is not worth a second of the lesson
            # µs: what libav looks at while it opens is given out in one burst, as if it had arrived only then; whatever
            # a second does not tell, a key frame does
            "analyzeduration": "1000000",
            "max_ts_probe": "0",  # nor is a first time stamp: libav waits 50 pictures for it, of a slow camera 50 s
            "allowed_media_types": "video+audio",
        }
        url = _with_login(self.url, login.user(), login.password())
        return LiveFeed(
            Device(name=self.url, url=url, format="rtsp", options=options, timeout_us=_TIMEOUT_US, held_back=_HELD_BACK)
        )


def _with_login(url: str, user: str | None, password: str | None) -> str:
    if user is None and password is None:
        return url
    parts = urlsplit(url)
    secret = f"{quote(user or '', safe='')}:{quote(password or '', safe='')}@"
    return urlunsplit(parts._replace(netloc=secret + parts.netloc))


def _parse(uri: str) -> NetworkCamera:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:  # a port above 65535 or of letters, an IPv6 address without its end
        raise ConfigError(f"{uri}: {error}") from error
    if not host:
        raise ConfigError(f"{uri.rpartition('@')[2]}: names no host")
    if port == 0:
        raise ConfigError(f"{uri}: there is no port 0")
    return NetworkCamera(uri)


KIND = SourceKind(
    schemes=("rtsp", "rtsps"),
    example="rtsp://HOST/PATH",
    parse=_parse,
    remedies={
        SourceFault.UNREACHABLE: "nobody answers at this address: check the camera's power, network cable and address",
        SourceFault.UNKNOWN: "check the camera's power, network cable and address; a name must be known to this box",
    },
)
