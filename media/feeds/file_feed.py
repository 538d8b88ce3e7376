"""Media files as feeds: copied where Matroska can hold what is in them, else normalised and encoded.

Imported files are read as fast as they can be; others are paced by their time stamps like a camera, over and over if
asked.
"""

from __future__ import annotations

import heapq
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.decode.streams import open_media
from media.decode.together import together
from media.errors import media_errors
from media.feeds.container_feed import ContainerPackets, headroom_shift
from media.feeds.file_order import decodable, needed_start
from media.feeds.packets import FeedPacket, FeedStream
from media.feeds.probe import Probe, probe
from media.feeds.raw_encoder import RawAudioEncoder, RawVideoEncoder, frame_from_yuv
from media.feeds.segment import TIME_BASE
from media.feeds.stamping import NO_REORDERING

TRIAL_PACKETS = 120
"""Packets of a stream that must fit into Matroska before the whole stream is believed to."""
_STORED_TIME: Ticks = round(TIME_BASE * TICKS_PER_SECOND)
_ELEMENTARY = frozenset({"h264", "hevc", "m4v", "mpegvideo", "h263", "h261", "vvc", "obu", "dirac", "vc1"})
"""Formats that hold a bare stream without times: libavformat makes them up and cannot order reordered pictures."""


def storable(container_path: Path, index: int, container_format: str) -> bool:
    """Whether the packets of a stream can be copied into Matroska with the times they have, by trying the first ones.

    Raises `MediaError` if the file cannot be opened.
    """
    if container_format in _ELEMENTARY:
        return False
    with closing(open_media(container_path)) as source:
        stream = source.streams[index]
        reorders = stream.type == "video" and stream.codec_context.codec.canonical_name not in NO_REORDERING
        try:
            with av.open(io.BytesIO(), "w", format="matroska") as trial:
                return _fits(source, stream, trial.add_stream_from_template(stream, opaque=True), reorders=reorders)
        except (av.FFmpegError, ValueError):
            return False


