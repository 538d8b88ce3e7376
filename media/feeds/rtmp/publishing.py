"""What an encoder and a server say to each other before pictures come, and while they do. Pure: bytes in, bytes out.

handshake → connect (NAME) → … → publish (key) → granted → media → deleteStream. Nothing of it is answered beyond the
`publish` before it is granted, and no encoder sends media before that answer.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from enum import Enum, auto

from media.feeds.rtmp.amf import RtmpError, Value, first_text, read_values, written
from media.feeds.rtmp.chunks import DEFAULT_CHUNK, ChunkReader, Message, Type, chunks

VERSION = b"\x03"
HANDSHAKE = 1536
MOST_BEFORE = 16_384
"""Bytes of a command: encoders' have some hundreds."""
MOST_MEDIA = 8_000_000
"""Bytes of one picture: as large as one can be that is worth recording."""
WINDOW = 2_500_000
"""Bytes after which either side says what has come, as encoders set it by themselves."""
CHUNK = 65_536
"""Of what we say; encoders of libav then cut theirs so, too."""
_STREAM = 1
_PING, _PONG = 6, 7
_FAREWELLS = frozenset({"deleteStream", "closeStream", "FCUnpublish"})
_DYNAMIC = b"\x02"


class SenderRefusedError(RtmpError):
    """A sender that may not send here. The message says why, and nothing that it said."""


class TalkPhase(Enum):
    """How far it has come."""

    HELLO = auto()
    ECHO = auto()
    COMMANDS = auto()
    ASKED = auto()  # it named the right key, and waits for the answer
    GRANTED = auto()
    OVER = auto()


