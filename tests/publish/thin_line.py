"""Run in a network namespace of its own: an upload over 64 kbit/s; prints what was complained of meanwhile.

`python thin_line.py FOLDER`: one JSON object on stdout, `{"seconds": …, "said": […], "stored": true}`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from process.beat import BEAT_ENV
from publish.body import HeldBody
from publish.s3_client import S3Client
from publish.s3_store import S3Store
from tests.kit.s3_servers import seaweed

DATA = bytes(range(256)) * 600
"""0.15 MB: 20 s at 64 kbit/s."""


def run(program: str, *arguments: str) -> bool:
    return (
        subprocess.run([shutil.which(program) or program, *arguments], check=False, capture_output=True).returncode == 0
    )


def main() -> None:
    run("ip", "link", "set", "lo", "mtu", "1500", "up")
    ear, mouth = os.pipe()
    os.set_blocking(ear, False)
    os.environ[BEAT_ENV] = str(mouth)
    with seaweed(Path(sys.argv[1])) as server:
        store = S3Store(S3Client(server.endpoint, "lessons", secure=False, credentials=server.credentials))
        store.put("warm", HeldBody(b"up"), content_type="video/mp4", cache_control="no-cache")
        if not run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "64kbit", "burst", "4kb", "latency", "1s"):
            sys.stdout.write(json.dumps({"skip": "this kernel makes no line thin (sch_tbf)"}))
            return
        began = time.monotonic()
        store.put("a", HeldBody(DATA), content_type="video/mp4", cache_control="no-cache")
        seconds = time.monotonic() - began
        run("tc", "qdisc", "del", "dev", "lo", "root")
        said = [line.decode() for line in os.read(ear, 65_536).split(b"\n") if line]
        stored = store.get("a") == DATA
    sys.stdout.write(json.dumps({"seconds": seconds, "said": said, "stored": stored}))


if __name__ == "__main__":
    main()
