"""The work behind `record`, `import`, `process` and `demo`: one lesson, until it is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classroom.conductor import Conductor
from classroom.lesson_run import LessonBusyError, LessonRun, at_work
from classroom.listening import with_port
from classroom.progress import LessonProgress
from classroom.recording import recorded_s, stop_reason
from classroom.report import lesson_report
from classroom.settings import Settings, compose
from classroom.start import PRELOAD
from lesson.catalogue import Catalogue
from lesson.clock import Moment
from lesson.elapsed import seconds_between
from lesson.errors import ConfigError, JournalBusyError, LessonFormatError, StorageError, StoreError
from lesson.folder import LessonFolder
from lesson.lifecycle import start_lesson, stop_lesson, window
from lesson.records import Stop
from lesson.verify import spoilt_files
from lesson.view import LessonView, load_state
from process.fork_launcher import best_launcher
from process.launcher import Launcher

POLL_S = 0.1
TROUBLE_POLL_S = 1.0
INTERRUPTED = "interrupted; its time is over"
DEMO_TITLE = "Demo lesson"

DEMO_SOURCES = (
    ("teacher", "teacher", "test:teacher"),
    ("students", "students", "test:students"),
    ("board", "board", "test:board"),
    ("mic", "mic", "test:tone"),
)


@dataclass(frozen=True, slots=True)
class LessonOutcome:
    """How a lesson ended: the contract's report, and whether it is published."""

    report: dict[str, Any]
    ok: bool


def finish(
    folder: LessonFolder, settings: Settings, say: Callable[[str], None], launcher: Launcher | None = None
) -> LessonOutcome:
    """Work on a lesson until it is published or stuck; where another classreel is at it already, wait for that one.

    The first Ctrl-C while recording stops the recording; the next one leaves the lesson for `classreel process`.

    Raises:
        LessonFormatError: the lesson was never started.
    """
    if load_state(folder).start is None:
        raise LessonFormatError(f"lesson {folder.id} was never started: there is nothing to finish")
    while True:
        try:
            with LessonRun(folder, settings, launcher=launcher) as run, LessonProgress() as progress:
                return _work(run, settings, progress, say)
        except LessonBusyError as busy:
            say(f"{busy}; waiting for it")
            if outcome := _look_on(folder):
                return outcome
        except KeyboardInterrupt:
            say(f"lesson {folder.id} is unfinished: `classreel process {folder.id}` finishes it")
            raise


def _work(run: LessonRun, settings: Settings, progress: LessonProgress, say: Callable[[str], None]) -> LessonOutcome:
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
    progress.last(run.view.state, recorded_s=recorded_s(run.view.state, Moment.now()))
    return LessonOutcome(lesson_report(run.folder, run.view, run.problems), run.published)


def _look_on(folder: LessonFolder) -> LessonOutcome | None:
    """Look on while another process is at the lesson; None when it leaves the lesson unfinished."""
    view = LessonView(folder)
    with LessonProgress() as progress:
        while at_work(folder):
            view.poll()
            progress.update(view.state, recorded_s=recorded_s(view.state, Moment.now()))
            time.sleep(POLL_S)
    view.poll()
    return LessonOutcome(lesson_report(folder, view, []), ok=True) if view.state.verified else None


def process(folder: LessonFolder, settings: Settings, say: Callable[[str], None]) -> LessonOutcome:
    """Finish a lesson; one that nobody is recording any more is closed where its recording broke off.

    Of one that is published, whatever the store has lost since is sent again, and what is damaged here is named.
    """
    state = load_state(folder)
    if state.start and state.stop is None and not at_work(folder):
        stop_lesson(settings.root, folder, reason="closed for processing")
    if state.verified:
        _resend(folder, settings, say)
    outcome = finish(folder, settings, say)
    if state.verified:  # what is made now was looked at as it was sent
        outcome.report["problems"] += spoilt_files(folder, load_state(folder))
    return outcome


def _resend(folder: LessonFolder, settings: Settings, say: Callable[[str], None]) -> None:
    """See to it that the store still holds what was published, and say what it did not."""
    from publish.resend import resend  # commands that record do without
    from publish.store import ATTENDED_REPLY_S, open_store

    try:
        count = resend(folder, open_store(settings.named_store, reply_s=ATTENDED_REPLY_S))
    except JournalBusyError:
        say(f"lesson {folder.id} is being published by another process: not compared with the store")
    except (StoreError, ConfigError) as error:
        say(f"classreel: what the store holds could not be compared: {error}")
    else:
        if count:
            say(f"{count} objects were missing or altered in the store, and were sent again")


