"""What a media file holds, found out by decoding the beginning of it."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISFIFO, S_ISSOCK

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.errors import MediaError, UnusableMediaError
from lesson.loss import Loss
from lesson.model import Kind, StreamInfo
from lesson.source_fault import SourceFault
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.decode.streams import candidates, heard_together, open_media, stream_start, would_be_missed
from media.feeds.packets import Announced
from media.feeds.stated import stated_end

DEADLINE_S = 10.0
"""Longest search for a first frame of each kind."""
MAX_PACKETS = 2_000
"""Packets read in that search: more than half a minute of pictures and sound."""
LATE_DEADLINE_S = 7.0
"""Longest search beyond that for streams that have given nothing yet; together below what capture waits for a feed."""
MAX_RATE = 240
"""No classroom camera gives more pictures a second."""
_MAX_BOXES = 64
_ENDLESS = {S_ISFIFO: "a named pipe", S_ISSOCK: "a socket", S_ISCHR: "a device", S_ISBLK: "a device"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A usable media file.

    `streams`: at most one of each kind, the ones that are used, each decoded at least once (but for those that begin
    far into a long file); `indexes`: their numbers in the file. `sounds`: numbers of all streams of sound that are
    heard, mixed if there are several. `start`: least time stamp over these streams as the file declares it.
    `duration`: length of the whole file, None if it does not say. `announced`: every stream, used or not.
    """

    path: Path
    format: str
    start: Ticks
    duration: Ticks | None
    streams: tuple[StreamInfo, ...]
    indexes: tuple[int, ...]
    sounds: tuple[int, ...]
    announced: tuple[Announced, ...]

    def has(self, kind: Kind) -> bool:
        return any(stream.kind is kind for stream in self.streams)


def probe(path: Path) -> Probe:
    """Look into a media file.

    Raises:
        UnusableMediaError: "FILE: reason"; there is nothing in it that can be shown or heard.
    """
    _refuse_endless(path)
    try:
        container = open_media(path)
    except MediaError as error:
        fault = SourceFault.UNUSABLE if _is_of_content(error) else error.fault
        raise UnusableMediaError(f"{path}: {_why_unreadable(path, error)}", fault) from error
    with closing(container):
        if _is_still(container):
            raise UnusableMediaError(f"{path}: a still picture or a text, not a recording")
        wanted = [stream for kind in Kind for stream in candidates(container, kind)]
        if not wanted:
            raise UnusableMediaError(f"{path}: holds neither video nor audio")
        found = _Search(container, wanted)
        used = [next((s for s in candidates(container, kind) if found.holds(s)), None) for kind in Kind]
        streams = [stream for stream in used if stream is not None]
        if not streams:
            raise UnusableMediaError(f"{path}: nothing in it can be decoded; it is damaged, or cut off at its start")
        sounds = heard_together([s for s in candidates(container, Kind.AUDIO) if found.holds(s)])
        # pictures may be coded in another order than shown: the first one shown can lie before the declared start
        starts = [
            at for s in [*streams, *sounds] for at in (stream_start(s), found.first.get(s.index)) if at is not None
        ]
        start = min(starts, default=0)
        duration = container.duration or 0
        return Probe(
            path=path,
            format=container.format.name,
            start=start,
            duration=duration * TICKS_PER_SECOND // av.time_base if duration > 0 else None,
            streams=tuple(_info(stream) for stream in streams),
            indexes=tuple(stream.index for stream in streams),
            sounds=tuple(stream.index for stream in sounds),
            announced=_announced(container, start, {s.index for s in [*streams, *sounds]}, found),
        )


def _refuse_endless(path: Path) -> None:
    """Refuse what can be opened but never ends, or not before somebody else writes into it."""
    try:
        mode = path.stat().st_mode
    except OSError:  # libavformat will say why
        return
    for is_such, what in _ENDLESS.items():
        if is_such(mode):
            raise UnusableMediaError(f"{path}: {what}, not a file")


def _why_unreadable(path: Path, error: MediaError) -> str:
    """What a person can make something of, where libavformat just says "invalid data"."""
    if not _is_of_content(error):
        return str(error).removeprefix(f"{path}: ")
    with suppress(OSError):
        if not path.stat().st_size:
            return "the file is empty"
        if _lacks_index(path):
            return "its index (moov) is missing; the recording was cut off before it was finished"
    return "not a media file, or damaged from its start"


def _is_of_content(error: MediaError) -> bool:
    """Whether the file was read, and what it holds makes no sense."""
    return isinstance(error.__cause__, (av.error.InvalidDataError, av.error.EOFError))


def _lacks_index(path: Path) -> bool:
    """Whether this is an MP4 or MOV file (ISO/IEC 14496-12: boxes of size, type, content) without a moov box."""
    at, kinds, size = 0, set[bytes](), path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size and len(kinds) < _MAX_BOXES:
            file.seek(at)
            head = file.read(16).ljust(16, b"\0")
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the real length follows in 64 bits
                length = int.from_bytes(head[8:16], "big")
            kinds.add(head[4:8])
            if length < 8:
                break
            at += length
    return b"mdat" in kinds and b"moov" not in kinds


