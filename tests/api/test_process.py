"""The control plane as the process it is: it gives signs of life, knows its names, and ends when told to."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.settings import PagesOfRoom
from process.beat import BEAT_ENV
from process.parentage import EXIT_TERMINATED
from tests.kit.programme import environment
from tests.kit.room import template
from tests.kit.s3_servers import free_ports
from tests.kit.waiting import wait_until


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def beats() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe: to read from, to be written to."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def api(tmp_path: Path, port: int, beats: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    settings = PagesOfRoom(
        root=tmp_path / "lessons",
        template=template(),
        listen=f"127.0.0.1:{port}",
        allowed_hosts=("box.school.example",),
    )
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api", settings.argument()],
            stdin=subprocess.DEVNULL, stderr=log, pass_fds=[beats[1]], env=environment({BEAT_ENV: str(beats[1])}),
        )  # fmt: skip
        try:
            wait_until(lambda: answers(port), 30, what="the pages are served")
            yield process
        finally:
            process.kill()
            process.wait()


def answers(port: int, host: str = "127.0.0.1") -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", headers={"Host": host}).status_code
    except httpx.TransportError:
        return 0


def beat_within(reading: int, seconds: float) -> bool:
    while select.select([reading], [], [], 0)[0]:  # older ones do not count
        os.read(reading, 4096)
    return bool(select.select([reading], [], [], seconds)[0])


def test_it_beats_from_its_event_loop_and_ends_when_told(
    api: subprocess.Popen[bytes], port: int, beats: tuple[int, int]
) -> None:
    assert all(beat_within(beats[0], 1.0) for _ in range(3))
    api.send_signal(signal.SIGSTOP)
    wait_until(lambda: not beat_within(beats[0], 1.0), 10, what="what hangs gives no sign of life")
    api.send_signal(signal.SIGCONT)
    assert beat_within(beats[0], 1.0)
    began = time.monotonic()
    api.terminate()
    assert api.wait(10) == EXIT_TERMINATED
    assert time.monotonic() - began < 8
    assert answers(port) == 0


def test_it_answers_to_its_own_names_only(api: subprocess.Popen[bytes], port: int) -> None:
    assert api.poll() is None
    names = ("127.0.0.1", "[::1]", "10.1.2.3", "localhost", "box.school.example")
    assert [answers(port, name) for name in names] == [200] * len(names)
    assert answers(port, "evil.example") == 421
