"""Consecutive segment files through one decoder: where one file ends inside a group of pictures, the next goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import structlog
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.rational import AVRational
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.decode.account import DecodingAccount
from media.decode.streams import best_stream, open_media, pts_from_ticks, stream_start
from media.errors import reason_of

MAX_JUMP: Ticks = TICKS_PER_SECOND
"""Files whose time stamps lie further apart than this are not consecutive: nothing is predicted across the hole.

Slides may come more seldom: then it is twice the longest time between two packets of the file before.
"""
MAX_WAIT = 300
"""Packets kept back while waiting for a key frame; streams that never mark one are decoded as they are."""
SEEK_WORTH: Ticks = TICKS_PER_SECOND
"""Below this distance decoding from the start of a file is as quick as seeking in it."""
_READ_ATTEMPTS = 8

_log = structlog.get_logger()


class StreamDecoder:
    """A decoder and what the container says about the stream it was made for.

    `period`: nominal distance of pictures, 0 if unknown.
    """

    def __init__(self, stream: Stream, *, draft: bool = False) -> None:
        self.codec: CodecContext = stream.codec_context
        self.codec.thread_count = 1  # several sources and renditions run beside each other
        if draft:
            self.codec.options = {"skip_loop_filter": "all"}
        self.time_base = stream.time_base or Fraction(1, TICKS_PER_SECOND)
        self._signature = _signature(stream)
        self.period: Ticks = 0
        self._aspect: Fraction | None = None
        self._size: tuple[int, int] | None = None
        if isinstance(stream, VideoStream):
            rate = stream.guessed_rate or stream.average_rate
            self.period = round(TICKS_PER_SECOND / rate) if rate else 0
            self._aspect, self._size = stream.sample_aspect_ratio, (stream.width, stream.height)

    def ticks(self, pts: int | None) -> Ticks | None:
        return None if pts is None else ticks_from_pts(pts, self.time_base)

    def aspect(self, frame: VideoFrame) -> Fraction:
        """Width by height of one pixel: the container's word, or the bitstream's if the size has changed since."""
        known = (frame.width, frame.height) == self._size
        if not known and isinstance(self.codec, VideoCodecContext):
            return self.codec.sample_aspect_ratio or Fraction(1)
        return self._aspect or Fraction(1)

    def continues_with(self, stream: Stream) -> bool:
        """Whether the decoder can take the packets of `stream`: same codec, same headers, same shape."""
        return self._signature == _signature(stream)


def _signature(stream: Stream) -> tuple[object, ...]:
    context = stream.codec_context
    shape: tuple[object, ...] = ()
    if isinstance(context, VideoCodecContext):
        shape = (context.width, context.height, context.pix_fmt)
    elif isinstance(context, AudioCodecContext):
        shape = (context.sample_rate, context.layout.name)
    return (context.name, context.extradata, *shape)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame as the decoder gave it.

    `at`: its time, None if the file has no time stamp for it.
    """

    frame: VideoFrame | AudioFrame
    at: Ticks | None
    decoder: StreamDecoder


