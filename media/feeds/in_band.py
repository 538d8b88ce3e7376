"""What a coded picture says of its own stream: some cameras describe theirs nowhere but in their key frames."""

from __future__ import annotations

import io
from contextlib import suppress

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

_FORMATS = {"h264": "h264", "hevc": "hevc"}
"""Codecs that carry their parameter sets with their pictures, and libav's name of a bare stream of them."""


def may_describe_itself(stream: Stream) -> bool:
    """Whether a key frame of the stream may tell what the stream is like."""
    return stream.codec_context is not None and stream.codec_context.codec.canonical_name in _FORMATS


def described_by(packet: Packet[Stream]) -> VideoStream | None:
    """The stream that begins with this coded picture, as a muxer may copy it; None if it does not tell.

    The picture is Annex B, as network cameras' are; the parameter sets are its own, or those that were announced.
    """
    context = packet.stream.codec_context
    coded = (context.extradata or b"") + bytes(packet)
    with suppress(av.FFmpegError):
        described = av.open(io.BytesIO(coded), format=_FORMATS[context.codec.canonical_name]).streams.video[0]
        if described.codec_context.width and described.codec_context.extradata:
            return described
    return None
