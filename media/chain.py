"""Consecutive segment files through one decoder: where one file ends inside a group of pictures, the next goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import structlog
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.rational import AVRational
from av.stream import Stream
from av.video.frame import VideoFrame

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.errors import reason_of
from media.streams import best_stream, open_media, pts_from_ticks, stream_start

MAX_JUMP: Ticks = TICKS_PER_SECOND
"""Files whose time stamps lie further apart than this are not consecutive: nothing is predicted across the hole."""
SEEK_WORTH: Ticks = TICKS_PER_SECOND
"""Below this distance decoding from the start of a file is as quick as seeking in it."""
_READ_ATTEMPTS = 8

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame as the decoder gave it. `at`: its time, None if the file has no time stamp for it.

    `aspect`: of one pixel, as the container says; None if it does not. `period`: nominal distance of frames, 0 if
    unknown. `flawed`: something before this frame was lost or damaged.
    """

    frame: VideoFrame | AudioFrame
    at: Ticks | None
    aspect: Fraction | None
    period: Ticks
    flawed: bool


class Chain:
    """Iterates once over all frames of the best stream of `kind` in `paths`, in presentation order.

    Damaged packets and files are skipped and logged; `MediaError` is raised only if no file can be opened at all.
    `start`: decode no more before this time than needed (the first frame may lie far before it).
    """

    def __init__(
        self, paths: Sequence[Path], kind: Kind, *, start: Ticks | None = None, keys_only: bool = False
    ) -> None:
        self._paths = paths
        self._kind = kind
        self._start = start
        self._keys_only = keys_only
        self._decoder: CodecContext | None = None
        self._time_base = Fraction(1, TICKS_PER_SECOND)
        self._aspect: Fraction | None = None
        self._period: Ticks = 0
        self._flawed = False
        self._last_dts: Ticks | None = None

    def __iter__(self) -> Iterator[Decoded]:
        opened = False
        problem: MediaError | None = None
        for path in self._paths:
            try:
                container = open_media(path)
            except MediaError as error:
                _log.warning("segment skipped", reason=str(error))
                problem, self._flawed = error, True
                continue
            opened = True
            with closing(container):
                yield from self._file(container, path)
        yield from self._drain()
        if problem is not None and not opened:
            raise problem

    def _file(self, container: InputContainer, path: Path) -> Iterator[Decoded]:
        stream = best_stream(container, self._kind)
        if stream is None:
            return
        fresh = not self._continues(stream)
        if fresh:
            yield from self._drain()
            self._adopt(stream)
            self._seek(container, stream)
        first = True
        for packet in self._packets(container, stream, path):
            if packet.time_base != self._time_base:
                packet.rescale_ts(AVRational(self._time_base.numerator, self._time_base.denominator))
            if first and not fresh:
                _keep_all_samples(packet)
                if self._jumped(packet):
                    yield from self._drain()
            first = False
            self._last_dts = self._ticks(packet.dts if packet.dts is not None else packet.pts)
            yield from self._decode(packet)

    def _continues(self, stream: Stream) -> bool:
        """Whether the current decoder can take the packets of `stream`: same codec, same headers."""
        if self._decoder is None:
            return False
        mine, other = self._decoder, stream.codec_context
        return mine.name == other.name and mine.extradata == other.extradata

    def _adopt(self, stream: Stream) -> None:
        decoder = stream.codec_context
        decoder.thread_count = 1
        if self._keys_only:
            decoder.skip_frame = "NONKEY"
        self._decoder = decoder
        assert stream.time_base is not None  # noqa: S101 - libavformat gives every stream one
        self._time_base = stream.time_base
        self._aspect, self._period = None, 0
        if self._kind is Kind.VIDEO:
            self._aspect = getattr(stream, "sample_aspect_ratio", None) or None
            rate = stream.guessed_rate or stream.average_rate
            self._period = round(TICKS_PER_SECOND / rate) if rate else 0

    def _seek(self, container: InputContainer, stream: Stream) -> None:
        begins = stream_start(stream)
        if self._start is None or begins is None or self._start < begins + SEEK_WORTH:
            return
        try:
            container.seek(pts_from_ticks(self._start, stream), stream=stream, backward=True)
        except av.FFmpegError:  # without an index: read from where the file stands, its start
            return

    def _jumped(self, packet: Packet[Stream]) -> bool:
        now = self._ticks(packet.dts if packet.dts is not None else packet.pts)
        return now is not None and self._last_dts is not None and abs(now - self._last_dts) > MAX_JUMP

    def _packets(self, container: InputContainer, stream: Stream, path: Path) -> Iterator[Packet[Stream]]:
        """All packets of the stream; a demuxer that stumbles is asked again until it makes no progress."""
        failures = 0
        while failures < _READ_ATTEMPTS:
            try:
                for packet in container.demux(stream):
                    if packet.size:  # the empty one at the end would close the decoder
                        failures = 0
                        yield packet
            except (av.FFmpegError, OSError) as error:
                failures += 1
                self._flawed = True
                _log.info("damaged place in file", path=str(path), reason=reason_of(error))
            else:
                return

    def _decode(self, packet: Packet[Stream] | None) -> Iterator[Decoded]:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - called after `_adopt` only
        try:
            frames = decoder.decode(packet)  # type: ignore[attr-defined]
        except av.error.BlockingIOError:  # full after an error: only a reset gets it out of this state
            decoder.flush_buffers()
            self._flawed = True
            return
        except (av.FFmpegError, ValueError):
            self._flawed = True
            return
        for frame in frames:
            flawed, self._flawed = self._flawed, False
            yield Decoded(frame, self._ticks(frame.pts), self._aspect, self._period, flawed)

    def _drain(self) -> Iterator[Decoded]:
        """The frames the decoder still holds; it starts afresh afterwards."""
        if self._decoder is not None:
            yield from self._decode(None)
            self._decoder.flush_buffers()

    def _ticks(self, pts: int | None) -> Ticks | None:
        return None if pts is None else ticks_from_pts(pts, self._time_base)


def _keep_all_samples(packet: Packet[Stream]) -> None:
    """Undo the order to skip codec priming at the start of a file that continues another: those are real samples."""
    if packet.has_sidedata("skip_samples"):
        order = packet.get_sidedata("skip_samples")  # uint32 at the start, uint32 at the end, reasons
        order.update(bytes(4) + bytes(order)[4:])
        packet.set_sidedata(order, move=True)
