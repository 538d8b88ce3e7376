"""The work behind `record`, `import`, `process` and `demo`: one lesson, until it is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classroom.conductor import Conductor
from classroom.lesson_run import LessonBusyError, LessonRun, at_work
from classroom.progress import LessonProgress
from classroom.recording import recorded_s, stop_reason
from classroom.report import lesson_report
from classroom.settings import Settings, SourceSettings, StoreSettings
from lesson.clock import Moment
from lesson.errors import ClassreelError, ConfigError, LessonFormatError, StorageError
from lesson.folder import LessonFolder, lessons_in
from lesson.lifecycle import start_lesson, stop_lesson
from lesson.state import LessonView, load_state

POLL_S = 0.1
TROUBLE_POLL_S = 1.0
DEMO_TITLE = "Demo lesson"

DEMO_SOURCES = (
    ("teacher", "teacher", "test:teacher"),
    ("students", "students", "test:students"),
    ("board", "board", "test:board"),
    ("mic", "mic", "test:tone"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a lesson ended: the contract's report, and whether it is published."""

    report: dict[str, Any]
    ok: bool


def finish(folder: LessonFolder, settings: Settings, say: Callable[[str], None]) -> Outcome:
    """Work on a lesson until it is published or stuck; where another classreel is at it already, wait for that one.

    The first Ctrl-C while recording stops the recording; the next one leaves the lesson for `classreel process`.

    Raises:
        LessonFormatError: the lesson was never started.
    """
    if load_state(folder).start is None:
        raise LessonFormatError(f"lesson {folder.id} was never started: there is nothing to finish")
    while True:
        try:
            with LessonRun(folder, settings) as run, LessonProgress() as progress:
                return _work(run, settings, progress, say)
        except LessonBusyError as busy:
            say(f"{busy}; waiting for it")
            if outcome := _look_on(folder):
                return outcome
        except KeyboardInterrupt:
            say(f"lesson {folder.id} is unfinished: `classreel process {folder.id}` finishes it")
            raise


def _work(run: LessonRun, settings: Settings, progress: LessonProgress, say: Callable[[str], None]) -> Outcome:
    trouble = ""
    while not (run.done or run.stuck):
        try:
            _advance(run, settings, progress)
            time.sleep(POLL_S)
        except StorageError as error:  # a full disk must not end the processes that record what still fits
            if str(error) != trouble:
                say(f"classreel: {error}")
            trouble = str(error)
            time.sleep(TROUBLE_POLL_S)
        except KeyboardInterrupt:
            if run.view.state.stop:
                raise
            stop_lesson(settings.root, run.folder, reason="Ctrl-C")
    return Outcome(lesson_report(run.folder, run.view, run.problems), run.done)


def _look_on(folder: LessonFolder) -> Outcome | None:
    """Look on while another process is at the lesson; None when it leaves the lesson unfinished."""
    view = LessonView(folder)
    with LessonProgress() as progress:
        while at_work(folder):
            view.poll()
            progress.update(view.state, recorded_s=recorded_s(view.state, Moment.now()))
            time.sleep(POLL_S)
    view.poll()
    return Outcome(lesson_report(folder, view, []), ok=True) if view.state.verified else None


def process(folder: LessonFolder, settings: Settings, say: Callable[[str], None]) -> Outcome:
    """Finish a lesson; one that nobody is recording any more is closed where its recording broke off."""
    state = load_state(folder)
    if state.start and state.stop is None and not at_work(folder):
        stop_lesson(settings.root, folder, reason="closed for processing")
    return finish(folder, settings, say)


def _advance(run: LessonRun, settings: Settings, progress: LessonProgress) -> None:
    run.step()
    state, now = run.view.state, Moment.now()
    reason = stop_reason(state, now, max_lesson_s=settings.max_lesson)
    if reason:
        stop_lesson(settings.root, run.folder, reason=reason, at=now)
    progress.update(state, recorded_s=recorded_s(state, now))


def record(settings: Settings, *, for_s: float, title: str | None, say: Callable[[str], None]) -> Outcome:
    """Record one lesson of `for_s` seconds, or go on with the one a crash interrupted.

    Raises:
        ConfigError: no sources are configured.
        LessonBusyError: another classreel is recording in this root.
    """
    if not settings.sources:
        raise ConfigError("no sources: name cameras in classroom.toml ([[sources]]), or try `classreel demo`")
    folder = _interrupted(settings, say)
    if folder is None:
        folder, new = start_lesson(settings.root, settings.template(), title=title, for_s=for_s)
        if not new:
            raise LessonBusyError(f"lesson {folder.id} is being recorded already: stop it first")
    return finish(folder, settings, say)


def _interrupted(settings: Settings, say: Callable[[str], None]) -> LessonFolder | None:
    """The newest unfinished live lesson whose window is still open; older ones are closed and named."""
    for folder in reversed(list(lessons_in(settings.root))):
        try:
            state = load_state(folder)
        except ClassreelError as error:
            say(f"lesson {folder.id} cannot be read: {error}")
            continue
        if state.verified or state.header.imported or state.start is None or state.start.for_s is None:
            continue
        window = Moment.now().seconds_since(state.start.at)
        if state.stop is None and stop_reason(state, Moment.now(), max_lesson_s=settings.max_lesson) is None:
            say(f"going on with lesson {folder.id}")
            return folder
        if state.stop is not None and window < state.start.for_s:
            say(f"finishing lesson {folder.id}")
            return folder
        if state.stop is None:
            stop_lesson(settings.root, folder, reason="interrupted; its time is over")
        say(f"lesson {folder.id} is unfinished: `classreel process {folder.id}` finishes it")
    return None


def demo_settings(out: Path, port: int) -> Settings:
    """A simulated classroom below `out`."""
    root = out.absolute() / "lessons"
    sources = tuple(
        SourceSettings.model_validate({"id": i, "role": role, "uri": uri, "required": True})
        for i, role, uri in DEMO_SOURCES
    )
    return Settings(
        root=root,
        room="Demo classroom",
        store=StoreSettings(url=(out.absolute() / "store").as_uri()),
        sources=sources,
        listen=f"127.0.0.1:{port}",
    )


def demo_served(settings: Settings, *, for_s: float, tell: Callable[[Outcome], None]) -> None:
    """The whole box on the simulated classroom, with one lesson started at once; ends with Ctrl-C.

    `tell` gets the lesson's outcome once it is published; the pages go on being served, and their button works.
    """
    folder, _ = start_lesson(settings.root, settings.template(), title=DEMO_TITLE, for_s=for_s)
    view = LessonView(folder)
    told = False

    def watch() -> bool:
        nonlocal told
        view.poll()
        progress.update(view.state, recorded_s=recorded_s(view.state, Moment.now()))
        if view.state.verified and not told:
            told = True
            tell(Outcome(lesson_report(folder, view, []), ok=True))
        return False

    with LessonProgress() as progress:
        Conductor(settings).serve(watch)
