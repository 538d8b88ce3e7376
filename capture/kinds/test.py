"""`test:SCENE?size=WxH&fps=N`: the simulated classroom, and what libavfilter can make: sources of every machine."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from capture.kinds.kind import Login, SourceKind, target_and_options
from lesson.errors import ConfigError
from lesson.time import TICKS_PER_SECOND, ticks_from_seconds

if TYPE_CHECKING:
    from media.feeds.packets import Feed

_FPS = {"teacher": 25, "students": 15, "board": 10, "pattern": 25}
_ORIGIN_S = {"teacher": 1.0, "students": 7.4, "board": 3.2, "tone": 2.5}
"""PTS at which each scene starts: real devices do not agree on one either."""
SCENES = ("teacher", "students", "board", "tone", "pattern", "sine")


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """One of `SCENES`; `fps` 0: as many as the scene has by itself."""

    scene: str = "pattern"
    size: tuple[int, int] = (1280, 720)
    fps: int = 0

    def open(self, _login: Login) -> Feed:
        width, height = self.size
        if self.scene == "sine":
            return _graph("test sine", f"sine=frequency=440:sample_rate={TICKS_PER_SECOND},arealtime")
        if self.scene == "pattern":
            rate = self.fps or _FPS[self.scene]
            return _graph("test pattern", f"testsrc2=size={width}x{height}:rate={rate},realtime")
        return self._scene()

    def _scene(self) -> Feed:
        from media.simulated.scene import make_scene  # OpenCV, which no recording of a real camera needs
        from media.simulated.scene_feed import SceneToneFeed, SceneVideoFeed

        origin = ticks_from_seconds(_ORIGIN_S[self.scene])
        if self.scene == "tone":
            return SceneToneFeed(origin)
        return SceneVideoFeed(make_scene(self.scene, *self.size), Fraction(self.fps or _FPS[self.scene]), origin)


def _graph(name: str, graph: str) -> Feed:
    """What libavfilter makes, in real time."""
    from media.feeds.live_feed import Device, LiveFeed

    return LiveFeed(Device(name=name, url=graph, format="lavfi", options={}, timeless=True))


def _parse(uri: str) -> SimulatedSource:
    scene, options = target_and_options(uri, "size", "fps")
    if scene and scene not in SCENES:
        raise ConfigError(f"{uri}: no such scene; there is {', '.join(SCENES)}")
    size = options.size() or (1280, 720)
    return SimulatedSource(scene or "pattern", size, options.number("fps", 1, 120, otherwise=0))


KIND = SourceKind(schemes=("test",), example="test:SCENE", parse=_parse)
