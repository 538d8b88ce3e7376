"""Cameras that cost nearly nothing: an RTSP server that replays one clip, cut into RTP packets beforehand.

`python -m benchmarks.camera CLIP` prints its port, serves until it is ended, and prints each path that is played with
the instant on CLOCK_MONOTONIC; each path is a camera of its own and begins with the clip's first picture.
RTSP 1.0 (RFC 2326) over TCP with interleaved RTP (RFC 3550), H.264 with FU-A (RFC 6184), AAC-hbr (RFC 3640). Only
what FFmpeg asks for is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.bitstream import BitStreamFilterContext

from benchmarks.outside import ROOT, environment, waited

_PAYLOAD = 1_400
_VIDEO, _AUDIO = 0, 1
_RTP_TYPE = (96, 97)
_REPORT_EVERY_S = 2.0
_START_WITHIN_S = 30.0
_NTP_EPOCH = 2_208_988_800
_FRAGMENTED = 28  # the FU-A type of NAL unit


@dataclass(frozen=True, slots=True)
class Unit:
    """A coded picture or an AAC frame: which stream, seconds from the clip's start, its RTP payloads."""

    stream: int
    at_s: float
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """Everything to be sent, in order, again each `length_s`."""

    units: tuple[Unit, ...]
    length_s: float
    parameter_sets: tuple[bytes, bytes]
    audio_rate: int
    audio_channels: int
    audio_config: bytes

    @classmethod
    def read(cls, path: Path) -> Clip:
        """A file with H.264 that begins with a key frame, and AAC."""
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            annex_b = BitStreamFilterContext("h264_mp4toannexb", video)
            units: list[Unit] = []
            sets: dict[int, bytes] = {}
            for packet in container.demux(video, audio):
                if packet.pts is None or packet.time_base is None:
                    continue
                at = float(packet.pts * packet.time_base)
                if packet.stream is audio:
                    units.append(Unit(_AUDIO, at, (_audio_payload(bytes(packet)),)))
                    continue
                for filtered in annex_b.filter(packet):
                    nals = _nal_units(bytes(filtered))
                    for nal in nals:
                        sets.setdefault(nal[0] & 31, nal)
                    units.append(Unit(_VIDEO, at, tuple(p for nal in nals for p in _video_payloads(nal))))
            fps = video.average_rate
            assert fps is not None  # noqa: S101 - the clip is this program's own
            pictures = sum(unit.stream == _VIDEO for unit in units)
            codec = audio.codec_context
            return cls(
                units=tuple(sorted(units, key=lambda unit: unit.at_s)),
                length_s=pictures / float(fps),
                parameter_sets=(sets[7], sets[8]),
                audio_rate=codec.rate,
                audio_channels=codec.layout.nb_channels,
                audio_config=bytes(codec.extradata or b""),
            )

    @property
    def rates(self) -> tuple[int, int]:
        """RTP clock rates of picture and sound."""
        return 90_000, self.audio_rate

    def description(self) -> str:
        sets = ",".join(base64.b64encode(nal).decode() for nal in self.parameter_sets)
        profile = self.parameter_sets[0][1:4].hex()
        return "\r\n".join(
            [
                "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
                "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000",
                f"a=fmtp:96 packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}",
                "a=control:trackID=0",
                "m=audio 0 RTP/AVP 97", f"a=rtpmap:97 MPEG4-GENERIC/{self.audio_rate}/{self.audio_channels}",
                "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
                f"indexdeltalength=3;config={self.audio_config.hex()}",
                "a=control:trackID=1", "",
            ]
        )  # fmt: skip