def _is_still(container: InputContainer) -> bool:
    """Whether this is a picture file: libavformat takes those, and text, for films of one frame."""
    name = container.format.name
    return name.endswith("_pipe") or name in {"image2", "tty"}


class _Search:
    """Looks for the first frame of the streams that are wanted most: the best picture, and all that is heard."""

    def __init__(self, container: InputContainer, wanted: list[Stream]) -> None:
        self.first: dict[int, Ticks | None] = {}
        """Time of the first frame of each stream, by index; without those that gave none before the search ended."""
        self._packets: set[int] = set()  # streams that gave any
        self._believed: set[int] = set()
        for stream in wanted:
            stream.codec_context.thread_count = 1
        videos = [stream for stream in wanted if stream.type == "video"]
        self._goal = {s.index for s in [*videos[:1], *heard_together([s for s in wanted if s.type == "audio"])]}
        with suppress(av.FFmpegError, OSError, IndexError):  # what was found before the damage counts
            if not self._read(container, wanted, MAX_PACKETS, DEADLINE_S):
                self._read_on(container, wanted)

    def holds(self, stream: Stream) -> bool:
        """Whether something of the stream was decoded, or is to be expected."""
        return stream.index in self.first or stream.index in self._believed

    def fault(self, stream: Stream) -> Loss:
        """Why a stream is not used."""
        if stream.index not in self._goal or self.holds(stream):
            return Loss.LEFT_OUT
        return Loss.UNDECODABLE if stream.index in self._packets else Loss.ABSENT

    def _read(self, container: InputContainer, streams: list[Stream], most: int | None, limit_s: float) -> bool:
        """Decode until each goal among `streams` gave a frame; False when that would take too long."""
        give_up = time.monotonic() + limit_s
        missing = (self._goal & {stream.index for stream in streams}) - self.first.keys()
        for number, packet in enumerate(container.demux(*streams)):
            index = packet.stream.index
            if packet.size:
                self._packets.add(index)
            frame = None if index in self.first else _sound_frame(packet)
            if frame is not None:
                self.first[index] = None if frame.pts is None else ticks_from_pts(frame.pts, packet.time_base)
                missing.discard(index)
            if not missing:
                return True
            if number == most or time.monotonic() > give_up:
                return False
        return True

    def _read_on(self, container: InputContainer, wanted: list[Stream]) -> None:
        """Look for streams that have given nothing at all yet: a microphone may be switched on after an hour."""
        late = [s for s in wanted if s.index in self._goal - self._packets]
        if not late:
            return
        for stream in container.streams:
            stream.discard = Discard.default if stream in late else Discard.all
        if not self._read(container, late, None, LATE_DEADLINE_S):
            self._believed = {s.index for s in late if s.index not in self._packets and _is_described(s)}


def _is_described(stream: Stream) -> bool:
    """Whether the header alone says enough to store the stream's packets."""
    if isinstance(stream, VideoStream):
        return stream.codec_context.width > 0
    return isinstance(stream, AudioStream) and stream.codec_context.sample_rate > 0


def _announced(container: InputContainer, start: Ticks, used: set[int], found: _Search) -> tuple[Announced, ...]:
    return tuple(
        Announced(
            stream=stream.index,
            kind=Kind(stream.type),
            codec=stream.codec_context.name if stream.codec_context else "",
            used=stream.index in used,
            stated=stated_end(container, stream, start),
            code=None if stream.index in used else found.fault(stream) if stream.codec_context else Loss.UNDECODABLE,
        )
        for stream in container.streams
        if would_be_missed(stream)
    )


def _sound_frame(packet: av.Packet[Stream]) -> VideoFrame | AudioFrame | None:
    try:
        frames = [frame for frame in packet.decode() if isinstance(frame, (VideoFrame, AudioFrame))]
    except (av.FFmpegError, ValueError):
        return None
    return next((frame for frame in frames if not frame.is_corrupt), None)


def _nominal_rate(stream: VideoStream) -> Fraction | None:
    """Pictures a second, or None: files of variable rate may state the rate of their clock."""
    rates = (stream.average_rate, stream.guessed_rate)
    return next((Fraction(rate) for rate in rates if rate and rate <= MAX_RATE), None)


def _info(stream: Stream) -> StreamInfo:
    context = stream.codec_context
    if isinstance(stream, VideoStream):
        return StreamInfo(
            kind=Kind.VIDEO,
            codec=context.codec.canonical_name,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=_nominal_rate(stream),
        )
    assert isinstance(stream, AudioStream)  # noqa: S101 - only these two kinds are candidates
    return StreamInfo(
        kind=Kind.AUDIO,
        codec=context.codec.canonical_name,
        rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
    )
