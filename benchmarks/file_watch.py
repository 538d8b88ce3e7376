"""Counting what processes open: a `sitecustomize` on PYTHONPATH whose audit hook notes each file and folder.

Exact and without privileges: CPython tells its audit hooks of every `open`, `os.listdir` and `os.scandir`. Processes
that are forked keep the hook; those that are started anew load it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOG_ENV = "FILE_WATCH_LOG"
BELOW_ENV = "FILE_WATCH_BELOW"
_HOOK = """
import os, sys, time
_below = os.environ["FILE_WATCH_BELOW"]
_log = os.open(os.environ["FILE_WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def _note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        if path.startswith(_below):
            os.write(_log, f"{time.monotonic_ns()} {os.getpid()} {event} {path}\\n".encode(errors="surrogateescape"))
sys.addaudithook(_note)
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """One file opened or folder listed: when on CLOCK_MONOTONIC, by which process, which."""

    at_ns: int
    pid: int
    event: str
    path: str


class FileWatch:
    """Counts what Python processes that get `environment` open below `below`; works in `folder`, which it makes."""

    def __init__(self, folder: Path, below: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(_HOOK)
        self._log = folder / "opened.log"
        self.environment = {"PYTHONPATH": str(folder), LOG_ENV: str(self._log), BELOW_ENV: str(below)}

    def opened(self, *, before_ns: int | None = None) -> list[Opened]:
        """What was opened (before an instant), in order."""
        if not self._log.exists():
            return []
        found = []
        for line in self._log.read_text(errors="surrogateescape").splitlines():
            at, pid, event, path = line.split(" ", 3)
            found.append(Opened(int(at), int(pid), event, path))
        return [one for one in found if before_ns is None or one.at_ns < before_ns]
