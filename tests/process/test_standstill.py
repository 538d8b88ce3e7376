"""A process without a sign of life stands still only if it does not work either: busy and slow are no standstill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.activity import LOOK_EVERY_S, Activity, Standstill, activity
from process.beat import BEAT_ENV, rest
from process.job import Job
from process.launcher import ExecLauncher
from process.supervisor import STALLED_S, Supervisor
from tests.kit.disks import disk
from tests.kit.fake_processes import FakeClock, FakeLauncher
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

STILL_S = 7.0
ENCODE = Job(stage="encode", module="encode", silence_s=120, still_s=STILL_S)
SAID_WITHIN_S = 10.0
POLL_S = 0.5
Works = Callable[[float], Activity | None]

STOPPED: Works = lambda _at: Activity(ticks=7, waits=False)  # noqa: E731
BUSY: Works = lambda at: Activity(ticks=round(at * 100), waits=False)  # noqa: E731
STARVED: Works = lambda at: Activity(ticks=round(at / 5), waits=False)  # noqa: E731 a tick each 5 s
DISK: Works = lambda _at: Activity(ticks=7, waits=True)  # noqa: E731
UNKNOWN: Works = lambda _at: None  # noqa: E731


class Bench:
    def __init__(self, logs: Path, works: Works, *, beats_s: float = 20.0) -> None:
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock, lambda _job, _nth: {"beats_s": beats_s, "works": works})
        self.supervisor = Supervisor(logs, self.launcher, self.clock)

    def run(self, seconds: float, job: Job = ENCODE, step: float = 0.25) -> list[float]:
        """Seconds from here at which trouble is said."""
        began, said = self.clock.now, []
        while self.clock.now < began + seconds:
            self.clock.now += step
            self.supervisor.reconcile([job])
            if self.supervisor.troubles:
                said.append(self.clock.now - began)
        return said


@pytest.mark.parametrize("beats_s", [0.0, 20.0])
def test_what_stands_still_is_said_within_10_s_and_replaced_when_it_was(tmp_path: Path, beats_s: float) -> None:
    bench = Bench(tmp_path, STOPPED, beats_s=beats_s)
    assert bench.run(beats_s) == []
    said = bench.run(60)
    assert STILL_S < said[0] < SAID_WITHIN_S
    trouble = bench.supervisor.troubles["encode"]
    assert (trouble.passing, trouble.refused, trouble.silence_s) == (True, False, STILL_S)
    assert "no sign of life" in trouble.reason
    assert bench.launcher.started[0].signals == [], "a step may take its time"
    bench.run(62)
    assert bench.launcher.started[0].signals == [signal.SIGKILL]


@pytest.mark.parametrize("works", [BUSY, STARVED, DISK, UNKNOWN])
def test_a_long_step_is_no_standstill(tmp_path: Path, works: Works) -> None:
    assert Bench(tmp_path, works).run(20 + 119) == []


def test_it_is_said_no_more_once_it_goes_on(tmp_path: Path) -> None:
    for goes_on in ("works", "beats"):
        bench = Bench(tmp_path, STOPPED)
        assert bench.run(40)
        child = bench.launcher.started[0]
        if goes_on == "works":
            child.works = BUSY
        else:
            child.beats_s = None
        assert bench.run(0.5 + LOOK_EVERY_S)[2 + 4 * int(goes_on == "works") :] == []
        assert child.signals == []


def test_a_job_without_the_threshold_is_not_looked_at(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STOPPED)
    assert bench.run(100, Job(stage="encode", module="encode", silence_s=120)) == []


def test_a_box_that_slept_accuses_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STOPPED)
    assert bench.run(20 + STILL_S - 1) == []
    bench.clock.now += 3600
    assert bench.run(STILL_S - STALLED_S) == []
    assert bench.run(SAID_WITHIN_S) != []


@given(
    st.lists(
        st.tuples(st.floats(0.05, POLL_S), st.sampled_from(["beat", "tick", "wait", "nothing", "gone"])), max_size=120
    )
)
def test_still_is_the_time_since_anything_was_seen(events: list[tuple[float, str]]) -> None:
    now, last, ticks = 100.0, 100.0, 0
    history: list[tuple[float, float]] = []
    seen: Activity | None = None
    standstill = Standstill(lambda: seen)
    for seconds, event in events:
        now += seconds
        ticks += event == "tick"
        seen = None if event == "gone" else Activity(ticks, event == "wait")
        if event == "beat":
            standstill.stirred()
        still = standstill.seconds(now)
        last = last if event == "nothing" else now
        history.append((now, now - last))
        # as it was at this look or the last one, but for what began and ended between two looks
        late = LOOK_EVERY_S + POLL_S
        assert 0.0 <= still <= max(true for at, true in history if now - at < late) + late


@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=100))
def test_what_does_nothing_is_seen_to_do_nothing(looks: list[float]) -> None:
    standstill, now = Standstill(lambda: Activity(3, waits=False)), 50.0
    standstill.seconds(now)
    for seconds in looks:
        now += seconds
        assert standstill.seconds(now) > now - 50.0 - LOOK_EVERY_S


# --- real processes ---------------------------------------------------------------------------------------------------


@contextmanager
def running(*argv: str) -> Iterator[int]:
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.read(1)
            yield process.pid
        finally:
            process.kill()


def still_s(pid: int, seconds: float) -> float:
    """Of a real process, watched for so long."""
    began, standstill, still = time.monotonic(), Standstill(lambda: activity(pid)), 0.0
    while (now := time.monotonic()) - began < seconds:
        still = standstill.seconds(now)
        time.sleep(0.1)
    return still


UP = "import sys; sys.stdout.write('.'); sys.stdout.flush()\n"
WATCHED_S = 4.0


@pytest.mark.parametrize(
    ("program", "stands"),
    [
        ("import signal; signal.pause()", True),
        ("import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()", True),
        ("import threading, signal; threading.Thread(target=signal.pause).start(); signal.pause()", True),
        ("while True: pass", False),
        ("import hashlib, threading, signal\nthreading.Thread(target=hashlib.pbkdf2_hmac, "
         "args=('md5', b'', b'', 10**8), daemon=True).start()\nsignal.pause()", False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", True),
    ],
    ids=["waits for ever", "deadlock", "deadlock of threads", "loop", "a thread works", "stopped"],
)  # fmt: skip
def test_real_processes(program: str, stands: bool) -> None:
    with running(sys.executable, "-c", UP + program) as pid:
        assert (still_s(pid, WATCHED_S) > WATCHED_S / 2) is stands


def test_a_starved_process_works() -> None:
    """The rest of one core for a process that comes last, beside three that take all of it."""
    core = min(os.sched_getaffinity(0))
    loop = (sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\n{UP}while True: pass")
    idle = (sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\n{UP}"
            "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass")  # fmt: skip
    with running(*loop), running(*loop), running(*loop), running(*idle) as pid:
        assert still_s(pid, 6.0) < LOOK_EVERY_S + 1.0


def test_a_process_that_waits_for_its_disk_works(tmp_path: Path) -> None:
    """In the kernel's uninterruptible sleep, as with a disk that does not answer: here until its child ends."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    source = tmp_path / "waits.c"
    source.write_text(
        '#include <unistd.h>\nint main(void) { write(1, ".", 1); if (vfork() == 0) { pause(); _exit(0); } return 0; }'
    )
    program = tmp_path / "waits"
    subprocess.run([compiler, "-o", program, source], check=True)
    with running(str(program)) as pid:
        child = wait_until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split(), 5)
        try:
            assert still_s(pid, WATCHED_S) < LOOK_EVERY_S
        finally:
            os.kill(int(child[0]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("wchan", "waits"), [("request_wait_answer", True), ("hrtimer_nanosleep", False), (None, False)]
)
def test_a_file_system_of_a_process_is_a_disk(tmp_path: Path, wchan: str | None, waits: bool) -> None:
    for folder in (tmp_path / "7", tmp_path / "7" / "task" / "7", tmp_path / "7" / "task" / "8"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text("7 (a) R (b) S 1 7 7 0 -1 0 0 0 0 0 40 2 0 0 20 0 1")
    if wchan:
        (tmp_path / "7" / "task" / "8" / "wchan").write_text(wchan)
    assert activity(7, tmp_path) == Activity(42, waits)
    assert activity(8, tmp_path) is None


def test_a_stopped_process_is_said_and_goes_on(tmp_path: Path) -> None:
    life = "import time; from process.beat import beat\nwhile True: beat(); time.sleep(0.05)"
    job = Job(stage="trial", module="tests.kit.run_code", arguments=(life,), silence_s=60.0, still_s=2.0)
    supervisor = Supervisor(tmp_path, ExecLauncher())

    def looked(*, troubled: bool) -> bool:
        supervisor.reconcile([job])
        return bool(supervisor.troubles) is troubled and supervisor._kept["trial"].stirred is not None

    try:
        wait_until(lambda: looked(troubled=False), 20)
        pid = supervisor.pid("trial")
        assert pid
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: looked(troubled=True), 10)
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: looked(troubled=False), 5)
        assert supervisor.pid("trial") == pid
    finally:
        supervisor.stop()


