"""Network cameras and local devices as feeds: coded packets are copied, raw pictures and unstorable codecs encoded."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.container_feed import headroom_shift, shifted
from media.errors import media_errors
from media.packets import FeedPacket, Track
from media.raw_encoder import RawAudioEncoder, RawVideoEncoder
from media.segment import stream_info
from media.stamping import ArrivalClock, SampleClock, Stamper
from media.streams import best_stream

STALL_S = 4.5
"""Silence after which a live stream counts as lost: longer than a network needs to send a lost packet again."""
_NETWORK_TIMEOUT_US = 4_000_000
"""Below `STALL_S`, so that a silent network feed ends by itself. libav's own: PyAV's follow the wall clock."""
_ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
_SANE_FPS = (1, 120)


class Clock(Protocol):
    """Places what a device delivers on a timeline of our own."""

    def place(self, arrival_ns: int, duration: Ticks) -> Ticks: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What libav is asked to open. `name` is what people are told; `url` may hold credentials and is never shown."""

    name: str
    url: str
    format: str
    options: Mapping[str, str]
    clock: type[Clock] | None = None
    encode: bool = False


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
    """A screen of an X server. Its own time stamps are wall clock."""
    options = _picture_options(size, fps)
    return Device(
        name=f"screen {display}", url=display, format="x11grab", options=options, clock=ArrivalClock, encode=True
    )


def alsa_device(name: str, rate: int, channels: int) -> Device:
    """A sound card. Its own time stamps are wall clock. Raises `MediaError` where ALSA has no configuration."""
    if "ALSA_CONFIG_PATH" not in os.environ:  # libav comes with its own libasound, which knows no path
        if not _ALSA_CONFIG.is_file():
            raise MediaError(f"alsa {name}: {_ALSA_CONFIG} is missing; install libasound2-data or set ALSA_CONFIG_PATH")
        os.environ["ALSA_CONFIG_PATH"] = str(_ALSA_CONFIG)
    options = {"sample_rate": str(rate), "channels": str(channels)}
    return Device(name=f"alsa {name}", url=name, format="alsa", options=options, clock=SampleClock)


def _picture_options(size: tuple[int, int] | None, fps: int) -> dict[str, str]:
    options = {"video_size": f"{size[0]}x{size[1]}"} if size else {}
    return options | ({"framerate": str(fps)} if fps else {})


class _VideoTranscoder:
    """Decodes the packets of a stream and encodes the pictures, one for one."""

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate
        fps = rate if rate and _SANE_FPS[0] <= rate <= _SANE_FPS[1] else Fraction(25)
        self._size = self._context.width & ~1, self._context.height & ~1
        self._encoder = RawVideoEncoder(*self._size, fps)
        self.track = self._encoder.track

    def packets(self, packet: FeedPacket) -> Iterator[FeedPacket]:
        for frame in packet.coded.decode():
            if isinstance(frame, VideoFrame):
                width, height = self._size
                plain = frame.reformat(width=width, height=height, format="yuv420p")
                yield from self._encoder.encode(plain, packet.pts, packet.arrival_ns)


class _AudioTranscoder:
    """Decodes the packets of a stream to mono PCM at 48 kHz, its position counted in samples."""

    def __init__(self) -> None:
        self._resampler = AudioResampler(format="flt", layout="mono", rate=TICKS_PER_SECOND)
        self._encoder = RawAudioEncoder()
        self.track = self._encoder.track

    def packets(self, packet: FeedPacket) -> Iterator[FeedPacket]:
        at = packet.pts
        for frame in packet.coded.decode():
            if isinstance(frame, AudioFrame):
                frame.pts = None
                for block in self._resampler.resample(frame):
                    pcm = block.to_ndarray().reshape(-1).astype(np.float32)
                    yield from self._encoder.encode(pcm, at, packet.arrival_ns)
                    at += len(pcm)


class LiveFeed:
    """An open camera or device.

    Raises `MediaError` "NAME: reason" when it cannot be opened or breaks off; it may be back later.
    """

    stall_s = STALL_S
    settle = True
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
        self._transcoders = {s.index: _transcoder(s) for s in self._streams if device.encode or not _storable(s)}
        self.tracks: Mapping[Kind, Track] = {Kind(s.type): self._track(s) for s in self._streams}

    def _track(self, stream: Stream) -> Track:
        transcoder = self._transcoders.get(stream.index)
        return transcoder.track if transcoder else Track(stream_info(stream), stream)

    def packets(self) -> Iterator[FeedPacket]:
        with media_errors(self._device.name):
            shift: Ticks | None = None
            for packet in self._stamped():
                if shift is None:
                    shift = headroom_shift(packet.pts)
                moved = shifted(packet, shift)
                if moved.pts >= 0:
                    transcoder = self._transcoders.get(packet.coded.stream.index)
                    yield from transcoder.packets(moved) if transcoder else (moved,)

    def _stamped(self) -> Iterator[FeedPacket]:
        stampers = {stream.index: Stamper(stream) for stream in self._streams}
        clock = self._device.clock() if self._device.clock else None
        for packet in self._container.demux(self._streams):
            if not packet.size:
                continue
            arrival_ns = time.monotonic_ns()
            for stamped in stampers[packet.stream.index].stamp(packet, arrival_ns):
                if clock is None:
                    yield stamped
                else:
                    at = clock.place(stamped.arrival_ns, stamped.duration)
                    yield FeedPacket(
                        stamped.kind, at, at, stamped.duration, stamped.key, stamped.arrival_ns, stamped.coded
                    )

    def close(self) -> None:
        self._container.close()


def _transcoder(stream: Stream) -> _VideoTranscoder | _AudioTranscoder:
    return _VideoTranscoder(stream) if isinstance(stream, VideoStream) else _AudioTranscoder()


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
