"""What every stage process does alike: log, die with its parent, turn signals and errors into exit codes.

Exit codes: 0 the stage's work on this lesson is done; 1 something failed that may work next time; 2 trying again
will not help (bad input); 3 the disk refused, which may end; 143 told to end by SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import structlog

from lesson.errors import (
    ClassreelError,
    ConfigError,
    LessonFormatError,
    LessonNotFoundError,
    StorageError,
    UnusableMediaError,
)
from process.beat import beat
from process.logs import configure_logging
from process.parentage import EXIT_TERMINATED, SUPERVISOR_ENV, die_with_parent

EXIT_DONE = 0
EXIT_RETRY = 1
EXIT_FATAL = 2
EXIT_DISK = 3
"""By its number alone: a full disk takes no line of the log that could say so."""
POLL_S = 0.2
_FATAL = (ConfigError, LessonFormatError, LessonNotFoundError, UnusableMediaError)


_told_to_end = False
"""SIGTERM came. What is raised for it in a callback of a library written in C is lost there; `repeat` asks again."""


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    global _told_to_end  # one a process, as the signal
    _told_to_end = True
    raise SystemExit(EXIT_TERMINATED)


def run_stage(name: str, work: Callable[[], None]) -> int:
    """Run `work` as the body of a stage process and give its exit code.

    SIGTERM is raised inside `work` as `SystemExit`, so that `finally` clauses run.
    """
    configure_logging(name)
    log = structlog.get_logger()
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the conductor's to interpret
    if supervisor := os.environ.get(SUPERVISOR_ENV):
        die_with_parent(int(supervisor))
    try:
        work()
    except ClassreelError as error:
        log.warning("stage_failed", error=str(error), kind=type(error).__name__)
        if isinstance(error, StorageError):
            return EXIT_DISK
        return EXIT_FATAL if isinstance(error, _FATAL) else EXIT_RETRY
    except Exception:
        log.exception("stage_crashed")  # here the log takes credentials out of the traceback
        return EXIT_RETRY
    return EXIT_DONE


def run_stage_and_exit(name: str, work: Callable[[], None]) -> NoReturn:
    """As `run_stage`, and end the process at once: a driver may hang in a thread, and to tear down libav around it
    would crash.
    """
    try:
        code = run_stage(name, work)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else EXIT_RETRY
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def repeat(step: Callable[[], bool], done: Callable[[], bool], *, poll_s: float = POLL_S) -> None:
    """Call `step` until `done`, with a sign of life each time; rest a little whenever a step made no progress."""
    while not done():
        if _told_to_end:
            raise SystemExit(EXIT_TERMINATED)
        beat()
        if not step():
            time.sleep(poll_s)