def _nal_units(annex_b: bytes) -> list[bytes]:
    return [part for part in annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def _video_payloads(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= _PAYLOAD:
        yield nal
        return
    indicator, kind = (nal[0] & 0xE0) | _FRAGMENTED, nal[0] & 0x1F
    starts = range(1, len(nal), _PAYLOAD)
    for start in starts:
        edge = (0x80 if start == 1 else 0) | (0x40 if start == starts[-1] else 0)
        yield bytes([indicator, edge | kind]) + nal[start : start + _PAYLOAD]


def _audio_payload(data: bytes) -> bytes:
    return struct.pack(">HH", 16, len(data) << 3) + data


@dataclass(slots=True)
class _Channel:
    """One stream to one client: its interleaved channel number and what its RTP headers count."""

    number: int
    stream: int
    sequence: int = 0
    packets: int = 0
    octets: int = 0
    report_due_s: float = 0.0

    def framed(self, unit: Unit, stamp: int) -> bytes:
        parts = []
        last = len(unit.payloads) - 1
        for index, payload in enumerate(unit.payloads):
            marker = 0x80 if index == last else 0
            parts.append(
                struct.pack(
                    ">cBHBBHII", b"$", self.number, 12 + len(payload), 0x80, marker | _RTP_TYPE[self.stream],
                    self.sequence, stamp, self.stream + 1,
                )
            )  # fmt: skip
            parts.append(payload)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.packets += 1
            self.octets += len(payload)
        return b"".join(parts)

    def report(self, stamp: int) -> bytes:
        wall = time.time() + _NTP_EPOCH
        return struct.pack(
            ">cBHBBHIIIIII", b"$", self.number + 1, 28, 0x80, 200, 6, self.stream + 1, int(wall) & 0xFFFFFFFF,
            int(wall % 1 * 2**32), stamp, self.packets, self.octets & 0xFFFFFFFF,
        )  # fmt: skip


@dataclass(slots=True)
class _Client:
    clip: Clip
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    channels: dict[int, _Channel] = field(default_factory=dict)

    async def serve(self) -> None:
        sending: asyncio.Task[None] | None = None
        try:
            while True:
                method, url, fields = await self._request()
                self.writer.write(self._reply(method, url, fields))
                if method == "PLAY" and sending is None:
                    print(urlsplit(url).path.strip("/"), time.monotonic(), flush=True)
                    sending = asyncio.create_task(self._send())
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if sending is not None:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await sending
            self.writer.close()

    async def _request(self) -> tuple[str, str, dict[str, str]]:
        while (first := await self.reader.readexactly(1)) == b"$":  # receiver reports
            _, length = struct.unpack(">BH", await self.reader.readexactly(3))
            await self.reader.readexactly(length)
        lines = (first + await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, url, _ = lines[0].split(" ")
        return method, url, dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)

    def _reply(self, method: str, url: str, fields: dict[str, str]) -> bytes:
        extra, body = "Session: 1\r\n", ""
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif method == "DESCRIBE":
            body, extra = self.clip.description(), f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            found = re.search(r"interleaved=(\d+)", fields["transport"])
            number, stream = int(found.group(1)) if found else 0, int(url[-1])
            self.channels[stream] = _Channel(number, stream)
            extra += f"Transport: RTP/AVP/TCP;unicast;interleaved={number}-{number + 1}\r\n"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"RTSP/1.0 200 OK\r\nCSeq: {fields['cseq']}\r\n{extra}{length}\r\n{body}".encode()

    async def _send(self) -> None:
        start, turn = time.monotonic(), 0
        while True:
            for unit in self.clip.units:
                at_s = unit.at_s + turn * self.clip.length_s
                if (early := start + at_s - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                if (channel := self.channels.get(unit.stream)) is not None:
                    stamp = int(at_s * self.clip.rates[unit.stream]) & 0xFFFFFFFF
                    if at_s >= channel.report_due_s:
                        channel.report_due_s = at_s + _REPORT_EVERY_S
                        self.writer.write(channel.report(stamp))
                    self.writer.write(channel.framed(unit, stamp))
                    await self.writer.drain()
            turn += 1


async def serve(clip: Clip, port: int) -> None:
    """Serve until cancelled; the port is the first line on stdout."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Client(clip, reader, writer).serve()

    server = await asyncio.start_server(client, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Cameras:
    """A server in a process of its own; `url` is `rtsp://127.0.0.1:PORT`, to which a path is to be added."""

    url: str
    said: Path

    def played_s(self, path: str) -> float | None:
        """When a path was first played, in seconds of CLOCK_MONOTONIC."""
        for line in self.said.read_text().splitlines()[1:]:
            played, _, at = line.rpartition(" ")
            if played == path:
                return float(at)
        return None


@contextmanager
def cameras(clip: Path) -> Iterator[Cameras]:
    """Cameras that show `clip`; what the server says is kept beside it. Raises `RuntimeError` when it says nothing."""
    said = clip.with_suffix(".said")
    argv = [sys.executable, "-P", "-m", "benchmarks.camera", str(clip)]
    with said.open("wb") as out:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=out)
    try:
        if not waited(lambda: said.read_text().endswith("\n"), _START_WITHIN_S):
            raise RuntimeError("the cameras did not start")
        yield Cameras(f"rtsp://127.0.0.1:{int(said.read_text())}", said)
    finally:
        process.terminate()
        process.wait(_START_WITHIN_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a clip."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.camera", description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Clip.read(options.clip), options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
