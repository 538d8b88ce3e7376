"""Logging for every process: one JSON line an event on stderr, credentials taken out."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import structlog

# up to the last @, as passwords hold / and @ though they should not: better too much hidden than a password shown
_USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s'\"<>]*@", re.IGNORECASE)
_SECRET_FIELD = re.compile(
    r"(?P<name>(?:password|passwd|pwd|secret|token|signature|credential)=)[^&\s'\"<>\\]+", re.IGNORECASE
)
_ADDRESS = re.compile(
    r"\b(?P<scheme>(?!(?:s3\+)?https?:|file:)[a-z][a-z0-9+.-]*:)//[^\s'\"<>]*[^\s'\"<>:,;.]", re.IGNORECASE
)
"""All but those of stores and files."""


def redacted(text: str) -> str:
    """`text` with the user information of every URL, and the values of query fields like `password=`, replaced."""
    return _SECRET_FIELD.sub(r"\g<name>***", _USER_INFO.sub(r"\g<scheme>***@", text))


def without_addresses(text: str) -> str:
    """As `redacted`, and where a device is in the network is left away: for people who may look at the box's pages."""
    return _ADDRESS.sub(r"\g<scheme>//…", redacted(text))


def _redact_line(_logger: Any, _method: str, line: structlog.typing.EventDict) -> str:
    """The last processor: whatever was logged, nested, raised or foreign, is text by now."""
    return redacted(str(line))


def _readable(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """One plain line for a person at a terminal."""
    level, text = event.pop("level", "info"), str(event.pop("event", ""))
    text = text if " " in text else text.replace("_", " ")  # our own events are one word for machines
    exception = event.pop("exception", None)
    fields = ", ".join(f"{key}: {value}" for key, value in event.items() if key not in {"timestamp", "process"})
    return "\n".join(filter(None, [f"{level}: {text}" + (f" ({fields})" if fields else ""), exception]))


def configure_logging(process: str, *, level: int = logging.INFO, readable: bool = False) -> None:
    """Send structlog and standard-library logging to stderr as JSON lines that name `process`.

    `readable`: plain lines instead, for a person who waits at a terminal.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _readable if readable else structlog.processors.JSONRenderer(ensure_ascii=False),
                _redact_line,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.contextvars.bind_contextvars(process=process)


MAX_LOG_BYTES = 4_000_000
"""A log that has grown beyond is kept once under `.1`, and begun anew."""
_TAIL_BYTES = 16_384


def rotate(log: Path) -> None:
    """Begin a log anew that has grown too long; processes that append to it go on doing so."""
    try:
        if log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)  # not renamed: who writes holds the file, not its name
    except OSError:  # not there, or a disk that takes no copy: a later look may work
        return


_NO_ERROR = ("{", " ")
"""An event that a full disk, or where we began, cut short; code that Python quotes below an error or a warning."""


def last_error(log: Path) -> str | None:
    """The newest error a stage process logged, as one line."""
    try:
        if not log.is_file():  # a pipe would keep us waiting
            return None
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            if line.strip() and not line.startswith(_NO_ERROR) and "Warning: " not in line:
                return line.strip()
            continue
        if isinstance(event, dict) and (said := _complaint(event)):
            return said.strip().splitlines()[-1]
    return None


def _complaint(event: dict[str, Any]) -> str | None:
    """What an event of a log says went wrong, if it says so."""
    said = event.get("error") or event.get("exception")
    if said is None and event.get("level") in {"error", "critical"}:
        said = event.get("event")
    return str(said) if said else None
