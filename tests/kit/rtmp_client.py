"""What an encoder says by RTMP, byte by byte: written from the specification, apart from what the product writes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

NAME, KEY = "screen", "a-stream-key"
HANDSHAKE = b"\x03" + bytes(range(256)) * 6 + bytes(1536)


def text(value: str) -> bytes:
    data = value.encode()
    return b"\x02" + struct.pack(">H", len(data)) + data


def number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def fields(**values: bytes) -> bytes:
    """An object."""
    named = b"".join(struct.pack(">H", len(name)) + name.encode() + value for name, value in values.items())
    return b"\x03" + named + b"\x00\x00\x09"


def chunked(body: bytes, kind: int, *, at: int = 0, stream: int = 0, number: int = 3, size: int = 128) -> bytes:
    """A message in chunks, the first with a whole header; time stamps of 2²⁴ ms and more take four bytes in each."""
    late = struct.pack(">I", at) if at >= 0xFFFFFF else b""
    head = min(at, 0xFFFFFF).to_bytes(3, "big") + len(body).to_bytes(3, "big") + bytes([kind])
    said = _basic(0, number) + head + struct.pack("<I", stream) + late + body[:size]
    for begin in range(size, len(body), size):
        said += _basic(3, number) + late + body[begin : begin + size]
    return said


def _basic(form: int, number: int) -> bytes:
    if number < 64:
        return bytes([form << 6 | number])
    if number < 320:
        return bytes([form << 6, number - 64])
    return bytes([form << 6 | 1]) + struct.pack("<H", number - 64)


def command(name: str, *values: bytes, stream: int = 0) -> bytes:
    return chunked(text(name) + b"".join(values), 20, stream=stream)


def asking(name: str = NAME, key: str = KEY) -> bytes:
    """Everything up to the question whether it may send."""
    null = b"\x05"
    return b"".join(
        [
            HANDSHAKE,
            command("connect", number(1), fields(app=text(name), tcUrl=text("rtmp://box/screen"), type=text("x"))),
            command("releaseStream", number(2), null, text(key)),
            command("FCPublish", number(3), null, text(key)),
            command("createStream", number(4), null),
            command("publish", number(5), null, text(key), text("live"), stream=1),
        ]
    )


def media(bodies: Sequence[bytes], *, first_at: int = 0) -> bytes:
    """Pictures, 40 ms apart."""
    return b"".join(chunked(body, 9, at=first_at + 40 * n, stream=1, number=6) for n, body in enumerate(bodies))