def _advance(run: LessonRun, settings: Settings, progress: LessonProgress) -> None:
    run.step()
    state, now = run.view.state, Moment.now()
    reason = stop_reason(state, now, max_lesson_s=settings.max_lesson)
    if reason:
        stop_lesson(settings.root, run.folder, reason=reason, at=now)
    progress.trouble(run.problems)
    progress.update(state, recorded_s=recorded_s(state, now))


def record(settings: Settings, *, for_s: float, title: str | None, say: Callable[[str], None]) -> LessonOutcome:
    """Record one lesson of `for_s` seconds, or bring to its end the one that a crash interrupted.

    The interrupted one goes on while its window is open; after that it is closed and published, and nothing new
    starts: whoever starts a crashed command again wants that lesson, not another one.

    Raises:
        ConfigError: no sources are configured.
        LessonBusyError: another classreel is recording in this root.
    """
    if not settings.sources:
        raise ConfigError("no sources: name cameras in classroom.toml ([[sources]]), or try `classreel demo`")
    with closing(best_launcher(PRELOAD)) as launcher:  # it imports while the lesson is looked for
        catalogue = Catalogue(settings.root)
        folder = _interrupted(catalogue, settings, say)
        if folder is None:
            template = settings.template()
            folder, new = start_lesson(settings.root, template, title=title, for_s=for_s, catalogue=catalogue)
            if not new:
                raise LessonBusyError(f"lesson {folder.id} is being recorded already: stop it first")
        return finish(folder, settings, say, launcher)


def _interrupted(catalogue: Catalogue, settings: Settings, say: Callable[[str], None]) -> LessonFolder | None:
    """The newest unfinished lesson of a `record` that this one carries on; all other unfinished ones are named.

    Nothing is folded but that lesson: recording comes first.
    """
    for damaged in catalogue.damaged():
        say(f"lesson {damaged.folder.id} cannot be read: {damaged.problem}")
    running = catalogue.running()
    unfinished = catalogue.unfinished()
    unfinished.sort(key=lambda folder: (running is not None and folder.id == running.id, folder.id), reverse=True)
    found: LessonFolder | None = None
    for folder in unfinished:
        start, stop = window(folder)
        if folder.header.imported or start is None or start.for_s is None:
            continue
        if found is None and _is_this_one(start.at, stop, start.for_s):
            found = folder
        elif not at_work(folder):
            say(f"lesson {folder.id} is unfinished: `classreel process {folder.id}` finishes it")
    if found is None:
        return None
    if running is not None and found.id == running.id and _window_is_open(found, settings):
        say(f"going on with lesson {found.id}")
        return found
    stop_lesson(settings.root, found, reason=INTERRUPTED)
    if not any(source.segments for source in load_state(found).sources.values()):
        say(f"lesson {found.id} was interrupted before anything was recorded")
        return None
    say(f"finishing lesson {found.id}")
    return found


def _is_this_one(started: Moment, stop: Stop | None, for_s: float) -> bool:
    """Whether a `record` that is started again means this lesson: one that was interrupted, or is this young.

    An interrupted one stays this one, once it is closed, for as long as a lesson takes: the command may be ended and
    started again while it publishes. After that a store that refuses must not cost the next class its recording.
    """
    if stop is None:
        return True
    ages = [seconds_between(since, Moment.now()) for since in (started, *([stop.at] * (stop.reason == INTERRUPTED)))]
    return any(age is not None and age < for_s for age in ages)


def _window_is_open(folder: LessonFolder, settings: Settings) -> bool:
    """Whether the lesson may still record. It is folded only if its window would have passed since its very start."""
    start, _ = window(folder)
    age = seconds_between(start.at, Moment.now()) if start else None
    if start and start.for_s and age is not None and age < min(start.for_s, settings.max_lesson):
        return True
    return stop_reason(load_state(folder), Moment.now(), max_lesson_s=settings.max_lesson) is None


def demo_settings(out: Path | None, port: int | None) -> Settings:
    """A simulated classroom below `out`; None: below ./classreel-demo, unless the environment names another root."""
    folder = (out or Path("classreel-demo")).absolute()
    root, store = folder / "lessons", (folder / "store").as_uri()
    sources = [{"id": i, "role": role, "uri": uri, "required": True} for i, role, uri in DEMO_SOURCES]
    values = {"root": root, "store": {"url": store}, "room": "Demo classroom", "sources": sources}
    settings = compose(values, options={("root",): root, ("store", "url"): store} if out else None)
    return with_port(settings, port)


def demo_served(settings: Settings, *, for_s: float, tell: Callable[[LessonOutcome], None]) -> None:
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
            tell(LessonOutcome(lesson_report(folder, view, []), ok=True))
        return False

    with LessonProgress() as progress:
        Conductor(settings).serve(watch)
