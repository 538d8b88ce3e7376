"""Keeps jobs alive: each is restarted alone, with a growing pause; what hangs is replaced; what cannot work is said.

No job's trouble touches another's process. Nothing is given up for good: what failed again and again, or says that
trying again will not help, is a `Trouble` that others may show, and is tried again every minute for ever.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from lesson.errors import StorageError, storage_errors
from process.activity import Standstill
from process.job import Job
from process.kept import Kept, Trouble, backoff, complaints, look_for_work
from process.launcher import Child, ExecLauncher, Launcher
from process.logs import last_error, rotate
from process.stage import EXIT_DISK, EXIT_DONE, EXIT_FATAL

GIVE_UP_AFTER = 3
"""Failures in a row that are trouble: some 4 s after the first, as pauses are 0.5 and 1 s at most."""
RETRY_S = 60.0
"""What was given up is tried again after so long."""
PROVEN_S = 15.0
"""A process that was in trouble and now lives this long is over it (if it hung, after the time that took besides):
refusals come within seconds."""
REFUSED_VITAL_S = 10.0
"""What is vital is tried again so soon though it says that this does not help: somebody may put it right meanwhile."""
DONE_PAUSE_S = 1.0
"""Between a process ending well and the journals saying so to the conductor."""
RETIRE_GRACE_S = 5.0
TERM_GRACE_S = 10.0
START_PATIENCE_S, LONGEST_START_S = 30.0, 240.0
"""To the first sign of life: imports on a starved machine. Doubled after each failure in a row, up to the longest: who
is killed half-way through them each time would never be there."""
SILENT_S = 2.5
"""Signs of life come twice a second; who gave none for so long is not handed on."""
STALLED_S = 2.0
"""A supervisor that was itself asleep for longer (a stopped box) has heard nobody: silence then proves nothing."""
_LOOK_AT_LOGS_S = 30.0

_log = structlog.get_logger()


@dataclass(slots=True)
class Supervisor:
    """Runs jobs as child processes that log into the folder `logs`. Not thread-safe.

    `told` hears of each start (code None) and end of a process: job, exit code, reason in words.
    """

    logs: Path
    launcher: Launcher = field(default_factory=ExecLauncher)
    clock: Callable[[], float] = time.monotonic
    told: Callable[[Job, int | None, str], None] = lambda _job, _code, _reason: None
    _kept: dict[str, Kept] = field(default_factory=dict)
    _looked: float | None = None
    _look_at_logs: float = 0.0

    def __post_init__(self) -> None:
        self.make_log_folder()

    def make_log_folder(self) -> None:
        """Make it, where it can be made: without it processes work, and log into our own stderr."""
        try:
            with storage_errors(self.logs):
                self.logs.mkdir(parents=True, exist_ok=True)  # nobody waits until a log is durable
        except StorageError as error:
            _log.warning("log_folder_lost", error=str(error))

    @property
    def troubles(self) -> dict[str, Trouble]:
        """Job name (with a slash and what part of its work it is about) to trouble, of jobs that are wanted."""
        return {
            "/".join(filter(None, (name, trouble.about))): trouble
            for name, kept in self._kept.items()
            for trouble in ([kept.trouble] if kept.trouble else complaints(kept))
        }

    def failures(self, name: str) -> int:
        """Failures in a row of a job."""
        kept = self._kept.get(name)
        return kept.failures if kept else 0

    def succeeded(self, name: str) -> float | None:
        """When a job that is still wanted last ended well, by the supervisor's clock; None if it did not."""
        kept = self._kept.get(name)
        return kept.succeeded if kept else None

    def pid(self, name: str) -> int | None:
        """Process id of a running job."""
        kept = self._kept.get(name)
        return kept.child.pid if kept and kept.child else None

    def forgive(self, name: str) -> None:
        """Forget a job's failures: it has shown that it works."""
        if kept := self._kept.get(name):
            kept.backoff.reset()
            kept.failures = 0
            kept.trouble = None

    def release(self, name: str) -> Child | None:
        """Let go of a job whose process lives, without ending it: somebody else keeps it from now on.

        One that gives no sign of life is of no use to anybody: it is ended.
        """
        kept = self._kept.get(name)
        if kept is None or kept.child is None or kept.child.poll() is not None:
            return None
        if not kept.child.stirred() and self.clock() - (kept.stirred or kept.started) > SILENT_S:
            kept.child.signal(signal.SIGKILL)
            return None
        del self._kept[name]
        return kept.child

    def adopt(self, job: Job, child: Child) -> None:
        """Keep a process that lives already as the one of `job`."""
        kept = self._kept[job.name] = self._new(job)
        self._began(kept, child, self.clock())
        kept.stirred = kept.started  # it lives: what is allowed for a start is not its due

    def reconcile(self, wanted: Sequence[Job]) -> None:
        """Reap what ended, replace what hangs, start what is wanted and due, stop what is wanted no more."""
        now = self.clock()
        self._forgive_own_sleep(now)
        for kept in self._kept.values():
            self._check(kept, now)
        self._retire({job.name for job in wanted}, now)
        for job in wanted:
            if job.name not in self._kept:
                self._kept[job.name] = self._new(job)
            kept = self._kept[job.name]
            kept.unwanted_since = None
            if kept.job != job:  # another task under the same name: a new chance, once the old process has ended
                kept.job, kept.trouble, kept.next_start = job, None, 0.0
            if kept.child is None and now >= kept.next_start:
                self._start(kept, now)
        if now >= self._look_at_logs:
            self._look_at_logs = now + _LOOK_AT_LOGS_S
            for kept in self._kept.values():
                rotate(kept.log)

    def _forgive_own_sleep(self, now: float) -> None:
        asleep = now - self._looked if self._looked is not None else 0.0
        self._looked = now
        if asleep > STALLED_S:
            for kept in self._kept.values():
                kept.started += asleep
                if kept.stirred is not None:
                    kept.stirred += asleep
                if kept.standstill:
                    kept.standstill.stirred()

    def _check(self, kept: Kept, now: float) -> None:
        if kept.child is None:
            return
        code = kept.child.poll()
        if code is not None:
            self._ended(kept, code, now)
            return
        if kept.child.stirred():
            kept.stirred, kept.still = now, None
            if kept.standstill:
                kept.standstill.stirred()
        if kept.trouble and now - kept.started > PROVEN_S + (kept.trouble.silence_s or 0.0):
            kept.trouble = None
        silence, allowed = self._silence(kept, now)
        if allowed is not None and silence > allowed and kept.hung is None:
            kept.hung = f"no sign of life for {silence:.0f} s"
            _log.warning("process_hung", job=kept.job.name, error=kept.hung)
            kept.child.signal(signal.SIGKILL)
        look_for_work(kept, now, silence)

    def _silence(self, kept: Kept, now: float) -> tuple[float, float | None]:
        """Seconds without a sign of life, and how many are allowed."""
        allowed = kept.job.silence_s
        if kept.stirred is None:
            patience = min(START_PATIENCE_S * 2**kept.failures, LONGEST_START_S)
            return now - kept.started, None if allowed is None else max(patience, allowed)
        return now - kept.stirred, allowed

    def _retire(self, wanted: set[str], now: float) -> None:
        """Let go of what is wanted no more: it is about to end by itself, and is told to only if it does not."""
        for name, kept in list(self._kept.items()):
            if name in wanted:
                continue
            if kept.unwanted_since is None:
                kept.unwanted_since, kept.trouble = now, None
            unwanted_for = now - kept.unwanted_since
            if kept.child is not None and unwanted_for > RETIRE_GRACE_S:
                kept.child.signal(signal.SIGKILL if unwanted_for > RETIRE_GRACE_S + TERM_GRACE_S else signal.SIGTERM)
            if kept.child is None:
                del self._kept[name]

    def _new(self, job: Job) -> Kept:
        return Kept(job, self.logs / f"{job.name}.log", backoff(job))

    def _began(self, kept: Kept, child: Child, now: float) -> None:
        kept.started, kept.stirred, kept.hung, kept.still = now, None, None, None
        kept.child, kept.standstill = child, Standstill(child.activity)
        self.told(kept.job, None, kept.job.task)

    def _start(self, kept: Kept, now: float) -> None:
        try:
            child = self.launcher.start(kept.job, kept.log)
        except OSError as error:  # out of memory or processes: a pause may help
            kept.next_start = now + kept.pause_s(0.0)
            if kept.failures >= GIVE_UP_AFTER and kept.trouble is None:
                kept.trouble = Trouble(kept.job, f"cannot be started: {error}", now, refused=False)
            _log.warning("process_start_failed", job=kept.job.name, error=str(error))
        else:
            self._began(kept, child, now)

    def _ended(self, kept: Kept, code: int, now: float) -> None:
        kept.child, kept.still = None, None
        if kept.unwanted_since is not None:
            return
        done = code == EXIT_DONE
        worked_until = now if kept.hung is None else kept.stirred or kept.started
        pause = max(DONE_PAUSE_S if done else 0.0, kept.pause_s(worked_until - kept.started))
        kept.done_in_vain = kept.done_in_vain + 1 if done else 0
        if done and kept.done_in_vain < 2 * GIVE_UP_AFTER:
            kept.next_start = now + pause
            kept.trouble, kept.succeeded = None, now
            return  # its journal will soon say so; if not, it is as if it had failed
        reason = _reason(kept, code)
        given_up = code == EXIT_FATAL or kept.failures >= GIVE_UP_AFTER
        if given_up or kept.hung:
            since = kept.trouble.since if kept.trouble else now
            silence = (kept.job.silence_s or 0.0) if kept.hung else 0.0
            kept.trouble = Trouble(kept.job, reason, since, refused=code == EXIT_FATAL, silence_s=silence,
                                   disk=code == EXIT_DISK)  # fmt: skip
            if given_up and not kept.job.vital:
                pause = RETRY_S
            elif code == EXIT_FATAL:
                pause = REFUSED_VITAL_S
        kept.next_start = now + pause
        _log.warning(
            "process_ended", job=kept.job.name, code=code, failures=kept.failures, error=reason,
            next_start_s=round(pause, 1),
        )  # fmt: skip
        self.told(kept.job, code, reason)

    def stop(self) -> None:
        """End everything, gently first, all at once."""
        children = [kept.child for kept in self._kept.values() if kept.child]
        for child in children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + TERM_GRACE_S
        for child in children:
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if child.poll() is None:
                child.signal(signal.SIGKILL)
                while child.poll() is None:
                    time.sleep(0.02)
        self._kept.clear()


def _reason(kept: Kept, code: int) -> str:
    """Why a process ended, in words; what its log says is no news where the disk took no more of it."""
    if code == EXIT_DISK:
        return "the disk refused what was to be stored"
    said = "ends as if its work were done, again and again" if code == EXIT_DONE else kept.hung or last_error(kept.log)
    return said or f"ended with code {code}"
