"""What a media file holds, found out by decoding the beginning of it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lesson.errors import MediaError, UnusableMediaError
from lesson.model import Kind, StreamInfo
from lesson.time import TICKS_PER_SECOND, Ticks
from media.streams import candidates, open_media, stream_start

DEADLINE_S = 10.0
"""Longest search for a first frame of each kind."""
MAX_PACKETS = 2_000
"""Packets read in that search: more than half a minute of pictures and sound."""


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
    try:
        container = open_media(path)
    except MediaError as error:
        raise UnusableMediaError(str(error)) from error
    with closing(container):
        if _is_still(container):
            raise UnusableMediaError(f"{path}: a still picture, not a recording")
        wanted = [stream for kind in Kind for stream in candidates(container, kind)]
        if not wanted:
            raise UnusableMediaError(f"{path}: holds neither video nor audio")
        alive = _alive(container, wanted)
        used = [next((s for s in candidates(container, kind) if s.index in alive), None) for kind in Kind]
        streams = [stream for stream in used if stream is not None]
        if not streams:
            raise UnusableMediaError(f"{path}: nothing in it can be decoded; it is damaged, or cut off at its start")
        starts = [start for stream in streams if (start := stream_start(stream)) is not None]
        duration = container.duration or 0
        return Probe(
            path=path,
            format=container.format.name,
            start=min(starts, default=0),
            duration=duration * TICKS_PER_SECOND // av.time_base if duration > 0 else None,
            streams=tuple(_info(stream) for stream in streams),
            indexes=tuple(stream.index for stream in streams),
        )


def _is_still(container: InputContainer) -> bool:
    """Whether this is a picture file: libavformat takes those, and text, for films of one frame."""
    name = container.format.name
    return name.endswith("_pipe") or name in {"image2", "tty"}


def _alive(container: InputContainer, wanted: list[Stream]) -> set[int]:
    """Indexes of the streams that gave a frame before the best one of each kind did, or the search was given up."""
    for stream in wanted:
        stream.codec_context.thread_count = 1
    goal = {next(s.index for s in wanted if s.type == kind) for kind in {s.type for s in wanted}}
    alive: set[int] = set()
    give_up = time.monotonic() + DEADLINE_S
    try:
        for number, packet in enumerate(container.demux(*wanted)):
            if packet.stream.index not in alive and _decodes(packet):
                alive.add(packet.stream.index)
            if goal <= alive or number >= MAX_PACKETS or time.monotonic() > give_up:
                break
    except (av.FFmpegError, OSError):  # what was found before the damage counts
        pass
    return alive


def _decodes(packet: av.Packet[Stream]) -> bool:
    try:
        return any(not frame.is_corrupt for frame in packet.decode() if isinstance(frame, (VideoFrame, AudioFrame)))
    except (av.FFmpegError, ValueError):
        return False


def _info(stream: Stream) -> StreamInfo:
    context = stream.codec_context
    if isinstance(stream, VideoStream):
        return StreamInfo(
            kind=Kind.VIDEO,
            codec=context.codec.canonical_name,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=stream.average_rate or stream.guessed_rate,
        )
    assert isinstance(stream, AudioStream)  # noqa: S101 - only these two kinds are candidates
    return StreamInfo(
        kind=Kind.AUDIO,
        codec=context.codec.canonical_name,
        rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
    )
