"""Which processes a lesson needs now: a pure rule from its state."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from classroom.settings import Settings
from lesson.folder import LessonFolder
from lesson.state import LessonState


@dataclass(frozen=True, slots=True)
class Job:
    """A process to keep alive. Two jobs of one name are the same job."""

    name: str
    argv: tuple[str, ...]

    @property
    def vital(self) -> bool:
        """Whether the box is of no use without this process: it is restarted for ever."""
        return self.name.startswith("capture-") or self.name == API


API = "api"
BLIND_AFTER = 3
"""Crashes of the tracking process in a row before it runs without analysis (safe wide shot)."""


def _stage(name: str, module: str, *arguments: str) -> Job:
    return Job(name, (sys.executable, "-m", module, *arguments))


def capture_jobs(folder: LessonFolder, state: LessonState) -> list[Job]:
    """One process a source. After Stop the name changes: what was given up before gets one more start to close."""
    verb = "close" if state.stop else "capture"
    return [
        _stage(f"{verb}-{source_id}", "capture", str(folder.path), source_id)
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
        jobs.append(_stage("tracking-blind" if blind else "tracking", "tracking", path, *blind))
    if not state.encoded:
        jobs.append(_stage("encode", "encode", path, "--workers", str(settings.encode.workers)))
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
    return Job(API, (sys.executable, "-m", "classroom.web", settings.model_dump_json()))


def web_url(settings: Settings) -> str:
    """Where a browser on this machine finds the teacher's page."""
    host, _, port = settings.listen.rpartition(":")
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{port}"  # noqa: S104 compared, not bound
