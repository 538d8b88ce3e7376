"""The process of the fork server, from outside: started before anything else is imported, it imports meanwhile.

Imports little itself.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from process.job import PYTHON
from process.parentage import child_environment

_PADDING = "-" * 4000
"""Room for the arguments of its children, which are written over its own."""
_early: dict[Preload, Warm] = {}


@dataclass(frozen=True, slots=True)
class Preload:
    """What it imports: `first` before it forks anything, `later` when it has been left in peace for a while."""

    first: tuple[str, ...]
    later: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Warm:
    """The process, its end of the link, and what it was told to import."""

    process: subprocess.Popen[bytes]
    link: socket.socket
    preload: Preload


def start(preload: Preload) -> Warm:
    """Start it. It ends with this process."""
    link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            (
                *PYTHON, "-m", "process.fork_server", str(theirs.fileno()), _joined(preload.first),
                _joined(preload.later), _PADDING,
            ),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
            env={**child_environment(), "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    return Warm(process, link, preload)


def _joined(modules: Sequence[str]) -> str:
    return ",".join(modules)


def start_early(preload: Preload) -> None:
    """Start it for whoever will `take` it: the first thing that a command does."""
    _early[preload] = start(preload)


def take(preload: Preload) -> Warm:
    """The one that was started early with this preload, if nobody has it yet; else another."""
    return _early.pop(preload, None) or start(preload)
