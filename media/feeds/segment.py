"""Raw segments: Matroska files of copied packets that lose at most a quarter of a second to a killed process.

Clusters are closed after 0.2 s of media and flushed at once, so a torn file is readable up to its last cluster
(measured beside the alternatives in docs/adr/0003). Times in the file are milliseconds.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from lesson.errors import MediaError, StorageError, storage_errors
from lesson.model import Anchor, Kind, PtsRange, StreamInfo
from lesson.stretches import MIN_GAP, RARE
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND
from media.errors import FOREIGN, error_of, media_errors, reason_of
from media.feeds.packets import FeedPacket, FeedStream

TIME_BASE = Fraction(1, 1000)
HOLE = round(MIN_GAP / TICKS_PER_SECOND / TIME_BASE)
"""From here on a time without packets is a hole, in `TIME_BASE`; of packets that are rare, a longer one."""
STRETCHED = 5
"""A packet of sound that is said to be so many times as long as the one before is not: coders know a length or two."""
_TICK = Fraction(1, TICKS_PER_SECOND)
_LABEL = "CLASSREEL"
_MUXER_OPTIONS = {
    "cluster_time_limit": "200",  # ms: what a kill may lose
    "flush_packets": "1",  # a closed cluster leaves the process at once
    "max_interleave_delta": "100000",  # µs: a silent stream must not hold back the other
    "avoid_negative_ts": "disabled",  # times in the file are times of the feed
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment file holds; times in `TIME_BASE`."""

    ranges: Mapping[Kind, PtsRange]
    anchors: tuple[Anchor, ...] = ()


class SegmentSink(Protocol):
    """Where the bytes of a segment go."""

    def write(self, data: bytes, /) -> int: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...

    def close(self) -> None: ...


_DISK_ERRNOS = frozenset({errno.EIO, errno.EFBIG, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EPERM})


def _refusal(path: Path, error: BaseException) -> MediaError | StorageError:
    """What to raise for an error of the muxer: `StorageError` if it is the disk, `DiskFullError`, `MediaError`."""
    if isinstance(error, av.FFmpegError) and error.errno in _DISK_ERRNOS:
        return StorageError(f"{path}: {reason_of(error)}")
    return error_of(str(path), error)


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except FOREIGN as error:
        raise _refusal(path, error) from error


