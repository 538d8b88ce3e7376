"""What is wrong with the box: found here, journaled by the conductor, shown by page, `/health` and metrics."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from classroom.jobs import RECLAIM, SIGNAL, STANDBY
from classroom.root_lock import RootLock
from lesson.box import Fault
from lesson.clock import Moment
from lesson.durable import write_atomic
from lesson.elapsed import EARLIEST
from lesson.model import Kind
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.store_fault import StoreFault
from lesson.time import TICKS_PER_SECOND, Ticks
from process.disk import TRIAL, TRIAL_BYTES, DiskProbe, Findings, demand_same, space_for
from process.kept import Trouble
from process.logs import redacted

Faults = dict[tuple[Fault, str], str]
"""Code and what it is about (a lesson, a lesson's job, a folder), to a line for people at this box."""

SLOW_DISK_S = 1.0
"""Sound disks and cards answer an fsync within 1 to 50 ms."""
PROBE_EVERY_S = 20.0
PROBE_AGAIN_S = 3.0
"""While something was found: a disk that has space again is to be believed soon."""
SETTLE_S = 30.0
"""After a start what is wrong with a process is found again within this: it ends, or stands still for 10 s."""
SETTLE_SLOWLY_S = 90.0
"""A store is tried in its turn, and a lesson that is stuck is taken up once a minute."""
_LOOKED_AT = frozenset(
    {Fault.DISK_LOW, Fault.DISK_SLOW, Fault.DISK_REFUSES, Fault.CLOCK_UNTRUSTED, Fault.CONDUCTOR_HANGS}
)
_SLOWLY_FOUND = frozenset({Fault.STORE_REFUSES, Fault.STORE_UNREACHABLE, Fault.LESSON_STUCK})
NO_VOICE: Ticks = 10 * TICKS_PER_SECOND
"""When so much picture is recorded without any sound, there is none: sources are there within seconds."""
CLOCK_SLACK_S = 60.0
"""A time server corrects by less once the clock is right."""
STEP_SAID_S = 600.0
"""Which of the two times was the right one nobody knows; somebody should look. Then it is over."""


def job_faults(lesson_id: str, troubles: Iterable[Trouble]) -> Faults:
    """What the troubles of a lesson's jobs (of the box's own, with an empty id) amount to."""
    found: Faults = {}
    for one in troubles:
        if one.job.stage == "capture" and one.about:
            continue  # it stood by until now: its flaws were those of the idle room
        standby = (one.job.name, one.about) if one.job.stage == STANDBY else ()
        about = "/".join(filter(None, standby)) or one.about or "/".join(filter(None, (lesson_id, one.job.name)))
        found[_code(one), about] = redacted(one.reason)
    return found


def _code(trouble: Trouble) -> Fault:
    if trouble.disk and trouble.job.stage == "capture":  # whatever was to be stored: its source is sound
        return Fault.DISK_REFUSES
    if trouble.job.stage == STANDBY:
        return Fault.SOURCE_FLAWED if trouble.about else Fault.CAPTURE_FAILS
    if trouble.about == StoreFault.CLOCK:
        return Fault.CLOCK_UNTRUSTED
    if trouble.job.stage == RECLAIM and trouble.refused:  # it says so only when there is too little room
        return Fault.DISK_LOW
    if trouble.about:  # one lesson of many
        return Fault.LESSON_STUCK
    if trouble.job.stage == "capture":
        return Fault.CAPTURE_FAILS
    if trouble.job.stage == SIGNAL:
        return Fault.SIGNAL_UNCHECKED
    if trouble.silence_s:
        return Fault.STAGE_HANGS
    if trouble.job.stage == "publish" and (trouble.refused or trouble.passing):
        return Fault.STORE_REFUSES if trouble.refused else Fault.STORE_UNREACHABLE
    return Fault.STAGE_HANGS if trouble.passing else Fault.STAGE_GIVEN_UP  # a stage says that of its own processes


def is_over(code: str, after_s: float, *, tried: bool) -> bool:
    """Whether a fault of an earlier life of this box, that was not found again in so long, is over.

    `tried`: the disk has answered; that and the clock are looked at before anything else.
    """
    if code in _LOOKED_AT:
        return tried
    return after_s > (SETTLE_SLOWLY_S if code in _SLOWLY_FOUND else SETTLE_S)


def voice_faults(state: LessonState) -> Faults:
    """Whether a lesson that is being recorded has had no sound so far, or has none any more."""
    heard = [source.spec.id for source in state.sources.values() if source.delivered(Kind.AUDIO)]
    if state.stop or any(source.delivers(Kind.AUDIO) for source in state.sources.values()):
        return {}
    if not heard:
        late = any(_shown(source) >= NO_VOICE for source in state.sources.values())
        return {(Fault.NO_VOICE, state.header.id): "no source has given any sound so far"} if late else {}
    return {(Fault.VOICE_LOST, state.header.id): f"no sound any more from {', '.join(heard)}"}


def _shown(source: SourceState) -> Ticks:
    """How much picture there is of a source."""
    return sum(stretch.span.duration for stretch in source.coverage(Kind.VIDEO))


class ClockWatch:
    """Whether the wall clock is plainly wrong now, or was set lately, which is said for `STEP_SAID_S`."""

    def __init__(self, began: Moment) -> None:
        self._before = began
        self._step: tuple[Moment, str] | None = None

    def faults(self, now: Moment) -> Faults:
        """As of now; to be asked at least once a minute."""
        ran, showed = now.ns_since(self._before), (now.wall_time - self._before.wall_time).total_seconds()
        step_s = 0.0 if ran is None else showed - ran * 1e-9
        if abs(step_s) > CLOCK_SLACK_S and self._before.wall_time >= EARLIEST:  # else it was set right
            self._step = now, f"the clock was set by {step_s:+.0f} s while running"
        self._before = now
        if now.wall_time < EARLIEST:
            return {(Fault.CLOCK_UNTRUSTED, "clock"): f"the clock shows {now.wall_time:%Y-%m-%d}"}
        if self._step is not None and now.seconds_since(self._step[0]) < STEP_SAID_S:
            return {(Fault.CLOCK_UNTRUSTED, "clock"): self._step[1]}
        return {}


def disk_probe(root: Path, lock: RootLock) -> DiskProbe:
    """A probe that nobody waits for: the loop that asks also keeps recordings alive."""
    trial = partial(_disk_trial, root, lock)
    return DiskProbe(root, trial, every_s=PROBE_EVERY_S, again_s=PROBE_AGAIN_S, hangs_s=SLOW_DISK_S)


def _disk_trial(root: Path, lock: RootLock) -> Findings:
    """Whether a new file is taken, how quickly, and how much room there is."""
    demand_same(root, lock.identity)
    if lock.identity is None:
        return {}  # it could not be locked: that is what is said
    began = time.monotonic()
    write_atomic(root / TRIAL, TRIAL_BYTES)
    found, took, space = {}, time.monotonic() - began, space_for(root)
    if took > SLOW_DISK_S:
        found[Fault.DISK_SLOW] = f"{root}: a small file took {took:.1f} s"
    if space.low:
        found[Fault.DISK_LOW] = f"{root}: {space.free / 1e9:.1f} GB free"
    return found
