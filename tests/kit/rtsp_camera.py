"""A network camera: RTSP with real RTP over TCP, H.264 and AAC, paced in real time, with faults to order.

RTSP 1.0 (RFC 2326), interleaved RTP (RFC 3550), H.264 payload with FU-A (RFC 6184), AAC-hbr payload (RFC 3640).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.camera_content import AAC_FRAME, AccessUnit, Content, content, nal_units

_MAX_PAYLOAD = 1_400
_VIDEO_TYPE, _AUDIO_TYPE = 96, 97
_VIDEO_RATE = 90_000
_NTP_EPOCH = 2_208_988_800
_PARAMETER_SETS = {7, 8}
"""NAL unit types of H.264."""
_BOTH: Ticks = 15_360
"""A picture at 25 fps and an AAC frame end together each 0.32 s."""
_REPORT_EVERY: Ticks = 2 * TICKS_PER_SECOND


@dataclass
class Faults:
    """What is wrong with the camera; may be changed while it runs."""

    silent: bool = False  # takes connections, answers nothing
    stalled: bool = False  # sends nothing any more, keeps the connection
    frozen: set[Kind] = field(default_factory=set)  # sends nothing of these streams
    stuck: set[Kind] = field(default_factory=set)  # sends nothing of these to the first who connected
    jump: Ticks = 0  # added to all time stamps
    jumps: dict[Kind, Ticks] = field(default_factory=dict)  # added to those of one stream
    no_reports: bool = False  # sends no RTCP, by which receivers see through a jump
    clock_rate: float = 1.0  # speed of its clock against ours


@dataclass
class _Channel:
    number: int
    sequence: int = field(default_factory=lambda: secrets.randbelow(65_536))
    ssrc: int = field(default_factory=lambda: secrets.randbits(32))
    offset: int = field(default_factory=lambda: secrets.randbits(31))
    packets: int = 0
    octets: int = 0
    next_report: Ticks = 0


class RtspCamera:
    """A camera in a thread of its own. `port` stays the same over `stop` and `start`; `plays` counts PLAY requests,
    and `began` says when its content began for the newest of them (CLOCK_MONOTONIC, seconds).

    `joined_at`: who connects gets the content from there on, as from most cameras, not from its first key frame.
    `taciturn`: what its pictures are like is said nowhere but in its key frames; `terse`: nowhere but at first.
    """

    def __init__(
        self,
        *,
        credentials: tuple[str, str] | None = None,
        shown: Content | None = None,
        joined_at: Ticks = 0,
        taciturn: bool = False,
        terse: bool = False,
    ) -> None:
        self.faults = Faults()
        self.plays = 0
        self.began = 0.0
        self.port = 0
        self.credentials = credentials
        self._content = shown or content()
        self._joined_at = joined_at
        self._taciturn, self._terse = taciturn, terse
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._halt: asyncio.Event | None = None
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/main"

    def start(self) -> RtspCamera:
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="camera", daemon=True)
        self._thread.start()
        assert self._ready.wait(5), "the camera did not start"
        return self

    def stop(self) -> None:
        """Power off: all connections are reset."""
        if self._thread is not None and self._loop is not None and self._halt is not None:
            self._loop.call_soon_threadsafe(self._halt.set)
            self._thread.join(5)
            self._thread = None

    def show(self, content: Content) -> None:
        """Show something else from now on, coded alike."""
        assert (content.sps, content.pps) == (self._content.sps, self._content.pps)
        self._content = content

    def drop_connections(self) -> None:
        """Reset all connections, and take new ones."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._abort_all)

    def _abort_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self) -> None:
        self._loop, self._halt = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", self.port, reuse_address=True)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._halt.wait()
        server.close()
        self._abort_all()
        if self._clients:
            await asyncio.wait(self._clients, timeout=2)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        self._writers.add(writer)
        channels: dict[Kind, _Channel] = {}
        sending: asyncio.Task[None] | None = None
        try:
            while True:
                request = await self._request(reader)
                while self.faults.silent and not writer.is_closing():  # noqa: ASYNC110 - set from other threads
                    await asyncio.sleep(0.05)
                writer.write(self._reply(request, channels))
                await writer.drain()
                if request.method == "PLAY" and sending is None:
                    self.plays += 1
                    sending = asyncio.create_task(self._send(writer, channels, first=self.plays == 1))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if sending is not None:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await sending
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    async def _request(reader: asyncio.StreamReader) -> _Request:
        while (first := await reader.readexactly(1)) == b"$":  # receiver reports
            _, length = struct.unpack(">BH", await reader.readexactly(3))
            await reader.readexactly(length)
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        method, url, _ = lines[0].split(" ")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        authorization = re.search(r"(?mi)^authorization: (.*?)\r?$", head)
        return _Request(method, url, fields, authorization.group(1) if authorization else "")

    def _reply(self, request: _Request, channels: dict[Kind, _Channel]) -> bytes:
        status, extra, body = "200 OK", "", ""
        if not self._may(request):
            status, extra = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif request.method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif request.method == "DESCRIBE":
            body, extra = self._description(), f"Content-Base: {request.url}/\r\nContent-Type: application/sdp\r\n"
        elif request.method == "SETUP":
            channel = re.search(r"interleaved=(\d+)", request.fields["transport"])
            assert channel is not None, "this camera speaks TCP only"
            kind = Kind.VIDEO if request.url.endswith("0") else Kind.AUDIO
            channels[kind] = _Channel(int(channel.group(1)))
            extra = (
                f"Transport: RTP/AVP/TCP;unicast;interleaved={channel.group(1)}-{int(channel.group(1)) + 1}\r\n"
                "Session: 1\r\n"
            )
        else:
            extra = "Session: 1\r\n"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"RTSP/1.0 {status}\r\nCSeq: {request.fields['cseq']}\r\n{extra}{length}\r\n{body}".encode()

    def _may(self, request: _Request) -> bool:
        if self.credentials is None or request.method == "OPTIONS":
            return True
        return request.authorization == "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()

    def _description(self) -> str:
        shown = self._content
        sets = ",".join(base64.b64encode(nal).decode() for nal in (shown.sps, shown.pps))
        described = f";profile-level-id={shown.sps[1:4].hex()};sprop-parameter-sets={sets}"
        heard = any(unit.kind is Kind.AUDIO for unit in shown.units)
        sound = [
            f"m=audio 0 RTP/AVP {_AUDIO_TYPE}", f"a=rtpmap:{_AUDIO_TYPE} MPEG4-GENERIC/{TICKS_PER_SECOND}/1",
            f"a=fmtp:{_AUDIO_TYPE} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            f"indexdeltalength=3;config={shown.audio_config.hex()}",
            "a=control:trackID=1",
        ]  # fmt: skip
        return "\r\n".join(
            [
                "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
                f"m=video 0 RTP/AVP {_VIDEO_TYPE}", f"a=rtpmap:{_VIDEO_TYPE} H264/{_VIDEO_RATE}",
                f"a=fmtp:{_VIDEO_TYPE} packetization-mode=1{'' if self._taciturn else described}",
                "a=framerate:25", "a=control:trackID=0",
                *(sound if heard else []), "",
            ]
        )  # fmt: skip

    async def _send(self, writer: asyncio.StreamWriter, channels: dict[Kind, _Channel], *, first: bool) -> None:
        start = time.monotonic()
        self.began = start - self._joined_at / TICKS_PER_SECOND
        for unit in self._from_now_on():
            due = start + (_complete(unit) - self._joined_at) / TICKS_PER_SECOND / self.faults.clock_rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            frozen = self.faults.frozen | (self.faults.stuck if first else set())
            if self.faults.stalled or unit.kind in frozen or unit.kind not in channels:
                continue
            channel = channels[unit.kind]
            at = unit.at + self.faults.jump + self.faults.jumps.get(unit.kind, 0)
            if unit.at >= channel.next_report and not self.faults.no_reports:
                channel.next_report = unit.at + _REPORT_EVERY
                filmed = time.time() - (time.monotonic() - due)  # a busy machine sends late what was filmed in time
                writer.write(_sender_report(channel, unit.kind, at + _complete(unit) - unit.at, filmed))
            for packet in _rtp_packets(channel, self._worded(unit), at):
                writer.write(packet)
            await writer.drain()

    def _worded(self, unit: AccessUnit) -> AccessUnit:
        """The unit as this camera sends it."""
        if not self._terse or unit.kind is Kind.AUDIO:
            return unit
        kept = [nal for nal in nal_units(unit.data) if nal[0] & 31 not in _PARAMETER_SETS]
        return replace(unit, data=b"".join(b"\0\0\0\1" + nal for nal in kept))

    def _from_now_on(self) -> Iterator[AccessUnit]:
        """The content round after round, another one as soon as it is shown; times go on."""
        begin, join_at = 0, self._joined_at
        while True:
            shown, end = self._content, 0
            for unit in sorted(shown.units, key=_complete):
                if self._content is not shown:
                    break
                end = -(-_complete(unit) // _BOTH) * _BOTH
                if unit.at >= join_at:
                    yield AccessUnit(unit.kind, begin + unit.at, unit.data, unit.key)
            else:
                end = shown.length
            begin, join_at = begin + end, 0


def _complete(unit: AccessUnit) -> Ticks:
    """When there is all of a unit: sound can be sent only after its last sample."""
    return unit.at + (AAC_FRAME if unit.kind is Kind.AUDIO else 0)


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    fields: dict[str, str]
    authorization: str


def _timestamp(channel: _Channel, kind: Kind, at: Ticks) -> int:
    rate = _VIDEO_RATE if kind is Kind.VIDEO else TICKS_PER_SECOND
    return (channel.offset + at * rate // TICKS_PER_SECOND) & 0xFFFFFFFF


def _framed(channel: int, data: bytes) -> bytes:
    return b"$" + struct.pack(">BH", channel, len(data)) + data


def _sender_report(channel: _Channel, kind: Kind, at: Ticks, filmed: float) -> bytes:
    wall = filmed + _NTP_EPOCH
    report = struct.pack(
        ">BBHIIIIII", 0x80, 200, 6, channel.ssrc, int(wall) & 0xFFFFFFFF, int(wall % 1 * 2**32),
        _timestamp(channel, kind, at), channel.packets, channel.octets & 0xFFFFFFFF,
    )  # fmt: skip
    return _framed(channel.number + 1, report)


def _rtp_packets(channel: _Channel, unit: AccessUnit, at: Ticks) -> Iterator[bytes]:
    payloads = list(_video_payloads(unit.data)) if unit.kind is Kind.VIDEO else [_audio_payload(unit.data)]
    payload_type = _VIDEO_TYPE if unit.kind is Kind.VIDEO else _AUDIO_TYPE
    for index, payload in enumerate(payloads):
        marker = 0x80 if index == len(payloads) - 1 else 0
        head = struct.pack(
            ">BBHII", 0x80, marker | payload_type, channel.sequence, _timestamp(channel, unit.kind, at), channel.ssrc
        )
        channel.sequence = (channel.sequence + 1) & 0xFFFF
        channel.packets += 1
        channel.octets += len(payload)
        yield _framed(channel.number, head + payload)


def _audio_payload(data: bytes) -> bytes:
    return struct.pack(">HH", 16, len(data) << 3) + data


def _video_payloads(annex_b: bytes) -> Iterator[bytes]:
    for nal in nal_units(annex_b):
        if len(nal) <= _MAX_PAYLOAD:
            yield nal
            continue
        indicator, kind = (nal[0] & 0xE0) | 28, nal[0] & 0x1F
        pieces = [nal[i : i + _MAX_PAYLOAD] for i in range(1, len(nal), _MAX_PAYLOAD)]
        for index, piece in enumerate(pieces):
            edge = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
            yield bytes([indicator, edge | kind]) + piece
