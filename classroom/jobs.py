"""Which processes a lesson needs now: a pure rule from its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from api.settings import Conducted
from classroom.settings import Settings
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.state import LessonState
from process.job import Job
from process.kept import Trouble

API = "api"
SIGNAL = "signal"
"""The stage that looks at what is being recorded, for the page."""
STANDBY = "standby"
"""The stage that keeps a feed open between lessons."""
RECLAIM = "reclaim"
"""The stage that makes room on the disk."""
BLIND_AFTER = 3
"""Crashes of the tracking process in a row before it runs without analysis (safe wide shot)."""

CAPTURE_SILENCE_S = 10.0
"""Without a sign of life for so long a recording process is replaced. Its loop never waits for the disk."""
CAPTURE_NICENESS = -10
"""Recording goes before everything else on the box, where the system allows it (root, or systemd's LimitNICE=)."""
STAGE_SILENCE_S = 120.0
"""For all others: a step may wait for a slow disk, and give no sign meanwhile."""
STAGE_STILL_S = 7.0
"""Whose stage neither gives a sign of life nor works for so long is told: within 10 s, with a look each second."""
API_SILENCE_S = 15.0


def capture_jobs(folder: LessonFolder, state: LessonState) -> list[Job]:
    """One process a source: until Stop to record, then to close what is there."""
    return [
        Job(
            stage="capture",
            source=source_id,
            module="capture",
            arguments=(str(folder.path), source_id),
            vital=True,
            task="close" if state.stop else "record",
            niceness=CAPTURE_NICENESS,
            silence_s=None if source.spec.imported else CAPTURE_SILENCE_S,
        )
        for source_id, source in state.sources.items()
        if not source.finished
    ]


def wanted_jobs(
    folder: LessonFolder, state: LessonState, settings: Settings, *, tracking_crashes: int = 0
) -> list[Job]:
    """The processes that make this lesson, most urgent first; `publish_job` brings it to the store."""
    if state.start is None or state.empty:
        return []
    path = str(folder.path)
    jobs = capture_jobs(folder, state)
    # its start costs as much as a camera's: it comes once there is something to look at
    if state.stop is None and not state.header.imported and any(one.segments for one in state.sources.values()):
        jobs.append(_stage(SIGNAL, path, module="capture.monitor", niceness=3))
    if not state.final:
        blind = ("--blind",) if tracking_crashes >= BLIND_AFTER else ()
        jobs.append(_stage("tracking", path, *blind, niceness=5))
    if not state.encoded:
        jobs.append(_stage("encode", path, settings.encode.argument(), niceness=10))
    return jobs


def unread_troubles(
    folder: LessonFolder, jobs: Iterable[Job], unread: Mapping[Path, StorageError], now: float
) -> dict[str, Trouble]:
    """Of the jobs, by name, those whose own journal cannot be read: the trouble of that job, and of no other.

    Where one process publishes for all lessons, it is trouble of this lesson's part of its work.
    """
    found: dict[str, Trouble] = {}
    jobs = list(jobs)
    publish = _stage("publish", str(folder.path), niceness=5)
    if (error := unread.get(folder.publish_journal)) and publish.name not in {job.name for job in jobs}:
        found[publish.name] = Trouble(publish, str(error), since=now, refused=False, about=folder.id)
    for job in jobs:
        own = [error for path, error in unread.items() if _is_of(job, folder.relative(path))]
        if own:
            found[job.name] = Trouble(job, str(own[0]), since=now, refused=False)
    return found


def _is_of(job: Job, journal: str) -> bool:
    stage, *place = journal.split("/")
    return _STAGES.get(stage) == job.stage and (job.source in {None, place[0]})


_STAGES = {"raw": "capture", SIGNAL: SIGNAL, "plan": "tracking", "enc": "encode", "pub": "publish"}
"""Which stage writes the journals in a folder of the lesson."""


def _stage(stage: str, *arguments: str, niceness: int, module: str | None = None) -> Job:
    """A stage that comes after recording, and must not disturb it."""
    return Job(
        stage=stage,
        module=module or stage,
        arguments=arguments,
        niceness=niceness,
        silence_s=STAGE_SILENCE_S,
        still_s=STAGE_STILL_S,
    )


def publish_job(settings: Settings, lesson: LessonFolder | None = None) -> Job:
    """The process that brings one lesson to the store, or (None) all unpublished lessons of the root in turns."""
    what = ("--all", str(settings.root)) if lesson is None else (str(lesson.path),)
    return _stage("publish", *what, settings.named_store.argument(), niceness=5)


def trial_job(settings: Settings) -> Job:
    """The process that tries the store, and ends when it takes a file."""
    job = _stage("publish", settings.named_store.argument(), niceness=5, module="publish.trial")
    return replace(job, source="trial")


def reclaim_jobs(settings: Settings) -> list[Job]:
    """The process that makes room on the disk, where the settings want one."""
    if not settings.storage.reclaim:
        return []
    what = (str(settings.root), settings.storage.argument(), settings.named_store.argument())
    return [_stage(RECLAIM, *what, module="publish.reclaim", niceness=15)]


def web_job(settings: Settings, conductor: Conducted | None = None) -> Job:
    """The process that serves the pages, and what its conductor tells it."""
    pages = settings.pages.model_copy(update={"conductor": conductor or Conducted()})
    return Job(
        stage=API,
        module=API,
        arguments=(pages.argument(),),
        vital=True,
        silence_s=API_SILENCE_S,
    )
