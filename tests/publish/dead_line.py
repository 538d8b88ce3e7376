"""Run in a network namespace of its own: takes the line down in the middle of an upload and prints what came of it.

`python dead_line.py FOLDER`: one JSON object on stdout, `{"seconds": …, "error": …, "again": true}`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from lesson.errors import StoreError
from publish.body import HeldBody
from publish.s3_client import S3Client
from publish.s3_store import S3Store
from tests.kit.bad_proxy import BadProxy
from tests.kit.s3_servers import seaweed

TIMEOUT_S = 2.0
REPLY_S = 120.0


def line(state: str) -> None:
    """Take the loopback device up or down."""
    ip = shutil.which("ip") or "ip"
    subprocess.run([ip, "link", "set", "lo", state], check=True)


def put(store: S3Store, data: bytes) -> None:
    store.put("a", HeldBody(data), content_type="video/mp4", cache_control="no-cache")


def main() -> None:
    line("up")
    with seaweed(Path(sys.argv[1])) as server, BadProxy(server.port, up_bps=400_000) as proxy:
        store = S3Store(
            S3Client(
                f"127.0.0.1:{proxy.port}",
                "lessons",
                secure=False,
                credentials=server.credentials,
                timeout_s=TIMEOUT_S,
                reply_s=REPLY_S,
            )
        )
        put(store, b"warm")
        threading.Timer(0.5, line, ["down"]).start()
        began = time.monotonic()
        error = ""
        try:
            put(store, bytes(1_000_000))  # 20 s at this rate
        except StoreError as caught:
            error = str(caught)
        seconds = time.monotonic() - began
        line("up")
        put(store, b"again")
        sys.stdout.write(json.dumps({"seconds": seconds, "error": error, "again": store.get("a") == b"again"}))


if __name__ == "__main__":
    main()
