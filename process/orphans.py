"""Stages whose supervisor is gone and that have not heard of it: one that hangs still holds its journal.

The kernel tells a stage that its supervisor has ended (SIGTERM), but one that is stopped or stuck in a driver does not
hear it, and its successor would wait for the journal as long as that lasts.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import structlog

from process.parentage import SUPERVISOR_ENV

_PROC = Path("/proc")

_log = structlog.get_logger()


def orphans(lesson: Path) -> list[int]:
    """Handles (pidfd) of the stages that some supervisor started for this lesson.

    To be asked by who has the lesson to itself and has started nothing for it yet: then they are nobody's.
    """
    if not hasattr(os, "pidfd_open") or not _PROC.is_dir():
        return []
    return [handle for entry in _PROC.iterdir() if entry.name.isdecimal() and (handle := _stage_of(entry, lesson)) >= 0]


def _stage_of(process: Path, lesson: Path) -> int:
    """A handle of the process if it is a stage of this lesson, else -1."""
    try:
        handle = os.pidfd_open(int(process.name))
    except OSError:  # it has just ended
        return -1
    with contextlib.suppress(OSError):  # the same; or another account's
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if b"-m" in arguments and os.fsencode(lesson) in arguments:
            variables = (process / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(f"{SUPERVISOR_ENV}=".encode()) for variable in variables):
                return handle
    os.close(handle)
    return -1


def end(handles: list[int]) -> None:
    """Kill those that are still there, and close the handles."""
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            _log.warning("orphan_killed", error="it did not end with its supervisor")
        os.close(handle)
