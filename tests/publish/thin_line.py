"""An upload over 64 kbit/s, as the kernel makes it; prints what was complained of meanwhile.

`unshare -n python thin_line.py FOLDER`: one JSON object on stdout, `{"seconds": …, "said": […], "stored": true}`, or
`{"skip": why}`. The server has one network namespace, whoever uploads another; the cable between them is thin in the
upward direction only.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from process.beat import BEAT_ENV
from publish.body import HeldBody
from publish.s3_client import Credentials, S3Client
from publish.s3_store import S3Store
from tests.kit.s3_servers import S3Server, seaweed

DATA = bytes(range(256)) * 800
"""0.2 MB: 26 s at 64 kbit/s."""
SERVER, SENDER = "10.99.0.1", "10.99.0.2"
QUEUE = "5s"
"""What is sent may wait so long in the modem."""


def run(program: str, *arguments: str) -> bool:
    return (
        subprocess.run([shutil.which(program) or program, *arguments], check=False, capture_output=True).returncode == 0
    )


def plug_in(name: str, address: str) -> bool:
    return (
        run("ip", "link", "set", "dev", "lo", "up")
        and run("ip", "addr", "add", f"{address}/24", "dev", name)
        and run("ip", "link", "set", "dev", name, "up")
    )


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Whatever comes, at once, until nothing comes any more."""
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()
    writer.close()


def relay(server: S3Server) -> None:
    """The server listens on loopback only: hand over what arrives by cable."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer), return_exceptions=True)

    async def listen() -> None:
        await (await asyncio.start_server(connected, SERVER, server.port)).serve_forever()

    threading.Thread(target=asyncio.run, args=(listen(),), daemon=True).start()


def serve(folder: Path) -> None:
    """In the server's namespace: start it, and the sender in another."""
    if not run("ip", "link", "set", "dev", "lo", "up"):
        sys.stdout.write(json.dumps({"skip": "no network namespace"}))
        return
    with seaweed(folder) as server:
        pair = server.credentials
        argv = ["unshare", "-n", sys.executable, __file__, "send", str(server.port), pair.access_key, pair.secret_key]
        sender = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdout.readline()  # it is in its own namespace now
        cable = run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", str(sender.pid))
        if not cable or not plug_in("up0", SERVER):
            sender.kill()
            sys.stdout.write(json.dumps({"skip": "this kernel has no cable between namespaces (veth)"}))
            return
        relay(server)
        said, _ = sender.communicate("go\n")
        sys.stdout.write(said)


def send(port: str, access_key: str, secret_key: str) -> None:
    """In the sender's namespace: upload while the line is thin."""
    sys.stdout.write("here\n")
    sys.stdout.flush()
    sys.stdin.readline()
    ear, mouth = os.pipe()
    os.set_blocking(ear, False)
    os.environ[BEAT_ENV] = str(mouth)
    assert plug_in("up1", SENDER)
    credentials = Credentials(access_key, secret_key)
    store = S3Store(S3Client(f"{SERVER}:{port}", "lessons", secure=False, credentials=credentials))
    store.put("warm", HeldBody(b"up"), content_type="video/mp4", cache_control="no-cache")
    if not run("tc", "qdisc", "add", "dev", "up1", "root", "tbf", "rate", "64kbit", "burst", "4kb", "latency", QUEUE):
        sys.stdout.write(json.dumps({"skip": "this kernel makes no line thin (sch_tbf)"}))
        return
    began = time.monotonic()
    store.put("a", HeldBody(DATA), content_type="video/mp4", cache_control="no-cache")
    seconds = time.monotonic() - began
    run("tc", "qdisc", "del", "dev", "up1", "root")
    said = [line.decode() for line in os.read(ear, 65_536).split(b"\n") if line]
    sys.stdout.write(json.dumps({"seconds": seconds, "said": said, "stored": store.get("a") == DATA}))


if __name__ == "__main__":
    send(*sys.argv[2:]) if sys.argv[1] == "send" else serve(Path(sys.argv[1]))
