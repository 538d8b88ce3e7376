"""The feeds that are kept open between lessons: a process each, handed over to the lesson that begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from capture.orders import Order, look_asked, order_lines
from capture.settings import SourceSettings
from classroom.jobs import CAPTURE_NICENESS, CAPTURE_SILENCE_S, STANDBY, capture_jobs
from classroom.lesson_run import Told
from classroom.settings import Settings
from lesson.box import standing_by
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.state import LessonState
from lesson.time import NANOSECONDS_PER_SECOND
from process.bulletin import BulletinWriter
from process.job import Job
from process.kept import Trouble
from process.launcher import Child, Launcher
from process.supervisor import Supervisor

FRESH_S = 60.0
"""A lesson that was started longer ago is taken up again: what stands by now holds nothing of its beginning."""
TEST_S = 60.0
"""So long feeds that rest are opened when somebody wants to see what they deliver."""


class Standby:
    """Keeps the feeds open that may be, and hands them over.

    `looks`: where each of them says what it delivers, by source; none where there is no such memory.
    """

    def __init__(self, settings: Settings, launcher: Launcher, clock: Callable[[], float], told: Told) -> None:
        self._template = settings.attended_template()
        self._supervisor = Supervisor(settings.root / "log", launcher, clock, told)
        self._orders = BulletinWriter()
        self._said = {one.id: BulletinWriter() for one in settings.sources if one.stands_by}
        self.looks = {name: said.path for name, said in self._said.items() if said.path is not None}
        self._jobs = {
            one.id: _job(one, self._orders.path, self.looks[one.id])
            for one in settings.sources
            if self._orders.path is not None and one.id in self.looks
        }
        self._specs = {one.id: one.spec() for one in settings.sources}

    @property
    def troubles(self) -> dict[str, Trouble]:
        """Job name to what is wrong with a feed that should stand by."""
        return self._supervisor.troubles

    def reconcile(self, now: Moment, *, resting: bool, asked_ns: int = 0) -> None:
        """Keep all feeds open; none while a lesson has them, or outside the hours for it, unless somebody has just
        asked to see what they deliver (CLOCK_MONOTONIC).
        """
        asked = asked_ns > 0 and now.monotonic_ns - asked_ns < TEST_S * NANOSECONDS_PER_SECOND
        if not resting:
            self._orders.write(look_asked(asked_ns) if asked else ())
        wanted = () if resting else self._template.able if asked else self._template.standing(now)
        self._supervisor.reconcile([self._jobs[one] for one in wanted if one in self._jobs])

    def hand_over(self, folder: LessonFolder, state: LessonState, now: Moment) -> list[tuple[Job, Child]]:
        """The processes that stand by for the sources of a lesson which has just begun; they record it from its Start.

        They are the caller's to keep, as the lesson's own.
        """
        if state.start is None or not 0 <= (now.ns_since(state.start.at) or -1) < FRESH_S * 1e9:
            return []
        orders, given = [], []
        for job in capture_jobs(folder, state):
            source = state.sources[job.source or ""]
            if source.spec != self._specs.get(source.spec.id) or source.epochs:
                continue
            child = self._supervisor.release(standing_by(source.spec.id))
            if child is not None:
                orders.append(Order(source.spec.id, str(folder.path.absolute()), state.start.at.monotonic_ns))
                given.append((job, child))
        self._orders.write(order_lines(orders))
        return given

    def stop(self) -> None:
        """End all that still stand by."""
        self._supervisor.stop()
        for memory in (self._orders, *self._said.values()):
            memory.close()


def _job(source: SourceSettings, orders: Path, looks: Path) -> Job:
    return Job(
        stage=STANDBY,
        source=source.id,
        module="capture.standby",
        arguments=(source.argument(), str(orders), str(looks)),
        vital=True,
        task="stand by",
        niceness=CAPTURE_NICENESS,
        silence_s=CAPTURE_SILENCE_S,
    )
