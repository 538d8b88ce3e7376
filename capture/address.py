"""What a source's URI says, in parts. Pure: nothing is opened here."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from lesson.errors import ConfigError

KINDS = ("rtsp://HOST/PATH", "v4l2:/dev/videoN", "alsa:DEVICE", "x11::DISPLAY", "file:PATH[?loop]", "test:SCENE")
SCENES = ("teacher", "students", "board", "tone", "pattern", "sine")
_NETWORK = frozenset({"rtsp", "rtsps"})
_OPTIONS: dict[str, frozenset[str]] = {
    "rtsp": frozenset(),
    "rtsps": frozenset(),
    "v4l2": frozenset({"size", "fps", "format"}),
    "alsa": frozenset({"rate", "channels"}),
    "x11": frozenset({"size", "fps"}),
    "test": frozenset({"size", "fps"}),
}
_BOUNDS: dict[tuple[str, str], tuple[int, int]] = {
    ("v4l2", "fps"): (1, 120),
    ("x11", "fps"): (1, 60),
    ("test", "fps"): (1, 120),
    ("alsa", "rate"): (8_000, 192_000),
    ("alsa", "channels"): (1, 8),
}


@dataclass(frozen=True, slots=True)
class Address:
    """`kind` is one of the schemes, `target` what it opens: a URL, device, display, path or scene."""

    kind: str
    target: str
    options: dict[str, str] = field(default_factory=dict)

    def size(self, default: tuple[int, int] | None = None) -> tuple[int, int] | None:
        """(width, height) of `?size=WxH`. Raises `ConfigError`."""
        text = self.options.get("size")
        if text is None:
            return default
        width, _, height = text.partition("x")
        if not (width.isdecimal() and height.isdecimal()) or not 16 <= int(width) <= 7680 >= int(height) >= 16:
            raise ConfigError(f"{self.kind}:{self.target}: size={text} is not like 1280x720")
        return int(width) & ~1, int(height) & ~1

    def fps(self, default: Fraction) -> Fraction:
        """Frames a second of `?fps=N`. Raises `ConfigError`."""
        return Fraction(self.number("fps", 0)) or default

    def number(self, key: str, default: int) -> int:
        """A whole number option within the bounds of its kind. Raises `ConfigError`."""
        text = self.options.get(key)
        if text is None:
            return default
        least, most = _BOUNDS[self.kind, key]
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ConfigError(f"{self.kind}:{self.target}: {key}={text} is no whole number from {least} to {most}")
        return int(text)


def parse_address(uri: str, *, imported: bool = False) -> Address:
    """The parts of a source URI; anything without a known scheme in front of a colon is refused, but for plain paths.

    Raises `ConfigError` naming the known kinds, for kinds and options that there are not, and for credentials in it.
    """
    kind, colon, rest = uri.partition(":")
    if imported or kind == "file" or not colon or "/" in kind:
        return _file(uri, imported=imported)
    if kind == "push":
        raise ConfigError(f"{uri}: receiving a pushed stream is not there yet; there is {', '.join(KINDS)}")
    if kind not in _OPTIONS:
        raise ConfigError(f"{_without_user(uri)}: no such kind of source; there is {', '.join(KINDS)}")
    if kind in _NETWORK:
        return _network(kind, uri)
    target, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - _OPTIONS[kind])
    if unknown:
        raise ConfigError(f"{uri}: {kind}: knows no option {unknown[0]!r}; it has {', '.join(sorted(_OPTIONS[kind]))}")
    if kind == "test":
        target = target or "pattern"
        if target not in SCENES:
            raise ConfigError(f"{uri}: no such scene; there is {', '.join(SCENES)}")
    if not target:
        raise ConfigError(f"{uri}: says nothing after {kind}:")
    return Address(kind, target, options)


def check_address(uri: str) -> Address:
    """As `parse_address`, and every option is looked at, so that none is found wrong only when class begins."""
    address = parse_address(uri)
    address.size()
    for kind, key in _BOUNDS:
        if kind == address.kind:
            address.number(key, 0)
    return address


def file_uri(path: Path) -> str:
    """The URI of a file that is to be imported; `parse_address(…, imported=True)` gives exactly this path back.

    Nothing is percent-encoded: a path may hold any byte but NUL, and this text is read by classreel alone.
    """
    return f"file:{path.resolve()}"


def _file(uri: str, *, imported: bool) -> Address:
    """An imported path is taken as it is, whatever signs are in the name."""
    path = uri.removeprefix("file:")
    looped = not imported and path.endswith("?loop")
    path = path.removesuffix("?loop") if looped else path
    path = path.removeprefix("//") if path.startswith("///") else path
    if not path:
        raise ConfigError(f"{uri}: names no file")
    return Address("file", path, {"loop": ""} if looped else {})


def _without_user(uri: str) -> str:
    head, mark, tail = uri.rpartition("@")
    return f"{head.split('://')[0]}://***@{tail}" if mark and "://" in head else uri


def _network(kind: str, uri: str) -> Address:
    parts = urlsplit(uri)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"{_without_user(uri)}: put no credentials into a URI; name them by user_env and password_env"
        )
    if not parts.hostname:
        raise ConfigError(f"{uri}: names no host")
    return Address(kind, uri)
