"""What an encoder sends to this machine, as a feed: RTMP is received here, and given to libav as FLV.

libav's own RTMP server lets anybody in who knows the port, whatever stream key is named, and serves one connection in
its life (docs/adr/0029-pushed-streams.md).
"""

from __future__ import annotations

import time

from lesson.errors import SourceLostError
from lesson.loss import Loss
from lesson.source_fault import SourceFault
from media.feeds.live_feed import Device, LiveFeed
from media.feeds.rtmp.amf import RtmpError
from media.feeds.rtmp.door import Sender, door_at
from media.feeds.rtmp.publishing import FLV_HEADER, TalkPhase, flv_tag

WAIT_S = 4.0
"""For a sender; below `capture.connection.CLOSE_PATIENCE_S`, so that opening ends soon when it must."""
SILENT_S = 4.0
"""Without sound or pictures; below `media.feeds.live_feed.STALL_S`, so that a silent sender is hung up on."""
_READ_BYTES = 65_536


class FlvStream:
    """The sender's media as libav reads a file: `read` gives what is there, and waits where there is nothing.

    Raises `SourceLostError` where nothing comes any more, or what makes no sense.
    """

    def __init__(self, name: str, sender: Sender) -> None:
        self._name = name
        self._sender = sender
        self._tags = bytearray(FLV_HEADER)
        self._heard = time.monotonic()
        self._ended = False
        self._take(b"")  # what it said behind its last question

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._tags and not self._ended:
            try:
                self._more()
            except SourceLostError:
                self._ended = True  # libav reads on, and PyAV keeps one error only
                raise
        part = bytes(self._tags[:size])
        del self._tags[:size]
        return part

    def close(self) -> None:
        """Hang up."""
        self._sender.close()

    def _more(self) -> None:
        left = self._heard + SILENT_S - time.monotonic()
        if left <= 0:
            line = f"{self._name}: connected, but nothing came for {SILENT_S:g} s"
            raise SourceLostError(line, Loss.STALLED, SourceFault.SILENT)
        self._sender.socket.settimeout(left)
        try:
            data = self._sender.socket.recv(_READ_BYTES)
        except TimeoutError:
            return
        except OSError:  # it was ended, or its machine was
            data = b""
        self._ended = not data
        self._take(data)

    def _take(self, data: bytes) -> None:
        talk = self._sender.talk
        try:
            talk.receive(data)
            for message in talk.media():
                self._heard = time.monotonic()
                self._tags += flv_tag(message)
        except RtmpError as error:
            raise SourceLostError(f"{self._name}: {error}", Loss.UNDECODABLE, SourceFault.NO_ANSWER) from error
        self._ended = self._ended or talk.phase is TalkPhase.OVER
        self._sender.say()


def open_pushed(host: str, port: int, name: str, key: str) -> LiveFeed:
    """The feed of whoever sends to `rtmp://host:port/name` with this stream key; waits `WAIT_S` for that.

    Raises `SourceLostError`: nobody sends, a wrong key was named, the port is taken, or nothing comes that can be read.
    """
    door = door_at(host, port, name, key)
    sender = door.sender(WAIT_S)
    options = {
        "fpsprobesize": "0",  # as of a network camera (capture/kinds/rtsp.py)
        "analyzeduration": "1000000",
    }
    try:
        stream = FlvStream(door.label, sender)
        return LiveFeed(Device(name=door.label, url="", format="flv", options=options, stream=stream))
    except BaseException:
        sender.close()
        raise
