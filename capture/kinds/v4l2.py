"""`v4l2:/dev/videoN?size=WxH&fps=N&format=NAME`: a camera or grabber at this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.kinds.kind import Login, SourceKind, named, picture_options, target_and_options
from lesson.errors import MediaError
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed


@dataclass(frozen=True, slots=True)
class UsbCamera:
    """A device file; no size and `fps` 0 leave the choice to the driver, no `pixel_format` to us."""

    path: str
    size: tuple[int, int] | None = None
    fps: int = 0
    pixel_format: str = ""

    def open(self, _login: Login) -> Feed:
        """MJPEG unless another format is asked for: what USB 2 carries at full frame rate; else whatever there is."""
        try:
            return self._open(self.pixel_format or "mjpeg")
        except MediaError:
            if self.pixel_format:
                raise
        return self._open("")

    def _open(self, pixel_format: str) -> Feed:
        from media.feeds.live_feed import Device, LiveFeed

        options = picture_options(self.size, self.fps) | ({"input_format": pixel_format} if pixel_format else {})
        return LiveFeed(Device(name=self.path, url=self.path, format="video4linux2", options=options))


def _parse(uri: str) -> UsbCamera:
    path, options = target_and_options(uri, "size", "fps", "format")
    fps = options.number("fps", 1, 120, otherwise=0)
    return UsbCamera(named(path, uri), options.size(), fps, options.text("format"))


KIND = SourceKind(
    schemes=("v4l2",),
    example="v4l2:/dev/videoN",
    parse=_parse,
    remedies={
        SourceFault.ABSENT: "not plugged in, or under another name: look with v4l2-ctl --list-devices and correct uri",
        SourceFault.NOT_PERMITTED: "add the user of classreel to the group video",
        SourceFault.HANGS: "unplug the camera and plug it in again, or restart the box",
        SourceFault.UNKNOWN: "plug the camera into another port; ask v4l2-ctl --list-formats-ext what it can do",
    },
)