class Chain:
    """Iterates once over all frames of the best stream of `kind` in `paths`, in presentation order.

    Damaged packets and files are skipped and logged; `MediaError` is raised only if no file can be opened at all.
    `start`: decode no more before this time than needed (the first frame may lie far before it). `keys_only`: give
    key frames, skip the others undecoded. `draft`: leave out the deblocking filter. `stream`: number of the stream to
    read instead of the best. `account`: is told what became of the packets.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        kind: Kind,
        *,
        start: Ticks | None = None,
        keys_only: bool = False,
        draft: bool = False,
        stream: int | None = None,
        account: DecodingAccount | None = None,
    ) -> None:
        self._paths = paths
        self._kind = kind
        self._index = stream
        self._start = start
        self._keys_only = keys_only
        self._draft = draft
        self._account = account
        self._decoder: StreamDecoder | None = None
        self._intact_seen = False
        self._last: Ticks | None = None  # decoding time of the last packet
        self._pace: Ticks = 0  # longest time between two packets of the file before

    def __iter__(self) -> Iterator[Decoded]:
        opened = False
        problem: MediaError | None = None
        for path in self._paths:
            try:
                container = open_media(path, quick=opened)  # a follower is like the first
            except MediaError as error:
                _log.warning("file_skipped", error=str(error))
                problem = error
                continue
            opened = True
            with closing(container):
                yield from self._file(container, path)
        yield from self._drained()
        if problem is not None and not opened:
            raise problem

    def _file(self, container: InputContainer, path: Path) -> Iterator[Decoded]:
        """What one file gives. The decoder of the file before goes on with it, so that pictures which refer across the
        cut come out whole, unless its stream is another one or lies elsewhere in time: then the decoder gives what it
        still holds (`_drained`) and the next begins `fresh`, at a key frame.
        """
        stream = best_stream(container, self._kind) if self._index is None else container.streams[self._index]
        if stream is None:
            return
        decoder, fresh = self._decoder, False
        if decoder is None or not decoder.continues_with(stream):
            yield from self._drained()
            decoder, fresh = StreamDecoder(stream, draft=self._draft), True
            self._decoder = decoder
            self._seek(container, stream)
        packets = self._packets(container, stream, path, decoder.time_base)
        first = next(packets, None)
        if first is None:
            return
        # only the first packet tells where the file lies in time
        if not fresh and self._jumps_to(_decoding_time(decoder, first)):
            yield from self._drained()
            fresh = True
        if not fresh:  # what a player skips at the start of a file are real samples here
            _keep_all_samples(first)
        self._last, self._pace = None, 0  # how far apart its packets lie is judged for each file
        following: Iterator[Packet[Stream]] = itertools.chain([first], packets)
        if fresh and self._kind is Kind.VIDEO:
            self._intact_seen = False
            following = _from_first_key(following)
        for packet in following:
            self._pass(_decoding_time(decoder, packet))
            if self._keys_only and not packet.is_keyframe:
                continue
            yield from self._decoded(decoder, packet)
            if self._keys_only:  # each on its own: in a reorder buffer key frames alone come out in any order
                yield from self._drained()

    def _seek(self, container: InputContainer, stream: Stream) -> None:
        begins = stream_start(stream)
        if self._start is None or begins is None or self._start < begins + SEEK_WORTH:
            return
        try:
            container.seek(pts_from_ticks(self._start, stream), stream=stream, backward=True)
        except av.FFmpegError:  # without an index: read from where the file stands, its start
            return

    def _jumps_to(self, now: Ticks | None) -> bool:
        return now is not None and self._last is not None and abs(now - self._last) > max(MAX_JUMP, 2 * self._pace)

    def _pass(self, now: Ticks | None) -> None:
        if now is not None and self._last is not None:
            self._pace = max(self._pace, now - self._last)
        self._last = now

    def _packets(
        self, container: InputContainer, stream: Stream, path: Path, time_base: Fraction
    ) -> Iterator[Packet[Stream]]:
        """All packets of the stream; a demuxer that stumbles is asked again until it makes no progress."""
        failures = 0
        while failures < _READ_ATTEMPTS:
            try:
                for packet in container.demux(stream):
                    if packet.size:  # the empty one at the end would close the decoder
                        failures = 0
                        if packet.time_base != time_base:
                            packet.rescale_ts(AVRational(time_base.numerator, time_base.denominator))
                        yield packet
            except (av.FFmpegError, OSError, IndexError) as error:  # IndexError: a stream came up in mid-file
                failures += 1
                _log.info("file_damaged", path=str(path), error=reason_of(error))
            else:
                return

    def _decoded(self, decoder: StreamDecoder, packet: Packet[Stream] | None) -> Iterator[Decoded]:
        try:
            frames = decoder.codec.decode(packet)  # type: ignore[attr-defined] # only in the stubs of the subclasses
        except av.error.BlockingIOError:  # full after an error: only a reset gets it out of this state
            decoder.codec.flush_buffers()
            self._fail(decoder, packet)
            return
        except (av.FFmpegError, ValueError):
            self._fail(decoder, packet)
            return
        for frame in frames:
            self._note(decoder, frame)
            if frame.is_corrupt and not self._intact_seen:
                continue  # grey mud, made up by the decoder before its first whole key frame
            self._intact_seen = True
            yield Decoded(frame, decoder.ticks(frame.pts), decoder)

    def _fail(self, decoder: StreamDecoder, packet: Packet[Stream] | None) -> None:
        at = decoder.ticks(packet.pts) if packet is not None else None
        if self._account is not None and at is not None:
            self._account.failed.add(at)

    def _note(self, decoder: StreamDecoder, frame: VideoFrame | AudioFrame) -> None:
        at = decoder.ticks(frame.pts)
        if self._account is None or at is None:
            return
        (self._account.failed if frame.is_corrupt else self._account.intact).add(at)
        if isinstance(frame, AudioFrame) or frame.key_frame:
            self._account.keys.add(at)

    def _drained(self) -> Iterator[Decoded]:
        """The frames the decoder still holds; it starts afresh afterwards."""
        if self._decoder is not None:
            yield from self._decoded(self._decoder, None)
            self._decoder.codec.flush_buffers()


def _decoding_time(decoder: StreamDecoder, packet: Packet[Stream]) -> Ticks | None:
    return decoder.ticks(packet.pts if packet.dts is None else packet.dts)


def _from_first_key(packets: Iterator[Packet[Stream]]) -> Iterator[Packet[Stream]]:
    """Without the packets before the first key frame: decoders make mud of them, and some then miss the key frame."""
    held: list[Packet[Stream]] = []
    for packet in packets:
        held.append(packet)
        if packet.is_keyframe:
            held = [packet]
            break
        if len(held) >= MAX_WAIT:
            break
    yield from held
    yield from packets


def _keep_all_samples(packet: Packet[Stream]) -> None:
    """Undo the order to skip codec priming at the start of a file that continues another: those are real samples."""
    if packet.has_sidedata("skip_samples"):
        order = packet.get_sidedata("skip_samples")  # uint32 at the start, uint32 at the end, reasons
        order.update(bytes(4) + bytes(order)[4:])
        packet.set_sidedata(order, move=True)
