"""Which processes a lesson needs now: a pure rule from its state."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from classroom.settings import Settings
from lesson.folder import LessonFolder
from lesson.state import LessonState


@dataclass(frozen=True, slots=True)
class Job:
    """A process to keep alive: one at a time of each `name`.

    `task`: what it is there for; when that changes, what was given up under this name gets a new chance.
    """

    name: str
    argv: tuple[str, ...]
    task: str = ""

    @property
    def vital(self) -> bool:
        """Whether the box is of no use without this process: it is restarted for ever."""
        return self.name.startswith("capture-") or self.name == API


API = "api"
BLIND_AFTER = 3
"""Crashes of the tracking process in a row before it runs without analysis (safe wide shot)."""


PYTHON = (sys.executable, "-P")
"""-P: a folder of the user's that is named like one of our rooms must not be run in its place."""


def _stage(name: str, module: str, *arguments: str, task: str = "") -> Job:
    return Job(name, (*PYTHON, "-m", module, *arguments), task)


def capture_jobs(folder: LessonFolder, state: LessonState) -> list[Job]:
    """One process a source: until Stop to record, then to close what is there."""
    task = "close" if state.stop else "record"
    return [
        _stage(f"capture-{source_id}", "capture", str(folder.path), source_id, task=task)
        for source_id, source in state.sources.items()
        if not source.finished
    ]


def wanted_jobs(
    folder: LessonFolder, state: LessonState, settings: Settings, *, tracking_crashes: int = 0
) -> list[Job]:
    """The processes that bring this lesson further, most urgent first."""
    if state.start is None:
        return []
    path = str(folder.path)
    jobs = capture_jobs(folder, state)
    if not state.final:
        blind = ("--blind",) if tracking_crashes >= BLIND_AFTER else ()
        jobs.append(_stage("tracking", "tracking", path, *blind))
    if not state.encoded:
        farm = ("--farm", settings.encode.farm) if settings.encode.farm else ()
        jobs.append(_stage("encode", "encode", path, "--workers", str(settings.encode.workers), *farm))
    if not state.verified:
        jobs.append(_stage("publish", "publish", path, *store_arguments(settings)))
    return jobs


def store_arguments(settings: Settings) -> tuple[str, ...]:
    """How the publish process is told its store: secrets by reference only."""
    references = {
        "--access-key-env": settings.store.access_key_env,
        "--secret-key-env": settings.store.secret_key_env,
        "--access-key-file": settings.store.access_key_file,
        "--secret-key-file": settings.store.secret_key_file,
    }
    named = [str(part) for option, value in references.items() if value for part in (option, value)]
    return ("--store", settings.store_url, *named)


def web_job(settings: Settings) -> Job:
    """The process that serves the pages. The settings hold no secrets, only references to them."""
    return Job(API, (*PYTHON, "-m", "classroom.web", settings.model_dump_json()))


def web_url(settings: Settings) -> str:
    """Where a browser on this machine finds the teacher's page."""
    host, _, port = settings.listen.rpartition(":")
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{port}"  # noqa: S104 compared, not bound
