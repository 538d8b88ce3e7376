"""What is wrong with the box: found here, journaled by the conductor, shown by page, `/health` and metrics."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from classroom.root_lock import RootLock
from lesson.box import Fault
from lesson.clock import Moment
from lesson.durable import write_atomic
from lesson.elapsed import EARLIEST
from lesson.errors import StorageError, storage_errors
from lesson.model import Kind
from lesson.state import LessonState
from process.disk import demand_same
from process.logs import redacted
from process.supervisor import Trouble

Faults = dict[tuple[Fault, str], str]
"""Code and what it is about (a lesson, a lesson's job, a folder), to a line for people at this box."""

MIN_FREE_BYTES = 5_000_000_000
"""Free disk for about one lesson of 45 minutes with three feeds of 4 Mbit/s."""
SLOW_DISK_S = 1.0
"""Sound disks and cards answer an fsync within 1 to 50 ms."""
PROBE_EVERY_S = 20.0
PROBE_AGAIN_S = 3.0
"""While something was found: a disk that has space again is to be believed soon."""
CLOCK_SLACK_S = 60.0
"""A time server corrects by less once the clock is right."""


def job_faults(lesson_id: str, troubles: Iterable[Trouble]) -> Faults:
    """What the troubles of a lesson's jobs (of the box's own, with an empty id) amount to."""
    return {(_code(one), "/".join(filter(None, (lesson_id, one.job.name)))): redacted(one.reason) for one in troubles}


def _code(trouble: Trouble) -> Fault:
    if trouble.job.stage == "capture":
        return Fault.CAPTURE_FAILS
    if trouble.job.stage == "publish" and (trouble.refused or trouble.passing):
        return Fault.STORE_REFUSES if trouble.refused else Fault.STORE_UNREACHABLE
    return Fault.STAGE_GIVEN_UP


def voice_faults(state: LessonState) -> Faults:
    """Whether a lesson that is being recorded had sound, and no source delivers any now."""
    heard = [source.spec.id for source in state.sources.values() if source.delivered(Kind.AUDIO)]
    if state.stop or not heard or any(source.delivers(Kind.AUDIO) for source in state.sources.values()):
        return {}
    return {(Fault.VOICE_LOST, state.header.id): f"no sound any more from {', '.join(heard)}"}


def clock_faults(now: Moment, began: Moment) -> Faults:
    """Whether the wall clock is plainly wrong, or has moved against the monotonic one since `began`."""
    ran, showed = now.ns_since(began), (now.wall_time - began.wall_time).total_seconds()
    if now.wall_time < EARLIEST:
        return {(Fault.CLOCK_UNTRUSTED, "clock"): f"the clock shows {now.wall_time:%Y-%m-%d}"}
    if ran is not None and abs(showed - ran * 1e-9) > CLOCK_SLACK_S:
        return {(Fault.CLOCK_UNTRUSTED, "clock"): f"the clock was set by {showed - ran * 1e-9:+.0f} s while running"}
    return {}


class DiskWatch:
    """Tries the disk below `root` now and then, in a thread of its own: it may hang there as long as it likes."""

    def __init__(self, root: Path, lock: RootLock, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._lock = lock
        self._clock = clock
        self._faults: Faults = {}
        self._trial_began: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="disk-watch", daemon=True).start()

    def faults(self) -> Faults:
        """What was found at the last trial, or that the running one takes too long."""
        began = self._trial_began
        if began is not None and self._clock() - began > SLOW_DISK_S:
            return {(Fault.DISK_SLOW, "disk"): f"{self._root}: no answer for {self._clock() - began:.0f} s"}
        return self._faults

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._trial_began = self._clock()
            found = self._trial()
            self._trial_began, self._faults = None, found
            self._ended.wait(PROBE_AGAIN_S if found else PROBE_EVERY_S)

    def _trial(self) -> Faults:
        began = self._clock()
        try:
            demand_same(self._root, self._lock.identity)
            if self._lock.identity is None:
                return {}  # it could not be locked: that is what is said
            write_atomic(self._root / ".trial", b"classreel")
            with storage_errors(self._root):
                usage = shutil.disk_usage(self._root)
        except StorageError as error:
            return {(Fault.DISK_REFUSES, "disk"): str(error)}
        found: Faults = {}
        if (took := self._clock() - began) > SLOW_DISK_S:
            found[Fault.DISK_SLOW, "disk"] = f"{self._root}: a small file took {took:.1f} s"
        if usage.free < min(MIN_FREE_BYTES, usage.total // 10):
            found[Fault.DISK_LOW, "disk"] = f"{self._root}: {usage.free / 1e9:.1f} GB free"
        return found
