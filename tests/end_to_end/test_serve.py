"""The unattended box: its conductor killed with -9 takes everything down at once, and goes on when it is back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.programme import command, decoding_errors, environment, folder_of
from tests.kit.s3_servers import free_ports
from tests.kit.waiting import wait_until

CONFIG = """
root = "{root}"
listen = "127.0.0.1:{port}"
[[sources]]
id = "teacher"
role = "teacher"
uri = "test:teacher?size=320x180"
required = true
[[sources]]
id = "mic"
role = "mic"
uri = "test:tone"
"""


def call(url: str, method: str = "GET") -> Any:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 loopback
        return json.load(answer)


def health(base: str) -> dict[str, Any]:
    try:
        answer = call(f"{base}/health")
    except OSError:
        return {}
    assert isinstance(answer, dict)
    return answer


def processes_of(root: Path) -> list[str]:
    """Command lines of all processes that were given this root or a lesson in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(root) in argv:
                found.append(argv)
    return found


@contextmanager
def box(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command("serve", "--config", config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.timeout(200)
def test_a_killed_conductor_goes_on_with_the_lesson(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    base, root, config = f"http://127.0.0.1:{port}", tmp_path / "root", tmp_path / "classroom.toml"
    config.write_text(CONFIG.format(root=root, port=port))
    with box(config) as first:
        wait_until(lambda: health(base), 40, what="the box answers")
        lesson = call(f"{base}/lessons", "POST")["lesson_id"]
        assert call(f"{base}/lessons", "POST")["lesson_id"] == lesson, "a second press is the same lesson"
        wait_until(lambda: health(base).get("status") == "recording", 40, what="all feeds on disk")
        os.kill(first.pid, signal.SIGKILL)
        first.wait(10)
        wait_until(lambda: not processes_of(root), 15, what="everything ends with its conductor")
    with box(config):
        wait_until(lambda: health(base).get("status") == "recording", 60, what="it records on")
        assert health(base)["lesson"] == lesson
        call(f"{base}/lessons/{lesson}/stop", "POST")
        wait_until(lambda: call(f"{base}/lessons/{lesson}")["state"] == "published", 60, what="published")
        detail = call(f"{base}/lessons/{lesson}")
    assert {gap["source"] for gap in detail["gaps"]} == {"teacher", "mic"}
    assert decoding_errors(folder_of(detail["published_url"]) / "index.m3u8") == ""
    assert not processes_of(root), "SIGTERM ends everything in an orderly way"
