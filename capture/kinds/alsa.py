"""`alsa:DEVICE?rate=HZ&channels=N`: a microphone or mixer at a sound card of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capture.kinds.kind import Login, SourceKind, named, target_and_options
from lesson.errors import MediaError
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed

_CONFIG = Path("/usr/share/alsa/alsa.conf")


@dataclass(frozen=True, slots=True)
class SoundCard:
    """A device by its ALSA name; `rate` in Hz."""

    name: str
    rate: int = 48_000
    channels: int = 1

    def open(self, _login: Login) -> Feed:
        from media.feeds.live_feed import Device, LiveFeed

        name = f"alsa {self.name}"
        if "ALSA_CONFIG_PATH" not in os.environ:  # libav comes with its own libasound, which knows no path
            if not _CONFIG.is_file():
                line = f"{name}: {_CONFIG} is missing; install libasound2-data or set ALSA_CONFIG_PATH"
                raise MediaError(line, SourceFault.NO_DRIVER)
            os.environ["ALSA_CONFIG_PATH"] = str(_CONFIG)
        options = {"sample_rate": str(self.rate), "channels": str(self.channels)}
        return LiveFeed(Device(name=name, url=self.name, format="alsa", options=options, timeless=True))


def _parse(uri: str) -> SoundCard:
    name, options = target_and_options(uri, "rate", "channels")
    rate = options.number("rate", 8_000, 192_000, otherwise=48_000)
    return SoundCard(named(name, uri), rate, options.number("channels", 1, 8, otherwise=1))


_NAMES = "not plugged in, or under another name: look with arecord -L and correct uri"
KIND = SourceKind(
    schemes=("alsa",),
    example="alsa:DEVICE",
    parse=_parse,
    remedies={
        SourceFault.ABSENT: _NAMES,
        SourceFault.UNKNOWN: _NAMES,  # libav tells nothing else of a device that ALSA does not know
        SourceFault.NO_DRIVER: "install libasound2-data",
        SourceFault.NOT_PERMITTED: "add the user of classreel to the group audio",
    },
)
