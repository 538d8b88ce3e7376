"""Signs of life: the stage says that its loop goes round, and what keeps it from its work; its supervisor listens.

A line into a pipe: empty for a beat, else what is wrong, `-` when it is no more; after a tab and another one, what of
the stage's work that is about. A stage that nobody supervises speaks into nothing.
"""

from __future__ import annotations

import os
import time

BEAT_ENV = "CLASSREEL_BEAT_FD"
"""Number of the pipe's writing end, given to the stage by its supervisor."""
EVERY_S = 0.5
LONGEST = 1_000
"""Bytes of a complaint: a pipe takes shorter lines whole (POSIX's PIPE_BUF is more)."""

TAKEN_BACK = "-"

_next = 0.0


def beat() -> None:
    """Say that this process goes on; as often as you like, it is passed on twice a second."""
    global _next  # one pipe a process
    now = time.monotonic()
    if now < _next:
        return
    _next = now + EVERY_S
    _write(b"\n")


def rest(seconds: float) -> None:
    """Sleep, with signs of life."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        beat()
        time.sleep(min(left, EVERY_S))


def complain(reason: str, *, about: str = "") -> None:
    """Say what keeps this stage from its work though it goes on trying: shown until `recovered` is called.

    `about`: what part of its work (a lesson's id), where the rest goes on.
    """
    _say(about, " ".join(reason.split()))


def recovered(*, about: str = "") -> None:
    """What was complained of has passed."""
    _say(about, TAKEN_BACK)


def _say(about: str, words: str) -> None:
    line = f"\t{about}\t{words}" if about else words
    _write(line.encode(errors="replace")[:LONGEST] + b"\n")


def heard(line: bytes) -> tuple[str, str | None]:
    """What a line that is no beat says: what it is about, and what is wrong; None: nothing any more."""
    text = line.decode(errors="replace")
    about, _, words = text[1:].partition("\t") if text.startswith("\t") else ("", "", text)
    return about, None if words == TAKEN_BACK else words


def _write(line: bytes) -> None:
    pipe = os.environ.get(BEAT_ENV)
    if pipe:
        try:
            os.write(int(pipe), line)
        except OSError:  # full (the supervisor is busy: it will find enough signs of life), or nobody listens any more
            return