class RangeCounter:
    """Collects the `PtsRange` of one stream, packet by packet. Times in `TIME_BASE`.

    Packets that are not shown count, but the range is from the first to the last of those that are.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._shown: tuple[int, int] | None = None
        self._any: tuple[int, int] | None = None
        self._key: int | None = None
        self._packets = 0
        self._known_duration = 0
        self._step = 0
        self._reached: int | None = None
        self._holes: list[tuple[int, int]] = []

    def add(self, pts: int, duration: int, *, key: bool, shown: bool = True) -> None:
        duration = self._believed(duration)
        self._known_duration = duration or self._known_duration
        if self._any is not None and pts > self._any[1]:
            self._step = pts - self._any[1]
        self._any = _stretched(self._any, pts)
        if shown:
            self._shown = _stretched(self._shown, pts)
            self._look_for_holes(pts, pts + (duration or self._step))
        if key and self._key is None:
            self._key = pts
        self._packets += 1

    def _believed(self, duration: int) -> int:
        """Files that cannot express a hole (MP4) state that the packet before it lasts until it ends: no sound does."""
        stretched = self._kind is Kind.AUDIO and duration >= max(HOLE, STRETCHED * self._known_duration)
        return self._known_duration if stretched and self._known_duration else duration

    def _look_for_holes(self, start: int, end: int) -> None:
        """Packets come in the order of decoding: what is ahead of others leaves holes which those then fill."""
        if self._reached is not None and start >= self._reached + HOLE:
            self._holes.append((self._reached, start))
        elif self._holes:
            parts = [part for a, b in self._holes for part in ((a, min(b, start)), (max(a, end), b))]
            self._holes = [(a, b) for a, b in parts if b - a >= HOLE]
        self._reached = end if self._reached is None else max(self._reached, end)

    def result(self) -> PtsRange | None:
        """The range so far; None before the first packet. A last packet of unknown length lasts as its neighbour."""
        found = self._shown or self._any
        if found is None:
            return None
        first, last = found
        end = last + (self._known_duration or self._step or 1)
        key = last if self._key is None else self._key  # no packet to start at: a decoder learns that at the end
        timed = self._kind is Kind.AUDIO and self._known_duration  # of such sound all that is not there is missing
        usual = 0.0 if timed else (last - first) / max(1, self._packets - 1)
        holes = tuple(hole for hole in self._holes if hole[1] - hole[0] >= RARE * usual)
        return PtsRange(first=first, last=last, end=end, key=key, packets=self._packets, holes=holes or None)


def _stretched(known: tuple[int, int] | None, pts: int) -> tuple[int, int]:
    return (pts, pts) if known is None else (min(known[0], pts), max(known[1], pts))


class SegmentWriter:
    """Writes one segment file into `sink`; `path` is what errors name. Not thread-safe.

    `label`: text that the file carries, for whoever finds it without a journal.

    Raises:
        MediaError: the packets cannot be stored.
        StorageError: the disk refused (`DiskFullError` when it is full); what was flushed stays readable.
    """

    def __init__(self, path: Path, sink: SegmentSink, streams: Mapping[Kind, FeedStream], *, label: str = "") -> None:
        self.path = path
        self._ranges = {kind: RangeCounter(kind) for kind in streams}
        self._last_dts: dict[Kind, int] = {}
        self._best_offset: int | None = None
        self._anchor: Anchor | None = None
        self._sink = sink
        with _storing(path):
            self._container = av.open(sink, "w", format="matroska", container_options=_MUXER_OPTIONS)
            if label:
                self._container.metadata[_LABEL] = label
            self._streams = {
                kind: self._container.add_stream_from_template(stream.template, opaque=True)
                for kind, stream in streams.items()
            }
            self._container.start_encoding()

    def write(self, packet: FeedPacket) -> bool:
        """Store a packet; False when it lies before one of its stream that is stored already, and was dropped."""
        dts = max(min(packet.dts, packet.pts), self._last_dts.get(packet.kind, 0))
        if packet.pts < dts:
            return False
        self._last_dts[packet.kind] = dts
        coded = packet.coded
        coded.stream = self._streams[packet.kind]
        coded.time_base = _TICK
        coded.pts, coded.dts, coded.duration = packet.pts, dts, packet.duration
        try:  # no context manager: this is done for each packet
            self._container.mux_one(coded)  # leaves the packet in the time base of the file
        except FOREIGN as error:
            raise _refusal(self.path, error) from error
        self._ranges[packet.kind].add(coded.pts, coded.duration or 0, key=packet.key, shown=packet.shown)
        self._remember_prompt_arrival(packet)
        return True

    def _remember_prompt_arrival(self, packet: FeedPacket) -> None:
        at = packet.end if packet.kind is Kind.AUDIO else packet.pts
        offset = packet.arrival_ns - at * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND
        if self._best_offset is None or offset < self._best_offset:
            self._best_offset = offset
            rounded = round(at * _TICK / TIME_BASE)
            self._anchor = Anchor(pts=rounded, monotonic_ns=offset + rounded * int(NANOSECONDS_PER_SECOND * TIME_BASE))

    def finish(self) -> Contents:
        """Complete the file; before it is named in a journal it must be made durable."""
        with _storing(self.path):
            self._container.close()
        ranges = {kind: found for kind, counter in self._ranges.items() if (found := counter.result())}
        return Contents(ranges, (self._anchor,) if self._anchor else ())

    def abandon(self) -> None:
        """Close the file without vouching for it."""
        try:
            with _storing(self.path):
                self._container.close()
        except (MediaError, StorageError):
            pass  # that is why it is abandoned
        self._sink.close()


def file_digest(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a file. Raises `StorageError`."""
    with storage_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


@dataclass(frozen=True, slots=True)
class Inspection:
    """What can be read of a segment file that may be torn: streams, ranges in `TIME_BASE`, its label."""

    streams: tuple[StreamInfo, ...]
    ranges: Mapping[Kind, PtsRange]
    label: str = ""


def inspect_segment(path: Path) -> Inspection:
    """Read a segment file, torn or whole, packet by packet, up to where it makes no sense any more.

    Raises `MediaError` when nothing can be read, not even the header.
    """
    with media_errors(str(path)), av.open(str(path), "r", format="matroska") as container:
        counters = {(kind := Kind(stream.type)): RangeCounter(kind) for stream in _known(container)}
        infos = tuple(stream_info(stream) for stream in _known(container))
        try:
            for packet in container.demux(_known(container)):
                if packet.size and packet.pts is not None and not packet.is_corrupt:
                    counters[Kind(packet.stream.type)].add(packet.pts, packet.duration or 0, key=packet.is_keyframe)
        except (av.FFmpegError, IndexError):  # IndexError: damage that looks like one more stream
            pass
        ranges = {kind: found for kind, counter in counters.items() if (found := counter.result())}
        return Inspection(infos, ranges, container.metadata.get(_LABEL, ""))


def _known(container: InputContainer) -> list[Stream]:
    return [*container.streams.video, *container.streams.audio]


def stream_info(stream: Stream) -> StreamInfo:
    """The facts about an av stream that outlive it."""
    codec = stream.codec_context.codec.canonical_name
    if isinstance(stream, VideoStream):
        return StreamInfo(
            kind=Kind.VIDEO,
            codec=codec,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=stream.average_rate or stream.guessed_rate,
        )
    assert isinstance(stream, AudioStream)  # noqa: S101 - a feed has no other streams
    sound = stream.codec_context
    return StreamInfo(kind=Kind.AUDIO, codec=codec, rate=sound.sample_rate, channels=sound.channels)
