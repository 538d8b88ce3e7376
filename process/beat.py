"""A sign of life: the stage says that its loop goes round, the supervisor notices when it does not.

One byte into a pipe that the supervisor reads; a stage that nobody supervises beats into nothing.
"""

from __future__ import annotations

import os
import time

BEAT_ENV = "CLASSREEL_BEAT_FD"
"""Number of the pipe's writing end, given to the stage by its supervisor."""
EVERY_S = 0.5

_next = 0.0


def beat() -> None:
    """Say that this process goes on; as often as you like, it is passed on twice a second."""
    global _next  # one pipe a process
    now = time.monotonic()
    if now < _next:
        return
    _next = now + EVERY_S
    pipe = os.environ.get(BEAT_ENV)
    if pipe:
        try:
            os.write(int(pipe), b".")
        except OSError:  # full (the supervisor is busy: it will find enough signs of life), or nobody listens any more
            return