class Publishing:
    """One sender's conversation. `name`, `key`: what it must say; the key is compared in constant time.

    Where a key with a slash is written behind the address, encoders disagree about where the name ends: both are
    compared as a whole.
    """

    def __init__(self, name: str, key: str) -> None:
        self._name, self._path = name, f"{name}/{key}".encode()
        self._hello = bytearray()
        self._chunks = ChunkReader(MOST_BEFORE)
        self._out = bytearray()
        self._out_chunk = DEFAULT_CHUNK
        self._came = self._said = 0
        self._app = ""
        self.phase = TalkPhase.HELLO

    def to_send(self) -> bytes:
        """What is to be said now; it is handed out once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def receive(self, data: bytes) -> None:
        """Take what came, and go on as far as it leads, at most until the sender asks for its answer.

        Raises `RtmpError` for what is no RTMP, `SenderRefusedError` for another name or key (`to_send`: the reply).
        """
        self._came += len(data)
        if self.phase in {TalkPhase.HELLO, TalkPhase.ECHO}:
            data = self._shake_hands(data)
        self._chunks.add(data)
        if self.phase is TalkPhase.COMMANDS:
            self._obey_until(TalkPhase.ASKED)
        self._acknowledge()

    def _obey_until(self, phase: TalkPhase) -> None:
        for message in self._chunks.messages():
            self._obey(message)
            if self.phase is phase:
                return

    def grant(self) -> None:
        """Answer the sender that asked: it may send."""
        self.phase = TalkPhase.GRANTED
        self._chunks.most_bytes = MOST_MEDIA
        self._status("status", "NetStream.Publish.Start", "welcome")

    def deny(self, why: str) -> None:
        """Answer it that it may not."""
        self.phase = TalkPhase.OVER
        self._status("error", "NetStream.Publish.BadName", why)

    def media(self) -> Iterator[Message]:
        """Sound, pictures and what is said of them, once it was granted. Raises `RtmpError`."""
        coming = self._chunks.messages()
        while self.phase is TalkPhase.GRANTED and (message := next(coming, None)):
            if message.type in {Type.AUDIO, Type.VIDEO, Type.DATA}:
                yield message
            else:
                self._obey(message)

    def _shake_hands(self, data: bytes) -> bytes:
        """The simple handshake; what comes after it."""
        self._hello += data
        if self._hello and not self._hello.startswith(VERSION):
            raise RtmpError("this is no RTMP")
        if self.phase is TalkPhase.HELLO and len(self._hello) > HANDSHAKE:
            hello = bytes(self._hello[1 : 1 + HANDSHAKE])
            self._out += VERSION + bytes(HANDSHAKE) + hello
            self.phase = TalkPhase.ECHO
        if self.phase is TalkPhase.ECHO and len(self._hello) > 2 * HANDSHAKE:
            self.phase = TalkPhase.COMMANDS
            return bytes(self._hello[1 + 2 * HANDSHAKE :])
        return b""

    def _acknowledge(self) -> None:
        if self._came - self._said >= WINDOW:
            self._said = self._came
            self._say(Type.ACKNOWLEDGEMENT, (self._came & 0xFFFFFFFF).to_bytes(4, "big"), number=2)

    def _obey(self, message: Message) -> None:
        if message.type == Type.COMMAND:
            self._command(read_values(message.body))
        elif message.type == Type.USER_CONTROL and int.from_bytes(message.body[:2], "big") == _PING:
            self._say(Type.USER_CONTROL, _PONG.to_bytes(2, "big") + message.body[2:6], number=2)

    def _command(self, values: list[Value]) -> None:
        match values:
            case ["connect", float() as call, dict() as wish, *_]:
                self._connect(call, wish.get("app"))
            case ["createStream", float() as call, *_]:
                self._say(Type.COMMAND, written("_result", call, None, float(_STREAM)))
            case ["publish", float(), _, str() as key, *_]:
                self._publish(key)
            case [str() as farewell, *_] if farewell in _FAREWELLS and self.phase is TalkPhase.GRANTED:
                self.phase = TalkPhase.OVER
            case ["play" | "play2", *_]:
                raise SenderRefusedError("it wants to watch, and there is nothing to watch here")
            case ["releaseStream" | "FCPublish" | "_checkbw", float() as call, *_]:
                self._say(Type.COMMAND, written("_result", call, None, None))

    def _connect(self, call: float, app: Value) -> None:
        app = app.strip("/") if isinstance(app, str) else ""
        if app.partition("/")[0] != self._name:
            about = {
                "level": "error",
                "code": "NetConnection.Connect.Rejected",
                "description": "another name is wanted",
            }
            self._say(Type.COMMAND, written("_error", call, None, about))
            raise SenderRefusedError("it names another source: the server ends with the wrong name")
        self._app = app
        self._say(Type.WINDOW_SIZE, WINDOW.to_bytes(4, "big"), number=2)
        self._say(Type.PEER_BANDWIDTH, WINDOW.to_bytes(4, "big") + _DYNAMIC, number=2)
        self._say(Type.SET_CHUNK_SIZE, CHUNK.to_bytes(4, "big"), number=2)
        self._out_chunk = CHUNK
        server: dict[str, float | str] = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}
        about = {"level": "status", "code": "NetConnection.Connect.Success", "description": "connected"}
        self._say(Type.COMMAND, written("_result", call, server, {**about, "objectEncoding": 0.0}))

    def _publish(self, key: str) -> None:
        if self.phase is TalkPhase.GRANTED:
            raise RtmpError("it wants to send twice")
        if not hmac.compare_digest(f"{self._app}/{key}".encode(), self._path):
            self.deny("wrong stream key")
            raise SenderRefusedError("wrong stream key")
        self.phase = TalkPhase.ASKED

    def _status(self, level: str, code: str, words: str) -> None:
        about = {"level": level, "code": code, "description": words}
        self._say(Type.COMMAND, written("onStatus", 0.0, None, about), stream=_STREAM)

    def _say(self, kind: Type, body: bytes, *, stream: int = 0, number: int = 3) -> None:
        self._out += chunks(Message(kind, 0, stream, body), self._out_chunk, number)


FLV_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


def flv_tag(message: Message) -> bytes:
    """A message as a tag of an FLV file (Adobe's "Video File Format" 10, annex E), with its length behind it.

    Of what is said of the media, the command that it be kept is left away.
    """
    body = message.body
    if message.type == Type.DATA:
        text, end = first_text(body)
        body = body[end:] if text == "@setDataFrame" else body
    at = message.at
    head = bytes([message.type]) + len(body).to_bytes(3, "big") + (at & 0xFFFFFF).to_bytes(3, "big")
    tag = head + bytes([at >> 24, 0, 0, 0]) + body
    return tag + len(tag).to_bytes(4, "big")
