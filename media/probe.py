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
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.errors import MediaError, UnusableMediaError
from lesson.model import Kind, StreamInfo
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.streams import candidates, open_media, stream_start

DEADLINE_S = 10.0
"""Longest search for a first frame of each kind."""
MAX_PACKETS = 2_000
"""Packets read in that search: more than half a minute of pictures and sound."""
MAX_RATE = 240
"""No classroom camera gives more pictures a second."""
_MAX_BOXES = 64
_ENDLESS = {S_ISFIFO: "a named pipe", S_ISSOCK: "a socket", S_ISCHR: "a device", S_ISBLK: "a device"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A usable media file.

    `streams`: at most one of each kind, the ones that are used, each decoded at least once; `indexes`: their numbers
    in the file. `start`: least time stamp over these streams as the file declares it. `duration`: length of the whole
    file, None if it does not say.
    """

    path: Path
    format: str
    start: Ticks
    duration: Ticks | None
    streams: tuple[StreamInfo, ...]
    indexes: tuple[int, ...]

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
        raise UnusableMediaError(f"{path}: {_why_unreadable(path, error)}") from error
    with closing(container):
        if _is_still(container):
            raise UnusableMediaError(f"{path}: a still picture or a text, not a recording")
        wanted = [stream for kind in Kind for stream in candidates(container, kind)]
        if not wanted:
            raise UnusableMediaError(f"{path}: holds neither video nor audio")
        first = _first_frames(container, wanted)
        used = [next((s for s in candidates(container, kind) if s.index in first), None) for kind in Kind]
        streams = [stream for stream in used if stream is not None]
        if not streams:
            raise UnusableMediaError(f"{path}: nothing in it can be decoded; it is damaged, or cut off at its start")
        # pictures may be coded in another order than shown: the first one shown can lie before the declared start
        starts = [at for stream in streams for at in (stream_start(stream), first[stream.index]) if at is not None]
        duration = container.duration or 0
        return Probe(
            path=path,
            format=container.format.name,
            start=min(starts, default=0),
            duration=duration * TICKS_PER_SECOND // av.time_base if duration > 0 else None,
            streams=tuple(_info(stream) for stream in streams),
            indexes=tuple(stream.index for stream in streams),
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
    if not isinstance(error.__cause__, (av.error.InvalidDataError, av.error.EOFError)):
        return str(error).removeprefix(f"{path}: ")
    with suppress(OSError):
        if not path.stat().st_size:
            return "the file is empty"
        if _lacks_index(path):
            return "its index (moov) is missing; the recording was cut off before it was finished"
    return "not a media file, or damaged from its start"


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


def _first_frames(container: InputContainer, wanted: list[Stream]) -> dict[int, Ticks | None]:
    """Time of the first frame of each stream, by index; without those that gave none before the search ended.

    The search ends when the best stream of each kind has given one.
    """
    for stream in wanted:
        stream.codec_context.thread_count = 1
    goal = {next(s.index for s in wanted if s.type == kind) for kind in {s.type for s in wanted}}
    first: dict[int, Ticks | None] = {}
    give_up = time.monotonic() + DEADLINE_S
    try:
        for number, packet in enumerate(container.demux(*wanted)):
            frame = None if packet.stream.index in first else _sound_frame(packet)
            if frame is not None:
                at = None if frame.pts is None else ticks_from_pts(frame.pts, packet.time_base)
                first[packet.stream.index] = at
            if goal <= first.keys() or number >= MAX_PACKETS or time.monotonic() > give_up:
                break
    except (av.FFmpegError, OSError, IndexError):  # what was found before the damage counts
        return first
    return first


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
