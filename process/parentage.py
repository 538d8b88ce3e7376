"""How a process knows who keeps it alive, and ends with it."""

from __future__ import annotations

import os
import signal
import sys

EXIT_TERMINATED = 128 + signal.SIGTERM
SUPERVISOR_ENV = "CLASSREEL_SUPERVISED"
"""Holds the process id of the process that started this stage and keeps it alive, if one does."""
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when `parent` ends (Linux; elsewhere nothing).

    The process id is compared, as the parent may have ended before the call; in a container it may rightly be 1.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(EXIT_TERMINATED)


def child_environment() -> dict[str, str]:
    """The environment for a stage process that this process starts and that is to end with it."""
    return {**os.environ, SUPERVISOR_ENV: str(os.getpid())}
