"""Opening what a source's URI names."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from capture.address import Address, parse_address
from lesson.errors import ConfigError, MediaError
from lesson.model import SourceSpec
from lesson.time import Ticks, ticks_from_seconds
from media.live_feed import (
    LiveFeed,
    alsa_device,
    pattern_device,
    rtsp_device,
    sine_device,
    v4l2_device,
    x11_device,
)
from media.packets import Feed

_SCENE_FPS = {"teacher": 25, "students": 15, "board": 10}
_SCENE_ORIGIN_S = {"teacher": 1.0, "students": 7.4, "board": 3.2, "tone": 2.5}
"""PTS at which each scene starts: real devices do not agree on one either."""


def open_feed(spec: SourceSpec, environ: Mapping[str, str]) -> Feed:
    """Open the feed of a source; blocks until it is there.

    Raises:
        ConfigError: the URI makes no sense, or an environment variable for credentials is missing.
        UnusableMediaError: there is nothing in it that can be recorded.
        MediaError: it cannot be opened now.
    """
    address = parse_address(spec.uri, imported=spec.imported)
    match address.kind:
        case "file":
            from media.file_feed import FileFeed  # decoders and OpenCV: a third of the start of a camera's process

            return FileFeed(Path(address.target), paced=not spec.imported, loop="loop" in address.options)
        case "test":
            return _scene(address)
        case "v4l2":
            return _v4l2(address)
        case "alsa":
            rate, channels = address.number("rate", 48_000), address.number("channels", 1)
            return LiveFeed(alsa_device(address.target, rate, channels))
        case "x11":
            return LiveFeed(x11_device(address.target, address.size(), address.number("fps", 10)))
        case _:
            user, password = (_secret(spec.id, name, environ) for name in (spec.user_env, spec.password_env))
            return LiveFeed(rtsp_device(address.target, user, password))


def _secret(source: str, name: str | None, environ: Mapping[str, str]) -> str | None:
    if name is None:
        return None
    if name not in environ:
        raise ConfigError(f"source {source}: the environment variable {name} is not set")
    return environ[name]


def _v4l2(address: Address) -> Feed:
    """MJPEG unless another format is asked for: what USB 2 carries at full frame rate; else whatever there is."""
    size, fps = address.size(), address.number("fps", 0)
    wanted = address.options.get("format")
    try:
        return LiveFeed(v4l2_device(address.target, size, fps, wanted or "mjpeg"))
    except MediaError:
        if wanted:
            raise
    return LiveFeed(v4l2_device(address.target, size, fps, ""))


def _scene(address: Address) -> Feed:
    from media.scene import make_scene  # as above
    from media.scene_feed import SceneToneFeed, SceneVideoFeed

    name = address.target
    origin: Ticks = ticks_from_seconds(_SCENE_ORIGIN_S.get(name, 1.0))
    if name == "tone":
        return SceneToneFeed(origin)
    if name == "sine":
        return LiveFeed(sine_device())
    size = address.size() or (1280, 720)
    fps = address.fps(Fraction(_SCENE_FPS.get(name, 25)))
    if name == "pattern":
        return LiveFeed(pattern_device(size, fps))
    return SceneVideoFeed(make_scene(name, *size), fps, origin)
