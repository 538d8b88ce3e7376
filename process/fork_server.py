"""`python -P -m process.fork_server FD MODULES LATER PADDING`: a warm process from which stages are forked.

It has imported what every stage needs, so that a stage is there in some milliseconds instead of a second, and shares
those pages with its siblings. It does nothing else, and has one thread: forking a process with threads would copy
locks that nobody opens. One message (JSON, with two descriptors: log, pulse) asks for one stage; the answers say which
process it is and, later, how it ended. It ends with its starter, and the stages with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from process.beat import BEAT_ENV
from process.parentage import SUPERVISOR_ENV, die_with_parent
from process.title import show_command

MESSAGE_BYTES = 1 << 18
"""Longest message; the environment is most of it."""
PEACE_S = 2.0
"""When nothing was asked for so long, what few stages need is imported too: none has to wait for it."""


@dataclass(slots=True)
class _Stage:
    """What a child is to become."""

    module: str
    arguments: list[str]
    niceness: int
    environment: dict[str, str]
    umask: int
    shown: list[str]


@dataclass(slots=True)
class _Server:
    link: socket.socket
    later: list[str]
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> _Stage | None:
        """Fork what is asked for until the link is closed. In a child this returns what the child is to do."""
        self.selector.register(self.link, selectors.EVENT_READ)
        while True:
            ready = self.selector.select(PEACE_S if self.later else None)
            if not ready:
                _import(self.later)
                self.later = []
            for key, _ in ready:
                if key.data is not None:
                    self._buried(key.fd, key.data)
                    continue
                message, descriptors, _, _ = socket.recv_fds(self.link, MESSAGE_BYTES, 2)
                if not message:
                    return None
                stage = self._forked(json.loads(message), descriptors)
                if stage is not None:
                    return stage

    def _buried(self, pidfd: int, pid: int) -> None:
        self.selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._say(pid=pid, code=os.waitstatus_to_exitcode(status))

    def _say(self, **fields: int | str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the end of the link is seen next
            self.link.send(json.dumps(fields).encode())

    def _forked(self, asked: dict[str, Any], descriptors: list[int]) -> _Stage | None:
        log, pulse = descriptors
        try:
            pid = os.fork()
        except OSError as error:
            self._say(error=str(error))
            pid = -1
        if pid == 0:
            self._leave(log)
            environment = {**asked["environment"], BEAT_ENV: str(pulse), SUPERVISOR_ENV: str(os.getppid())}
            return _Stage(
                asked["module"], asked["arguments"], asked["niceness"], environment, asked["umask"], asked["shown"]
            )
        os.close(log)
        os.close(pulse)
        if pid > 0:
            self.selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            self._say(started=pid)
        return None

    def _leave(self, log: int) -> None:
        """In the child: nothing of the server stays open."""
        for key in list(self.selector.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
        self.selector.close()
        self.link.close()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)


def _import(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is there stays untouched by collections, so that its pages stay shared


def _become(stage: _Stage) -> None:
    os.environ.clear()
    os.environ.update(stage.environment)
    os.umask(stage.umask)
    with contextlib.suppress(PermissionError):  # who may not raise the priority goes on with the usual one
        os.nice(stage.niceness)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    show_command(stage.shown)
    sys.argv = [stage.module, *stage.arguments]
    runpy.run_module(stage.module, run_name="__main__", alter_sys=True)


def main() -> None:
    """The process body; in each forked child it goes on as that stage, to the stage's own end."""
    link = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent(int(os.environ[SUPERVISOR_ENV]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the conductor's to interpret
    first, later = (list(filter(None, modules.split(","))) for modules in sys.argv[2:4])
    _import(first)
    stage = _Server(link, later).serve()
    if stage is not None:
        _become(stage)


if __name__ == "__main__":
    main()
