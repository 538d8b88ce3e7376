"""The unattended box: follows every lesson of a root and keeps the processes each one needs alive.

Recording comes first, and only Stop, the lesson's window or `max_lesson` end it: whatever is wrong with a store, a
stage or another lesson is a fault in the box's journal (`lesson.box`), shown by page, `/health` and metrics, and is
tried again for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from api.settings import Conducted
from classroom.faults import ClockWatch, Faults, disk_probe, is_over, job_faults, voice_faults
from classroom.jobs import publish_job, reclaim_jobs, web_job
from classroom.lesson_run import LessonBusyError, LessonRun, Told
from classroom.recording import stop_reason
from classroom.root_lock import RootLock
from classroom.settings import Settings
from classroom.standby import Standby
from classroom.start import PRELOAD
from classroom.store_watch import StoreWatch
from lesson.box import BoxLog, Fault
from lesson.catalogue import Catalogue
from lesson.clock import Moment
from lesson.errors import ClassreelError, StorageError, storage_errors
from lesson.folder import LessonFolder
from lesson.glance import LessonEntry
from lesson.lifecycle import stop_lesson
from lesson.phase import Phase
from lesson.records import JobEnded, JobStarted, encode_line
from process.bulletin import BulletinWriter, LookRequests
from process.fork_launcher import best_launcher
from process.job import Job
from process.launcher import Launcher
from process.logs import redacted
from process.service_manager import READY, WATCHDOG, notify
from process.supervisor import Supervisor

POLL_S = 0.25
LOOK_S = 1.0
RETRY_STUCK_S = 60.0
"""A lesson that could not be brought further is tried again after this long, once it is its turn again."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks a conductor lives by; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], Moment] = Moment.now
    sleep: Callable[[float], None] = time.sleep


