"""Network cameras and local devices as feeds: coded packets are copied, raw pictures and unstorable codecs encoded."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import av
from av.stream import Stream

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.container_feed import coded_packets, headroom_shift, shifted
from media.errors import media_errors
from media.packets import Announced, FeedPacket, Track
from media.segment import stream_info
from media.stamping import Stamper
from media.streams import best_stream
from media.transcoder import transcoder

STALL_S = 4.5
"""Silence after which a live stream counts as lost: longer than a network needs to send a lost packet again."""
_NETWORK_TIMEOUT_US = 4_000_000
"""Below `STALL_S`, so that a silent network feed ends by itself. libav's own: PyAV's follow the wall clock."""
_ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What libav is asked to open. `name` is what people are told; `url` may hold credentials and is never shown.

    `timeless`: its own time stamps are wall clock, which may jump; everything lies where it arrived, encoded anew.
    """

    name: str
    url: str
    format: str
    options: Mapping[str, str]
    timeless: bool = False


def rtsp_device(url: str, user: str | None, password: str | None) -> Device:
    """A network camera over TCP: UDP loses packets without anyone noticing."""
    parts = urlsplit(url)
    secret = ""
    if user is not None or password is not None:
        secret = f"{quote(user or '', safe='')}:{quote(password or '', safe='')}@"
    return Device(
        name=url,
        url=urlunsplit(parts._replace(netloc=secret + parts.netloc)),
        format="rtsp",
        options={
            "rtsp_transport": "tcp",
            "timeout": str(_NETWORK_TIMEOUT_US),
            "fpsprobesize": "0",  # the frame rate is not worth a second of the lesson
            "allowed_media_types": "video+audio",
        },
    )


def v4l2_device(path: str, size: tuple[int, int] | None, fps: int, pixel_format: str) -> Device:
    """A camera or grabber at /dev/videoN; `fps` 0 and no size leave the choice to the driver."""
    options = {"input_format": pixel_format} if pixel_format else {}
    return Device(name=path, url=path, format="video4linux2", options=options | _picture_options(size, fps))


def x11_device(display: str, size: tuple[int, int] | None, fps: int) -> Device:
    """A screen of an X server."""
    options = {"fpsprobesize": "0", **_picture_options(size, fps)}
    return Device(name=f"screen {display}", url=display, format="x11grab", options=options, timeless=True)


def alsa_device(name: str, rate: int, channels: int) -> Device:
    """A sound card. Raises `MediaError` where ALSA has no configuration."""
    if "ALSA_CONFIG_PATH" not in os.environ:  # libav comes with its own libasound, which knows no path
        if not _ALSA_CONFIG.is_file():
            raise MediaError(f"alsa {name}: {_ALSA_CONFIG} is missing; install libasound2-data or set ALSA_CONFIG_PATH")
        os.environ["ALSA_CONFIG_PATH"] = str(_ALSA_CONFIG)
    options = {"sample_rate": str(rate), "channels": str(channels)}
    return Device(name=f"alsa {name}", url=name, format="alsa", options=options, timeless=True)


def pattern_device(size: tuple[int, int], fps: Fraction) -> Device:
    """Test picture of libavfilter in real time: a camera that every machine has."""
    graph = f"testsrc2=size={size[0]}x{size[1]}:rate={fps},realtime"
    return Device(name="test pattern", url=graph, format="lavfi", options={}, timeless=True)


def sine_device() -> Device:
    """Sine tone of libavfilter, 440 Hz, in real time."""
    graph = f"sine=frequency=440:sample_rate={TICKS_PER_SECOND},arealtime"
    return Device(name="test sine", url=graph, format="lavfi", options={}, timeless=True)


def _picture_options(size: tuple[int, int] | None, fps: int) -> dict[str, str]:
    options = {"video_size": f"{size[0]}x{size[1]}"} if size else {}
    return options | ({"framerate": str(fps)} if fps else {})


class LiveFeed:
    """An open camera or device.

    Raises `MediaError` "NAME: reason" when it cannot be opened or breaks off; it may be back later.
    """

    stall_s = STALL_S
    settle = True
    announced: Sequence[Announced] = ()
    origin: Ticks = 0

    def __init__(self, device: Device) -> None:
        self._device = device
        with media_errors(device.name):
            options = dict(device.options)
            self._container = av.open(device.url, "r", format=device.format, container_options=options)
        self._streams = [stream for kind in Kind if (stream := best_stream(self._container, kind))]
        if not self._streams:
            self._container.close()
            raise MediaError(f"{device.name}: delivers neither video nor audio")
        self._transcoders = {s.index: transcoder(s) for s in self._streams if device.timeless or not _storable(s)}
        self.tracks: Mapping[Kind, Track] = {Kind(s.type): self._track(s) for s in self._streams}

    def _track(self, stream: Stream) -> Track:
        encoded = self._transcoders.get(stream.index)
        return encoded.track if encoded else Track(stream_info(stream), stream)

    def packets(self) -> Iterator[FeedPacket]:
        with media_errors(self._device.name):
            yield from self._arriving() if self._device.timeless else self._stamped()

    def _received(self) -> Iterator[tuple[av.Packet[Stream], int]]:
        for packet in coded_packets(self._container, self._streams):
            yield packet, time.monotonic_ns()

    def _arriving(self) -> Iterator[FeedPacket]:
        for packet, arrival_ns in self._received():
            yield from self._transcoders[packet.stream.index].arrived(packet, arrival_ns)

    def _stamped(self) -> Iterator[FeedPacket]:
        stampers = {stream.index: Stamper(stream) for stream in self._streams}
        shift: Ticks | None = None
        for received, arrival_ns in self._received():
            for packet in stampers[received.stream.index].stamp(received, arrival_ns):
                if shift is None:
                    shift = headroom_shift(packet.pts)
                moved = shifted(packet, shift)
                encoded = self._transcoders.get(received.stream.index)
                if moved.pts >= 0:
                    yield from encoded.placed(moved) if encoded else (moved,)

    def close(self) -> None:
        self._container.close()


def _storable(stream: Stream) -> bool:
    """Whether Matroska takes the codec. Raw pictures it would take, but no disk."""
    if stream.codec_context.codec.canonical_name == "rawvideo":
        return False
    try:
        with av.open(io.BytesIO(), "w", format="matroska") as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True
