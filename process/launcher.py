"""Starting the process of a job: the protocol, and the plain way, by executing Python anew."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from process.activity import Activity, activity
from process.beat import BEAT_ENV, heard
from process.job import Job
from process.parentage import child_environment

_PIPE_BYTES = 65_536
_STDERR = 2

_log = structlog.get_logger()


class Child(Protocol):
    """A process that was started for a job."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Its exit code once it has ended (negative: the signal that ended it), else None."""

    def signal(self, number: int) -> None:
        """Send it a signal; one that has ended gets none."""

    def stirred(self) -> bool:
        """Whether it has given a sign of life since this was asked last."""

    def activity(self) -> Activity | None:
        """What it is doing now, by what the kernel says; None where nobody can tell."""

    @property
    def complaints(self) -> Mapping[str, str]:
        """What it says keeps it from its work, by what of its work that is about: empty for all of it."""


class Launcher(Protocol):
    """Starts processes. Children end when the process that holds the launcher does."""

    def start(self, job: Job, log: Path) -> Child:
        """Start a job whose output is appended to `log`. Raises `OSError`."""

    def close(self) -> None:
        """Give back what the launcher holds; its children are the caller's to end before."""


@contextmanager
def log_output(log: Path) -> Iterator[int]:
    """A descriptor that appends to `log`; else our own stderr: no log must keep no process from trying."""
    try:
        # a pipe in its place must not keep us waiting for a reader
        fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        os.set_blocking(fd, True)
    except OSError as error:
        _log.warning("log_not_opened", log=str(log), error=os.strerror(error.errno or 0))
        fd = _inherited()
    try:
        yield fd
    finally:
        os.close(fd)


def _inherited() -> int:
    try:
        return fcntl.fcntl(_STDERR, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:  # closed by who started us
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


class Pulse:
    """The reading end of a child's pipe of beats."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._unfinished = b""
        self.complaints: dict[str, str] = {}

    def started(self) -> None:
        """The child has its copy of the writing end: close ours."""
        os.close(self.write)
        self.write = -1

    def stirred(self) -> bool:
        try:
            said = os.read(self._read, _PIPE_BYTES)
        except BlockingIOError:
            return False
        *lines, self._unfinished = (self._unfinished + said).split(b"\n")
        for line in filter(None, lines):
            about, wrong = heard(line)
            if wrong is None:
                self.complaints.pop(about, None)
            else:
                self.complaints[about] = wrong
        return bool(said)

    def close(self) -> None:
        for fd in (self._read, self.write):
            if fd >= 0:
                os.close(fd)
        self._read = self.write = -1

    def __del__(self) -> None:
        self.close()


class _Executed:
    def __init__(self, process: subprocess.Popen[bytes], pulse: Pulse) -> None:
        self._process = process
        self._pulse = pulse
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stirred(self) -> bool:
        return self._pulse.stirred()

    def activity(self) -> Activity | None:
        return activity(self.pid)

    @property
    def complaints(self) -> Mapping[str, str]:
        return self._pulse.complaints


class ExecLauncher:
    """Executes Python anew for each job: a second of imports, and no memory shared."""

    def start(self, job: Job, log: Path) -> Child:
        pulse = Pulse()
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log_output(log))
            # nice(1) rather than nice(2) in the stage: its imports are niced, too
            nice = ("nice", "-n", str(job.niceness)) if job.niceness else ()
            # one process group for all: killing it kills the whole box, as a power cut would
            process = subprocess.Popen(
                (*nice, *job.argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(pulse.write,),
                env={**child_environment(), BEAT_ENV: str(pulse.write)},
            )  # fmt: skip
        pulse.started()
        return _Executed(process, pulse)

    def close(self) -> None:
        """Nothing is held."""