class Conductor:
    """`serve`: the API, the running lesson, one older lesson at a time that is still to be made, and publishing.

    A disk that is not there or refuses keeps nothing from starting: it is a fault, shown by the pages, and is tried
    again every second. Raises `ConfigError` when another box has the root.
    """

    def __init__(self, settings: Settings, *, launcher: Launcher | None = None, clock: Clock | None = None) -> None:
        self._settings = settings
        self._log = structlog.get_logger()
        self._root_lock = RootLock(settings.root, settings.url)
        self._root_trouble: str | None = None
        self._bulletin, self._requests = BulletinWriter(), LookRequests()
        self._take_root()
        self._clock = clock or Clock()
        self._launcher = launcher or best_launcher(PRELOAD)
        self._catalogue = Catalogue(settings.root)
        self._box = BoxLog(settings.root)
        self._disk = disk_probe(settings.root, self._root_lock)
        self._own = Supervisor(settings.root / "log", self._launcher, self._clock.monotonic, self._telling(""))
        self._standby = Standby(settings, self._launcher, self._clock.monotonic, self._telling(""))
        self._store = StoreWatch(settings, self._clock.monotonic)
        self._runs: dict[str, LessonRun] = {}
        self._retry_at: dict[str, float] = {}
        self._stuck: dict[str, str] = {}
        self._made: dict[str, tuple[tuple[int, int, int], ...]] = {}  # made or empty, and what `_asked_for` was then
        self._empty: set[str] = set()
        self._unpublished = False
        self._damaged: list[LessonEntry] = []
        self._began = self._clock.now()
        self._clock_watch = ClockWatch(self._began)
        self._box.wait(self._root_trouble is not None)
        notify(READY)

    def serve(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until `until` says so or a signal ends the process; children are ended gently."""
        next_look = 0.0
        try:
            while not until():
                now = self._clock.monotonic()
                self._go_on()
                if now >= next_look:
                    self._look_at_root()
                    next_look = now + LOOK_S
                if self._root_trouble is None:
                    for lesson_id in list(self._runs):
                        self._advance_safely(lesson_id)
                asked_ns = self._requests.look_asked_ns()
                self._own.reconcile(self._own_jobs(asked_ns))  # after the recording, which comes first
                self._standby.reconcile(self._clock.now(), resting=self._records(), asked_ns=asked_ns)
                self._box.flush()
                self._box.settle(self._faults(), over=self._is_over())
                self._clock.sleep(POLL_S)
        finally:
            for run in self._runs.values():
                run.close()
            self._standby.stop()
            self._own.stop()
            self._box.close()
            self._launcher.close()
            self._root_lock.close()
            self._bulletin.close()
            self._requests.close()

    def _go_on(self) -> None:
        """Say that this loop goes round, and what is wrong, where no disk is needed for it."""
        self._bulletin.write(encode_line(fault) for fault in self._box.state.faults.values())
        notify(WATCHDOG)

    def _web_job(self) -> Job:
        told = Conducted(
            bulletin=self._bulletin.path,
            identity=self._root_lock.identity,
            looks=self._standby.looks,
            look_requests=self._requests.path,
        )
        return web_job(self._settings, told)

    def _take_root(self) -> None:
        """Lock the root, or know why not."""
        try:
            self._root_lock.take()
            self._root_trouble = None
        except StorageError as error:
            if self._root_trouble is None:
                self._log.warning("disk_refuses", error=str(error))
            self._root_trouble = str(error)

    def _look_at_root(self) -> None:
        """Take lessons up while the root is ours; nothing is touched where it was while it is gone."""
        was = self._root_trouble
        self._take_root()
        self._box.wait(self._root_trouble is not None)
        if self._root_trouble is None:
            if was is not None:
                self._own.make_log_folder()
            self._take_up_safely()

    def _own_jobs(self, asked_ns: int) -> list[Job]:
        """The processes that are nobody's lesson: the pages, who publishes what is unpublished, who tries the store."""
        unpublished = [publish_job(self._settings)] if self._unpublished else []
        tried = self._store.jobs(self._own, busy=self._unpublished or bool(self._runs), asked_ns=asked_ns)
        return [self._web_job(), *unpublished, *tried, *reclaim_jobs(self._settings)]

    def _take_up_safely(self) -> None:
        """A disk that refuses must not end what is recorded already."""
        try:
            self._take_up()
        except ClassreelError as error:
            self._log.warning("catalogue_read_failed", error=str(error))

    def _take_up(self) -> None:
        """Open the recording lesson, or else the unfinished one that waits longest, if none is being finished."""
        running = self._catalogue.running()
        if running is not None and running.id not in self._runs:
            self._open(running)
            return  # the others have time until its processes run
        unfinished = self._catalogue.unfinished()
        self._unpublished = any(folder.id not in self._empty for folder in unfinished)
        self._damaged = self._catalogue.damaged()
        for damaged in self._damaged:
            if (
                damaged.header is None and damaged.folder.id in self._runs
            ):  # what it is, is known here: without its header nobody could stop it
                self._runs[damaged.folder.id].folder.save_header()
        if all(run.view.state.phase is Phase.RECORDING for run in self._runs.values()):
            waiting = [folder for folder in unfinished if self._is_due(folder)]
            for folder in sorted(waiting, key=lambda folder: self._retry_at.get(folder.id, 0.0))[:1]:
                self._close(folder)
                self._open(folder)

    def _close(self, folder: LessonFolder) -> None:
        """A lesson that another one has followed is over, though nobody stopped it: its cameras are the other's."""
        stop_lesson(self._settings.root, folder, reason="another lesson was started")

    def _is_due(self, folder: LessonFolder) -> bool:
        return (
            folder.id not in self._runs
            and not self._is_made(folder)
            and self._clock.monotonic() >= self._retry_at.get(folder.id, 0.0)
        )

    def _is_made(self, folder: LessonFolder) -> bool:
        was = self._made.get(folder.id)
        return was is not None and was == _asked_for(folder)

    def _open(self, folder: LessonFolder) -> None:
        try:
            run = LessonRun(
                folder, self._settings, publishes=False, launcher=self._launcher, clock=self._clock.monotonic,
                told=self._telling(folder.id),
            )  # fmt: skip
            self._runs[folder.id] = run.__enter__()
            for job, child in self._standby.hand_over(folder, run.view.state, self._clock.now()):
                run.adopt(job, child)
        except LessonBusyError:
            self._retry_at[folder.id] = self._clock.monotonic() + LOOK_S
        except ClassreelError as error:
            self._log.warning("lesson_work_failed", lesson=folder.id, error=str(error))
            self._put_off(folder.id, str(error))

    def _put_off(self, lesson_id: str, reason: str) -> None:
        self._stuck[lesson_id] = reason
        self._retry_at[lesson_id] = self._clock.monotonic() + RETRY_STUCK_S

    def _advance_safely(self, lesson_id: str) -> None:
        """One lesson's trouble (a full disk, say) must end neither the others nor its own recording."""
        try:
            self._advance(lesson_id)
        except ClassreelError as error:
            self._log.warning("lesson_completion_failed", lesson=lesson_id, error=str(error))

    def _advance(self, lesson_id: str) -> None:
        run = self._runs[lesson_id]
        reason = stop_reason(run.view.state, self._clock.now(), max_lesson_s=self._settings.max_lesson)
        if reason:  # asked first: a lesson that is over when it is taken up must not record another second
            stop_lesson(self._settings.root, run.folder, reason=reason)
        asked = _asked_for(run.folder)  # before the look: what comes after it is asked for anew
        run.step(rests=lesson_id in self._waiting())
        if run.done:
            self._stuck.pop(lesson_id, None)
            self._made[lesson_id] = asked
            self._box.clear_lesson(lesson_id)
            if run.view.state.empty:
                self._empty.add(lesson_id)
            self._log.info("lesson_emptied" if lesson_id in self._empty else "lesson_encoded", lesson=lesson_id)
        elif run.stuck:
            self._put_off(lesson_id, "; ".join(run.problems))
            self._log.warning("lesson_stuck", lesson=lesson_id, error="; ".join(run.problems))
        else:
            return
        run.close()
        del self._runs[lesson_id]

    def _records(self) -> bool:
        """Whether a lesson has the feeds."""
        return any(not run.view.state.captured for run in self._runs.values())

    def _waiting(self) -> list[str]:
        """Recorded lessons but for the first: where they come faster than they are made, they wait for one another."""
        return [lesson_id for lesson_id, run in self._runs.items() if run.view.state.captured][1:]

    def _faults(self) -> Faults:
        """Everything that is wrong now."""
        found = {(code, "disk"): line for code, line in self._disk.faults().items()}
        found |= self._clock_watch.faults(self._clock.now())
        if self._root_trouble is not None:
            found[Fault.DISK_REFUSES, "disk"] = self._root_trouble
        found |= job_faults("", [*self._own.troubles.values(), *self._standby.troubles.values()])
        for lesson_id, run in self._runs.items():
            found |= job_faults(lesson_id, run.troubles.values()) | voice_faults(run.view.state)
        found |= {(Fault.LESSON_STUCK, lesson_id): reason for lesson_id, reason in self._stuck.items()}
        return found | {(Fault.LESSON_DAMAGED, one.folder.id): one.problem or "" for one in self._damaged}

    def _is_over(self) -> Callable[[str], bool]:
        """Which faults of an earlier life are over where they were not found again."""
        return partial(is_over, after_s=self._clock.now().seconds_since(self._began), tried=self._disk.answered)

    def _telling(self, lesson_id: str) -> Told:
        def told(job: Job, code: int | None, reason: str) -> None:
            stage, source, at = job.stage, job.source, self._clock.now()
            if code is None:
                self._box.note(JobStarted(stage=stage, source=source, lesson=lesson_id, at=at, task=reason))
            else:
                said = redacted(reason)
                self._box.note(JobEnded(stage=stage, source=source, lesson=lesson_id, at=at, code=code, reason=said))

        return told


def _asked_for(folder: LessonFolder) -> tuple[tuple[int, int, int], ...]:
    """Changes whenever something new is asked of a lesson: its control journal, where another edition is asked for, and
    the one that names damaged files, which have to be made again. Raises `StorageError`.
    """
    stamps = []
    for path in (folder.control_journal, folder.damage_journal):
        with storage_errors(path), suppress(FileNotFoundError):  # an empty journal to whoever reads it
            found = path.stat()
            stamps.append((found.st_size, found.st_mtime_ns, found.st_ino))
    return tuple(stamps)
