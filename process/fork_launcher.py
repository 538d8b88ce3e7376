"""The client of the fork server: jobs are forked from a warm process instead of executed anew."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from process.activity import Activity, activity
from process.fork_server import MESSAGE_BYTES
from process.job import Job
from process.launcher import Child, ExecLauncher, Launcher, Pulse, log_output
from process.share import current_umask
from process.warm import Preload, Warm, start, take

ANSWER_S = 15.0
"""The server answers when its imports are done; on a starved machine that takes some seconds."""
TELL_S = 3.0
"""A server that has not told for so long that a child of its has ended hangs itself, and is replaced."""
_KILLED = -signal.SIGKILL

_log = structlog.get_logger()


class _ServerLink:
    """One life of the server process, and what it said of its children."""

    def __init__(self, warm: Warm) -> None:
        self.process, self.link = warm.process, warm.link
        self.ended: dict[int, int] = {}
        self.gone = False

    def listen(self, timeout_s: float = 0.0) -> dict[str, int] | None:
        """The next answer to a request within the time, None without one; ends of children are noted on the way."""
        while not self.gone and select.select([self.link], [], [], timeout_s)[0]:
            try:
                message = self.link.recv(MESSAGE_BYTES)
            except OSError:
                message = b""
            if not message:
                self.gone = True
                break
            said: dict[str, int] = json.loads(message)
            if "code" not in said:
                return said
            self.ended[said["pid"]] = said["code"]
        return None

    def close(self) -> None:
        self.link.close()
        self.gone = True
        self.process.kill()
        self.process.wait()


class _Forked:
    def __init__(self, server: _ServerLink, pid: int, pulse: Pulse) -> None:
        self._server = server
        self._dead_since: float | None = None
        self._pulse = pulse
        self.pid = pid
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended, and the server knows already
            self._handle = -1

    def poll(self) -> int | None:
        self._server.listen()
        code = self._server.ended.get(self.pid)
        if code is None and self._is_dead():
            self._dead_since = self._dead_since or time.monotonic()
            if not self._server.gone and time.monotonic() - self._dead_since > TELL_S:
                _log.warning("fork_server_hung", error=f"it did not tell of the end of process {self.pid}")
                self._server.close()
            if self._server.gone:  # with the server went who could tell how it ended
                code = self._server.ended[self.pid] = _KILLED
        return code

    def _is_dead(self) -> bool:
        return self._handle < 0 or bool(select.select([self._handle], [], [], 0)[0])

    def signal(self, number: int) -> None:
        if self._handle < 0:
            return
        try:
            signal.pidfd_send_signal(self._handle, number)
        except ProcessLookupError:
            return

    def stirred(self) -> bool:
        return self._pulse.stirred()

    def activity(self) -> Activity | None:
        return activity(self.pid)

    @property
    def complaints(self) -> Mapping[str, str]:
        return self._pulse.complaints

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)


class ForkLauncher:
    """Forks jobs from a server that has imported the modules of `preload`; a server that dies is started anew.

    The server is there at once, perhaps since its owner's process began (`process.warm`): it imports meanwhile.
    """

    def __init__(self, preload: Preload) -> None:
        self._preload = preload
        self._server = _ServerLink(take(preload))

    def start(self, job: Job, log: Path) -> Child:
        """Fork a job. Raises `OSError` when it cannot be forked now."""
        if self._server.gone or self._server.process.poll() is not None:
            _log.warning("fork_server_ended", error=f"ended with {self._server.process.poll()}")
            self._server.close()
            self._server = _ServerLink(start(self._preload))
        asked = {
            "module": job.module,
            "arguments": job.arguments,
            "niceness": job.niceness,
            "environment": dict(os.environ),
            "umask": current_umask(),
            "shown": job.argv,
        }
        pulse = Pulse()
        with log_output(log) as output:
            socket.send_fds(self._server.link, [json.dumps(asked).encode()], [output, pulse.write])
        pulse.started()
        answer = self._server.listen(ANSWER_S)
        if answer is None:
            self._server.close()  # what it may still start ends with it; the next try gets another
            raise OSError(f"the fork server did not answer within {ANSWER_S:g} s")
        if "started" not in answer:
            raise OSError(f"fork: {answer.get('error')}")
        return _Forked(self._server, answer["started"], pulse)

    def close(self) -> None:
        self._server.close()


def best_launcher(preload: Preload) -> Launcher:
    """The fork server where the system has what it needs (Linux), else plain execution."""
    if hasattr(os, "pidfd_open"):
        return ForkLauncher(preload)
    return ExecLauncher()
