"""Network cameras and local devices as feeds: coded packets are copied, raw pictures and unstorable codecs encoded."""

from __future__ import annotations

import importlib
import io
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import av
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from lesson.errors import MediaError, SourceLostError
from lesson.loss import Loss
from lesson.model import Kind
from lesson.source_fault import SourceFault
from lesson.time import Ticks
from media.decode.streams import best_stream
from media.errors import media_errors
from media.feeds.container_feed import coded_packets
from media.feeds.in_band import described_by, may_describe_itself
from media.feeds.packets import Announced, FeedPacket, FeedStream
from media.feeds.segment import stream_info
from media.feeds.stamping import Stamper

if TYPE_CHECKING:
    from media.feeds.transcoder import AudioTranscoder, VideoTranscoder

STALL_S = 4.5
"""Silence after which a live stream counts as lost: longer than a network needs to send a lost packet again."""
UNKNOWN_S, UNKNOWN_AGAIN_S = 2.0, 30.0
"""What a stream is like is found out while the feed is opened. One that delivers right after that has been looked at in
vain, and is worth another look only after a while; one that comes later is worth one at once."""


_LOOKS_US = 100_000
"""libav looks that often whether something came (POLLING_TIME, libavformat/network.h)."""


def _rests() -> int:
    """How often this thread has given up its core by itself so far."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class ByteStream(Protocol):
    """What is received by ourselves and read by libav."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What libav is asked to open. `name` is what people are told; `url` may hold credentials and is never shown.

    `stream`: what libav reads instead of `url`; the feed closes it.

    `timeless`: its own time stamps are wall clock, which may jump; everything lies where it arrived, encoded anew.
    `timeout_us`: silence after which libav gives up a read. `held_back`: codecs of which libav gives a picture out only
    once the next one begins: it came when the one before it was given out.
    """

    name: str
    url: str
    format: str
    options: Mapping[str, str]
    timeless: bool = False
    timeout_us: int | None = None
    held_back: frozenset[str] = frozenset()
    stream: ByteStream | None = None


@contextmanager
def _live_errors(name: str, otherwise: Loss) -> Iterator[None]:
    """Errors of libav and of the system as `SourceLostError` "`name`: reason", with the code that fits."""
    try:
        with media_errors(name):
            yield
    except MediaError as error:
        if isinstance(error, SourceLostError):
            raise
        code = otherwise
        if error.fault is SourceFault.REFUSED:
            code = Loss.REFUSED
        elif isinstance(error.__cause__, av.error.TimeoutError) and otherwise is Loss.ENDED:
            code = Loss.STALLED
        raise SourceLostError(str(error), code, error.fault) from error


class LiveFeed:
    """An open camera or device. Time stamps of a network camera are as it gives them, however they jump.

    Raises `SourceLostError` "NAME: reason" when it cannot be opened or breaks off; it may be back later.
    """

    stall_s = STALL_S
    origin: Ticks = 0

    def __init__(self, device: Device) -> None:
        self._device = device
        if device.timeless:  # what it will need is there before its clock runs: else its first pictures come in a burst
            importlib.import_module("media.feeds.transcoder")
        with _live_errors(device.name, Loss.NO_SIGNAL):
            options = dict(device.options)
            self._container = av.open(device.stream or device.url, "r", format=device.format, container_options=options)
        self._opened = time.monotonic()
        chosen = [stream for kind in Kind if (stream := best_stream(self._container, kind))]
        self._streams = [stream for stream in chosen if _described(stream)]
        unknown = [stream for stream in chosen if not _described(stream)]
        self._in_band = [stream for stream in unknown if not device.timeless and may_describe_itself(stream)]
        self._unknown = {stream.index for stream in unknown if stream not in self._in_band}
        self._used = {stream.index for stream in chosen}
        self._held_back = {stream.index for stream in chosen if _codec(stream) in device.held_back}
        self._seen_in_vain: set[int] = set()
        self.late: frozenset[Kind] = frozenset()
        self.reopens = device.timeout_us is not None
        if not self._streams and not self._in_band:
            self._container.close()
            raise SourceLostError(f"{device.name}: delivers neither video nor audio", fault=SourceFault.SILENT)
        self._transcoders = {s.index: _transcoder(s) for s in self._streams if device.timeless or not _storable(s)}
        self.streams: Mapping[Kind, FeedStream] = {Kind(s.type): self._stored(s) for s in self._streams}
        self.expected = frozenset(Kind(stream.type) for stream in [*self._streams, *self._in_band])
        self.announced: Sequence[Announced] = tuple(self._announced())

    def _stored(self, stream: Stream) -> FeedStream:
        encoded = self._transcoders.get(stream.index)
        return encoded.stream if encoded else FeedStream(stream_info(stream), stream)

    def _announced(self) -> Iterator[Announced]:
        for stream in [*self._container.streams.video, *self._container.streams.audio]:
            codec = _codec(stream)
            code = None if stream.index in self._used else Loss.LEFT_OUT
            yield Announced(stream=stream.index, kind=Kind(stream.type), codec=codec, used=code is None, code=code)

    def packets(self) -> Iterator[FeedPacket]:
        with _live_errors(self._device.name, Loss.ENDED):
            yield from self._arriving() if self._device.timeless else self._stamped()

    def _received(self) -> Iterator[tuple[av.Packet[Stream], int]]:
        wanted = [stream for stream in self._container.streams if stream.index in self._used]
        before_ns, rests = time.monotonic_ns(), _rests()
        given_ns: dict[int, int] = {}  # of streams whose pictures are held back: when the one before was given out
        for packet in coded_packets(self._container, wanted):
            arrival_ns, rested = time.monotonic_ns(), _rests() - rests
            timed_out = self._timed_out(arrival_ns - before_ns, rested)
            before_ns, rests = before_ns if timed_out else arrival_ns, rests + rested
            began_ns = given_ns.get(packet.stream.index, before_ns)
            if packet.stream.index in self._held_back:
                given_ns[packet.stream.index] = before_ns
            if packet.stream.index in self._unknown:
                self._look_again(packet.stream)
            else:
                yield packet, began_ns
            if timed_out:  # libav gives out what it held, and would wait once more
                raise SourceLostError(f"{self._device.name}: timed out, nothing came any more", Loss.STALLED)

    def _timed_out(self, silent_ns: int, rested: int) -> bool:
        """Whether libav waited in vain for a packet that came after so long, in which its thread `rested` so often.

        Who waits looks at the network each 100 ms. A process that had no core meanwhile did not, and what the camera
        has sent is still to be read.
        """
        timeout_us = self._device.timeout_us
        return timeout_us is not None and silent_ns >= timeout_us * 1000 and rested >= timeout_us // _LOOKS_US // 2

    def _look_again(self, stream: Stream) -> None:
        """Note a stream that came after the feed was opened, which so knows nothing of it."""
        open_s = time.monotonic() - self._opened
        if open_s < UNKNOWN_S:
            self._seen_in_vain.add(stream.index)
        elif stream.index not in self._seen_in_vain or open_s > UNKNOWN_AGAIN_S:
            self.late |= {Kind(stream.type)}

    def _describe(self, key_frame: av.Packet[Stream]) -> None:
        """Take up the stream of this key frame, whose packets could not be stored before."""
        if (found := described_by(key_frame)) is not None:
            self._in_band.remove(key_frame.stream)
            self.streams = {**self.streams, Kind.VIDEO: FeedStream(stream_info(found), found)}

    def _arriving(self) -> Iterator[FeedPacket]:
        for packet, arrival_ns in self._received():
            yield from self._transcoders[packet.stream.index].arrived(packet, arrival_ns)

    def _stamped(self) -> Iterator[FeedPacket]:
        stampers = {stream.index: Stamper(stream) for stream in [*self._streams, *self._in_band]}
        for received, arrival_ns in self._received():
            if received.stream in self._in_band and received.is_keyframe:
                self._describe(received)
            encoded = self._transcoders.get(received.stream.index)
            for packet in stampers[received.stream.index].stamp(received, arrival_ns):
                yield from encoded.placed(packet) if encoded else (packet,)

    def close(self) -> None:
        self._container.close()
        if self._device.stream is not None:
            self._device.stream.close()


def _codec(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def _described(stream: Stream) -> bool:
    """Whether enough is known of a stream to store it: some cameras describe theirs only in its first packets."""
    if isinstance(stream, VideoStream):
        return stream.codec_context.width > 0 and stream.codec_context.height > 0
    return isinstance(stream, AudioStream) and stream.codec_context.sample_rate > 0


def _transcoder(stream: Stream) -> VideoTranscoder | AudioTranscoder:
    """Imported when one is needed: it takes numpy along, and a box that copies records the sooner without."""
    from media.feeds.transcoder import transcoder

    return transcoder(stream)


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