@pytest.mark.timeout(90)
def test_who_waits_for_a_disk_is_not_accused(tmp_path: Path) -> None:
    """A file system that takes no write for longer than a standstill may last."""
    with disk(tmp_path / "slow", size=64 << 20) as slow:
        life = f"""
import os, time
from process.beat import beat
file = os.open({str(slow.path / "file")!r}, os.O_WRONLY | os.O_CREAT)
while True:
    beat(); os.pwrite(file, b"x" * 4096, 0); os.fsync(file); time.sleep(0.05)
"""
        job = Job(stage="trial", module="tests.kit.run_code", arguments=(life,), silence_s=60.0, still_s=2.0)
        supervisor = Supervisor(tmp_path, ExecLauncher())

        def watch(seconds: float) -> bool:
            """Whether trouble was said."""
            until, said = time.monotonic() + seconds, False
            while time.monotonic() < until:
                supervisor.reconcile([job])
                said = said or bool(supervisor.troubles)
                time.sleep(0.1)
            return said

        try:
            wait_until(lambda: (slow.path / "file").exists() or watch(0.1), 20)
            with slow.frozen():
                assert not watch(8.0)
                pid = supervisor.pid("trial")
                assert pid
                seen = activity(pid)
                assert seen is not None
                assert seen.waits
            assert not watch(1.0)
            os.kill(pid, signal.SIGSTOP)
            assert watch(5.0), "the same process, stopped"
        finally:
            supervisor.stop()


def test_who_rests_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    ear, mouth = os.pipe()
    monkeypatch.setenv(BEAT_ENV, str(mouth))
    began = time.monotonic()
    rest(2.2)
    assert 2.2 <= time.monotonic() - began < 3.0
    assert 3 <= len(os.read(ear, 100)) <= 5
    os.close(ear)
    os.close(mouth)
