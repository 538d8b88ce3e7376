"""`x11::DISPLAY?size=WxH&fps=N`: a screen of an X server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.kinds.kind import Login, SourceKind, named, picture_options, target_and_options
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed


@dataclass(frozen=True, slots=True)
class Screen:
    """A display like `:0` or `:0.0+X,Y`; no size: all of it. Slides need no more than 10 pictures a second."""

    display: str
    size: tuple[int, int] | None = None
    fps: int = 10

    def open(self, _login: Login) -> Feed:
        from media.feeds.live_feed import Device, LiveFeed

        options = {"fpsprobesize": "0", **picture_options(self.size, self.fps)}
        name = f"screen {self.display}"
        return LiveFeed(Device(name=name, url=self.display, format="x11grab", options=options, timeless=True))


def _parse(uri: str) -> Screen:
    display, options = target_and_options(uri, "size", "fps")
    return Screen(named(display, uri), options.size(), options.number("fps", 1, 60, otherwise=10))


_SCREEN = "check that the X server runs, that uri names its display, and that classreel's user may use it (xhost)"
KIND = SourceKind(
    schemes=("x11",),
    example="x11::DISPLAY",
    parse=_parse,
    remedies={
        SourceFault.ABSENT: _SCREEN,
        SourceFault.UNKNOWN: _SCREEN,  # libav tells nothing else of a display that cannot be opened
        SourceFault.HANGS: "the X server does not answer: restart it",
    },
)
