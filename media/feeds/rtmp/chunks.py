"""RTMP's chunk stream (chapter 5.3 of the specification): messages in chunks that lie between each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from media.feeds.rtmp.amf import RtmpError

MOST_STREAMS = 64
"""Chunk streams of one sender; encoders use three."""
DEFAULT_CHUNK = 128
_LATER = b"\xff\xff\xff"
"""A time that does not fit into three bytes: it follows in four."""
_HEADER_BYTES = (11, 7, 3, 0)


class Type(IntEnum):
    """Of a message."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA = 18
    COMMAND = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; `type` perhaps none of `Type`; `at`: its time stamp in ms, which begins anew after 2³²."""

    type: int
    at: int
    stream: int
    body: bytes


@dataclass(slots=True)
class _ChunkStream:
    at: int = 0
    step: int = 0
    length: int = 0
    type: int = 0
    stream: int = 0
    later: bool = False
    known: bool = False
    body: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Puts messages together again, however the bytes come. Holds `most_bytes` of unfinished messages at most."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._data = bytearray()
        self._at = 0
        self._chunk = DEFAULT_CHUNK
        self._streams: dict[int, _ChunkStream] = {}
        self._held = 0

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._data += data

    def messages(self) -> Iterator[Message]:
        """What is whole by now. A message is looked for only once the one before was taken. Raises `RtmpError`."""
        while True:
            read, message = self._one_chunk()
            if not read:
                del self._data[: self._at]
                self._at = 0
                return
            self._at += read
            if message is not None and not self._own(message):
                yield message

    def _own(self, message: Message) -> bool:
        """Obey what is about chunks themselves."""
        if message.type == Type.SET_CHUNK_SIZE:
            self._chunk = int.from_bytes(message.body[:4], "big")
            if not 1 <= self._chunk <= 0x7FFFFFFF or len(message.body) < 4:
                raise RtmpError("a chunk size that is none")
        elif message.type == Type.ABORT:
            aborted = self._streams.get(int.from_bytes(message.body[:4], "big"))
            if aborted is not None:
                self._held -= len(aborted.body)
                aborted.body.clear()
        else:
            return False
        return True

    def _one_chunk(self) -> tuple[int, Message | None]:
        """How many bytes the next chunk has (0: it is not there as a whole), and the message that it ends."""
        data, at = self._data, self._at
        if len(data) == at:
            return 0, None
        form, number = data[at] >> 6, data[at] & 63
        more = number + 1 if number < 2 else 0
        if len(data) <= at + more:
            return 0, None
        if more:
            number = 64 + int.from_bytes(data[at + 1 : at + 1 + more], "little")
        return self._chunk_of(number, form, at + 1 + more)

    def _chunk_of(self, number: int, form: int, at: int) -> tuple[int, Message | None]:
        """As `_one_chunk`, behind the basic header. `form`: how much of the message header there is."""
        data, stream = self._data, self._streams.get(number) or _ChunkStream()
        if form != 0 and not stream.known:
            raise RtmpError("a chunk that goes on from none")
        begin = at + _HEADER_BYTES[form]
        if len(data) < begin:
            return 0, None
        header = bytes(data[at:begin])
        later = header.startswith(_LATER) if form < 3 else stream.later
        length = int.from_bytes(header[3:6], "big") if form < 2 else stream.length
        left = self._left(stream, length)
        end = begin + 4 * later + min(self._chunk, left)
        if len(data) < end:
            return 0, None
        self._keep(number, stream)
        step = int.from_bytes(data[begin : begin + 4] if later else header[:3], "big")
        if not stream.body:
            _begin(stream, form, step, header)
        stream.later, stream.length = later, length
        return end - self._at, self._body(stream, bytes(data[begin + 4 * later : end]))

    def _left(self, stream: _ChunkStream, length: int) -> int:
        """How much of a message of this length is still to come."""
        if stream.body and length != stream.length:
            raise RtmpError("a message that begins within another")
        left = length - len(stream.body)
        if left + self._held > self.most_bytes:
            raise RtmpError("a message that is too long")
        return left

    def _keep(self, number: int, stream: _ChunkStream) -> None:
        self._streams[number] = stream
        if len(self._streams) > MOST_STREAMS:
            raise RtmpError("too many chunk streams")

    def _body(self, stream: _ChunkStream, part: bytes) -> Message | None:
        stream.body += part
        self._held += len(part)
        if len(stream.body) < stream.length:
            return None
        message = Message(stream.type, stream.at, stream.stream, bytes(stream.body))
        self._held -= len(stream.body)
        stream.body.clear()
        return message


def _begin(stream: _ChunkStream, form: int, step: int, header: bytes) -> None:
    """A new message of a chunk stream; what its header does not say is as in the one before."""
    stream.known = True
    if form == 0:
        stream.at = step
        stream.stream = int.from_bytes(header[7:11], "little")
    else:
        stream.at += step if form < 3 else stream.step
    stream.at &= 0xFFFFFFFF
    if form < 3:
        stream.step = step
    if form < 2:
        stream.type = header[6]


def chunks(message: Message, chunk: int, number: int = 3) -> bytes:
    """A message as chunks of `chunk` bytes. For what a server says: short, at time stamps of three bytes."""
    header = message.at.to_bytes(3, "big") + len(message.body).to_bytes(3, "big") + bytes([message.type])
    parts = [message.body[n : n + chunk] for n in range(0, len(message.body), chunk)] or [b""]
    first = bytes([number]) + header + message.stream.to_bytes(4, "little") + parts[0]
    return first + b"".join(bytes([0xC0 | number]) + part for part in parts[1:])