def _fits(source: InputContainer, stream: Stream, copy: Stream, *, reorders: bool) -> bool:
    """Whether the first packets have times (the very first need not) and the muxer takes them."""
    assert isinstance(copy.container, OutputContainer)  # noqa: S101 - it was made by one
    last: int | None = None
    for packet in islice(source.demux(stream), TRIAL_PACKETS):
        pts = packet.dts if packet.pts is None and not reorders else packet.pts
        if packet.size and pts is None and last is not None:
            return False
        if packet.size and pts is not None:
            dts = pts if packet.dts is None else packet.dts
            last = dts if last is None else max(dts, last)
            packet.dts, packet.pts = last, max(pts, last)
            packet.stream = copy
            copy.container.mux_one(packet)
    return True


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A stream that is decoded, normalised and encoded again."""

    stream: FeedStream
    packets: Iterator[FeedPacket]


def _encoded_video(path: Path, fps: Fraction | None) -> _Encoded:
    frames = pictures([path])
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: no picture can be decoded")
    size = first.width, first.height
    encoder = RawVideoEncoder(*size, fps if fps and 1 <= fps <= 120 else Fraction(25))

    def packets() -> Iterator[FeedPacket]:
        yield from encoder.encode(frame_from_yuv(first.yuv(*size)), first.at, time.monotonic_ns())
        last = first.at
        for picture in frames:
            if picture.at > last:
                yield from encoder.encode(frame_from_yuv(picture.yuv(*size)), picture.at, time.monotonic_ns())
                last = picture.at

    return _Encoded(encoder.stream, packets())


def _encoded_audio(path: Path, indexes: Sequence[int]) -> _Encoded:
    encoder = RawAudioEncoder()
    blocks = [sound([path], stream=index) for index in indexes]

    def packets() -> Iterator[FeedPacket]:
        for block in together(blocks) if len(blocks) > 1 else blocks[0]:
            yield from encoder.encode(block.pcm, block.at, time.monotonic_ns())

    return _Encoded(encoder.stream, packets())


class _OnePass:
    """One reading of a file from its start to its end, times as in the file."""

    def __init__(self, found: Probe, copied: Mapping[Kind, int]) -> None:
        self._found = found
        self._container = open_media(found.path)
        self._copied = ContainerPackets(self._container, [self._container.streams[i] for i in copied.values()])
        self._following = iter(self._copied)
        self._first: list[FeedPacket] = []
        if copied:
            with media_errors(str(found.path)):
                self._first = needed_start(self._following, Kind.VIDEO if Kind.VIDEO in copied else Kind.AUDIO)
        self._encoded: list[_Encoded] = []
        for info in found.streams:
            if info.kind not in copied:
                video = info.kind is Kind.VIDEO
                self._encoded.append(
                    _encoded_video(found.path, info.fps) if video else _encoded_audio(found.path, found.sounds)
                )
        self.streams = {**self._copied.streams, **{e.stream.info.kind: e.stream for e in self._encoded}}

    @property
    def least(self) -> Ticks:
        """Time of the earliest packet that is copied, needed though perhaps not shown."""
        return min((packet.pts for packet in self._first), default=self._found.start)

    @property
    def rolls_in(self) -> bool:
        """Whether pictures are copied only to be decoded, before the first that is shown."""
        return any(packet.kind is Kind.VIDEO and not packet.shown for packet in self._first)

    def __iter__(self) -> Iterator[FeedPacket]:
        sources: Sequence[Iterator[FeedPacket]] = [*(e.packets for e in self._encoded)]
        if self._copied.streams:
            sources = [decodable(chain(self._first, self._following)), *sources]
        with media_errors(str(self._found.path)):
            yield from sources[0] if len(sources) == 1 else heapq.merge(*sources, key=lambda packet: packet.dts)

    def close(self) -> None:
        self._container.close()


class FileFeed:
    """A file, read once as fast as can be (`paced=False`) or like a camera, again and again if `loop`.

    Raises:
        UnusableMediaError: nothing in it can be recorded.
        MediaError: reading failed in the middle.
    """

    stall_s = None  # a film of slides may rest on one for minutes
    reopens = False
    late: frozenset[Kind] = frozenset()

    def __init__(self, path: Path, *, paced: bool, loop: bool = False) -> None:
        self._found = probe(path)
        self._paced, self._loop = paced, loop
        self._copied = {
            info.kind: index
            for info, index in zip(self._found.streams, self._found.indexes, strict=True)
            if not (info.kind is Kind.AUDIO and len(self._found.sounds) > 1)
            and storable(path, index, self._found.format)
        }
        self._first_pass = _OnePass(self._found, self._copied)
        if loop and self._first_pass.rolls_in:  # in the next round there is no time for what is not shown
            self._first_pass.close()
            del self._copied[Kind.VIDEO]
            self._first_pass = _OnePass(self._found, self._copied)
        needed = -(self._first_pass.least // _STORED_TIME) * _STORED_TIME  # whole: else a stored time may be rounded
        self._shift = max(headroom_shift(self._found.start), needed)
        self.origin: Ticks = self._found.start + self._shift
        self.streams = self._first_pass.streams
        self.expected = frozenset(self.streams)
        self.announced = self._found.announced
        self._closed = False

    def packets(self) -> Iterator[FeedPacket]:
        return _paced(self._timeline()) if self._paced else self._timeline()

    def _timeline(self) -> Iterator[FeedPacket]:
        shift, end = self._shift, self.origin
        one_pass = self._first_pass
        while not self._closed:
            for packet in one_pass:
                moved = packet.shifted(shift)
                if moved.pts >= 0:
                    end = max(end, moved.end)
                    yield moved
            if not self._loop or end <= self.origin:
                return
            shift, previous = end - self._found.start, one_pass
            one_pass = _OnePass(self._found, self._copied)
            if previous is not self._first_pass:  # its streams are the templates of every segment
                previous.close()

    def close(self) -> None:
        self._closed = True
        self._first_pass.close()


def _paced(packets: Iterator[FeedPacket]) -> Iterator[FeedPacket]:
    """Packets when they are due: as long after the first as their time stamps are."""
    start: int | None = None
    for packet in packets:
        due = packet.end if packet.kind is Kind.AUDIO else packet.dts
        due_ns = due * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND
        if start is None:
            start = time.monotonic_ns() - due_ns
        time.sleep(max(0, start + due_ns - time.monotonic_ns()) / NANOSECONDS_PER_SECOND)
        yield packet.shifted(0, time.monotonic_ns())
