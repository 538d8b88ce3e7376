"""Keeping processes alive: the rules on a clock of the test's own, then both launchers with real processes."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from process import warm
from process.fork_launcher import ForkLauncher
from process.fork_server import PEACE_S
from process.job import Job
from process.kept import HEALTHY_S
from process.launcher import Child, ExecLauncher, Launcher
from process.logs import MAX_LOG_BYTES, last_error, rotate
from process.share import current_umask
from process.stage import EXIT_DISK, EXIT_DONE, EXIT_FATAL, EXIT_RETRY
from process.supervisor import GIVE_UP_AFTER, REFUSED_VITAL_S, RETRY_S, START_PATIENCE_S, Supervisor
from process.warm import Preload
from tests.kit.fake_processes import FakeClock, FakeLauncher, Fate
from tests.kit.processes import alive, command_line
from tests.kit.waiting import wait_until

ENCODE = Job(stage="encode", module="encode", silence_s=120)
CAPTURE = Job(stage="capture", source="teacher", module="capture", vital=True, silence_s=10)


class Bench:
    """A supervisor on a clock of its own."""

    def __init__(self, logs: Path, fate: Fate = lambda _job, _nth: {}) -> None:
        self.clock = FakeClock()
        self.launcher = FakeLauncher(self.clock, fate)
        self.told: list[tuple[str, int | None]] = []
        self.supervisor = Supervisor(
            logs, self.launcher, self.clock, lambda job, code, _reason: self.told.append((job.name, code))
        )

    def run(self, seconds: float, *jobs: Job, step: float = 0.25) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += step
            self.supervisor.reconcile(jobs)


def test_what_works_is_started_once_and_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(4 * 3600, ENCODE, CAPTURE, step=1.0)
    assert [child.job for child in bench.launcher.started] == [ENCODE, CAPTURE]
    assert bench.supervisor.troubles == {}
    assert bench.told == [("encode", None), ("capture-teacher", None)]


@pytest.mark.parametrize("code", [EXIT_RETRY, -9, 77])
def test_a_stage_that_crashes_on_and_on_is_said_within_5_s_and_tried_every_minute(tmp_path: Path, code: int) -> None:
    bench = Bench(tmp_path, lambda job, _nth: {"lives_s": 0.3, "code": code} if job is ENCODE else {})
    bench.run(5, ENCODE, CAPTURE)
    assert set(bench.supervisor.troubles) == {"encode"}
    assert not bench.supervisor.troubles["encode"].refused
    before = len(bench.launcher.of("encode"))
    bench.run(3600, ENCODE, CAPTURE)
    assert 55 <= len(bench.launcher.of("encode")) - before <= 61
    assert len(bench.launcher.of("capture-teacher")) == 1


def test_a_refusal_is_said_at_once_and_tried_every_minute(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda job, nth: {"lives_s": 1.0, "code": EXIT_FATAL} if job is ENCODE and nth < 5 else {})
    bench.run(2, ENCODE)
    assert bench.supervisor.troubles["encode"].refused
    since = bench.supervisor.troubles["encode"].since
    bench.run(3 * RETRY_S, ENCODE)
    assert bench.supervisor.troubles["encode"].since == since
    bench.run(6 * RETRY_S, ENCODE)  # the sixth is let in
    assert bench.supervisor.troubles == {}
    assert len(bench.launcher.alive) == 1


def test_vital_work_is_tried_again_within_seconds_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda _job, _nth: {"lives_s": 0.5, "code": EXIT_RETRY})
    bench.run(600, CAPTURE)
    assert len(bench.launcher.started) >= 600 / 6
    assert "capture-teacher" in bench.supervisor.troubles


def test_a_disk_that_refuses_is_the_reason_whatever_the_log_could_still_take(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda _job, _nth: {"lives_s": 0.5, "code": EXIT_DISK})
    bench.run(60, CAPTURE)
    trouble = bench.supervisor.troubles["capture-teacher"]
    assert trouble.disk
    assert trouble.reason == "the disk refused what was to be stored"


def test_vital_work_that_says_trying_does_not_help_is_tried_all_the_same(tmp_path: Path) -> None:
    """Such as recording into a lesson whose folder somebody has moved away, and moves back."""
    bench = Bench(tmp_path, lambda _job, nth: {"lives_s": 0.5, "code": EXIT_FATAL} if nth < 2 else {})
    bench.run(1, CAPTURE)
    assert bench.supervisor.troubles["capture-teacher"].refused
    bench.run(2 * REFUSED_VITAL_S + 2, CAPTURE)
    assert len(bench.launcher.alive) == 1


def test_a_process_is_handed_on_alive_and_replaced_when_it_hangs_then(tmp_path: Path) -> None:
    standing = Job(stage="standby", source="teacher", module="capture", vital=True, silence_s=10)
    bench = Bench(tmp_path)
    bench.launcher.fate = lambda _job, nth: {"beats_s": 30.0} if nth == 0 else {}
    bench.run(29, standing)
    child = bench.supervisor.release("standby-teacher")
    assert child is not None
    bench.supervisor.adopt(CAPTURE, child)
    bench.run(5, CAPTURE)
    assert len(bench.launcher.started) == 1
    bench.run(CAPTURE.silence_s + 1 if CAPTURE.silence_s else 0, CAPTURE)
    assert bench.launcher.started[0].signals == [signal.SIGKILL]
    assert [one.job for one in bench.launcher.alive] == [CAPTURE]


def test_a_process_that_hangs_already_is_not_handed_on(tmp_path: Path) -> None:
    standing = Job(stage="standby", source="teacher", module="capture", vital=True, silence_s=10)
    bench = Bench(tmp_path, lambda _job, nth: {"beats_s": 5.0} if nth == 0 else {})
    bench.run(9, standing)
    assert bench.supervisor.release("standby-teacher") is None
    assert bench.launcher.started[0].signals == [signal.SIGKILL]
    assert bench.supervisor.release("nobody") is None


def test_failures_that_lie_apart_are_no_trouble(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda _job, _nth: {"lives_s": HEALTHY_S + 1, "code": EXIT_RETRY})
    bench.run(3600, ENCODE)
    assert bench.supervisor.troubles == {}
    assert len(bench.launcher.started) >= 3600 / (HEALTHY_S + 3)


@pytest.mark.parametrize("beats_s", [0.0, 1.0, 700.0])
def test_what_gives_no_sign_of_life_is_replaced(tmp_path: Path, beats_s: float) -> None:
    bench = Bench(tmp_path, lambda _job, nth: {"beats_s": beats_s} if nth == 0 else {})
    limit = beats_s + CAPTURE.silence_s if beats_s else START_PATIENCE_S
    bench.run(limit - 1, CAPTURE)
    assert bench.launcher.started[0].signals == []
    bench.run(3, CAPTURE)
    assert bench.launcher.started[0].signals == [signal.SIGKILL]
    assert len(bench.launcher.alive) == 1
    assert "no sign of life" in bench.supervisor.troubles["capture-teacher"].reason
    bench.run(30, CAPTURE)
    assert bench.supervisor.troubles == {}


def test_who_needs_long_to_begin_is_given_longer_each_time(tmp_path: Path) -> None:
    """A machine that is busy for a while must not be made busier for ever by starting a process anew and anew."""
    needs_s = 200.0
    bench = Bench(tmp_path, lambda _job, _nth: {"silent_s": needs_s})
    bench.run(30 + 60 + 120 + needs_s + 30, CAPTURE)
    assert len(bench.launcher.started) == 4
    assert bench.launcher.started[-1].signals == []
    assert [sum(child.signals) for child in bench.launcher.started[:3]] == [signal.SIGKILL] * 3
    bench.run(60, CAPTURE)
    assert bench.supervisor.troubles == {}


def test_a_supervisor_that_slept_itself_has_heard_nobody_and_kills_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(20, CAPTURE)
    bench.launcher.started[0].beats_s = bench.clock.now - bench.launcher.started[0].born
    bench.clock.now += 3600  # a stopped machine
    bench.run(5, CAPTURE)
    assert bench.launcher.started[0].signals == []
    bench.run(10, CAPTURE)
    assert bench.launcher.started[0].signals == [signal.SIGKILL]


def test_what_is_wanted_no_more_may_end_by_itself_and_is_ended_if_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(5, ENCODE)
    bench.run(4)
    assert bench.launcher.started[0].signals == []
    bench.run(3)
    assert bench.launcher.started[0].signals == [signal.SIGTERM]
    assert bench.supervisor.pid("encode") is None


def test_a_new_task_gives_what_was_given_up_a_new_chance(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda job, _nth: {} if job.task else {"lives_s": 0.1, "code": EXIT_FATAL})
    bench.run(10, CAPTURE)
    assert bench.supervisor.troubles
    bench.run(1, Job(stage="capture", source="teacher", module="capture", vital=True, task="close"))
    assert bench.supervisor.troubles == {}
    assert len(bench.launcher.alive) == 1


def test_a_process_that_only_says_it_is_done_is_trouble(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda _job, _nth: {"lives_s": 0.1, "code": EXIT_DONE})
    bench.run(200, ENCODE)
    assert "again and again" in bench.supervisor.troubles["encode"].reason


def test_a_machine_without_processes_is_trouble_that_passes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    start, tries = bench.launcher.start, 0

    def out_of_processes(job: Job, log: Path) -> Child:
        nonlocal tries
        tries += 1
        if tries <= GIVE_UP_AFTER + 1:
            raise BlockingIOError("Resource temporarily unavailable")
        return start(job, log)

    bench.launcher.start = out_of_processes  # type: ignore[method-assign]
    bench.run(5, ENCODE)
    assert "cannot be started" in bench.supervisor.troubles["encode"].reason
    bench.run(200, ENCODE)
    assert bench.supervisor.troubles == {}


# --- real processes ---------------------------------------------------------------------------------------------------


def job(code: str, **fields: object) -> Job:
    return Job(stage="trial", module="tests.kit.run_code", arguments=(code,), **fields)  # type: ignore[arg-type]


SLEEPER = "import signal; signal.pause()"


@pytest.fixture(params=["exec", "fork"])
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    made: Launcher = ExecLauncher() if request.param == "exec" else ForkLauncher(Preload(("process.stage",)))
    yield made
    made.close()


def ended(child: Child) -> int:
    code = wait_until(lambda: (child.poll(),) if child.poll() is not None else None, 20)
    assert code is not None
    assert code[0] is not None
    return code[0]


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("pass", 0),
        ("raise SystemExit(2)", 2),
        ("import os; os._exit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", -9),
    ],
)
def test_how_a_process_ended(launcher: Launcher, tmp_path: Path, code: str, ends: int) -> None:
    assert ended(launcher.start(job(code), tmp_path / "log")) == ends


def test_output_is_appended_to_the_log(launcher: Launcher, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        ended(launcher.start(job(f"import os; print({word!r}, flush=True); os.write(2, b'!')"), log))
    assert log.read_text() == "one\n!two\n!"


def test_a_full_disk_for_logs_does_not_keep_a_process_from_running(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()  # as little to be opened for appending as a file on a full disk
    assert ended(launcher.start(job("print('lost')"), tmp_path / "log")) == 0


@pytest.mark.parametrize("kind", ["folder", "pipe", "no folder"])
def test_what_is_said_without_a_log_goes_to_our_own_stderr(
    launcher: Launcher, tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log" / "trial.log"
    if kind == "no folder":
        (tmp_path / "log").touch()
    else:
        log.parent.mkdir()
        log.mkdir() if kind == "folder" else os.mkfifo(log)
    assert ended(launcher.start(job("import sys; print('it is said', file=sys.stderr)"), log)) == 0
    assert "it is said" in capfd.readouterr().err
    assert last_error(log) is None


def test_a_folder_of_logs_that_cannot_be_made_keeps_nothing_from_starting(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("here is no folder")
    bench = Bench(tmp_path / "log")
    bench.run(5, ENCODE, CAPTURE)
    assert [child.job for child in bench.launcher.alive] == [ENCODE, CAPTURE]
    (tmp_path / "log").unlink()
    bench.supervisor.make_log_folder()
    assert (tmp_path / "log").is_dir()


def test_signs_of_life_come_through(launcher: Launcher, tmp_path: Path) -> None:
    child = launcher.start(
        job("from process.beat import beat; import signal; beat(); signal.pause()"), tmp_path / "log"
    )
    wait_until(child.stirred, 20)
    assert not child.stirred()
    child.signal(signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL


def test_a_complaint_is_trouble_until_it_is_taken_back(launcher: Launcher, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    code = f"""
import time
from pathlib import Path
from process.beat import beat, complain, recovered
complain("the store\\ndoes not answer: 断线")
while not Path({str(go_on)!r}).exists():
    time.sleep(0.02)
recovered()
while True:
    beat()
    time.sleep(0.02)
"""
    supervisor, complaining = Supervisor(tmp_path, launcher), job(code)

    def looked(*, troubled: bool) -> bool:
        supervisor.reconcile([complaining])
        return bool(supervisor.troubles) is troubled

    try:
        wait_until(lambda: looked(troubled=True), 20)
        trouble = supervisor.troubles["trial"]
        assert (trouble.reason, trouble.refused, trouble.passing) == ("the store does not answer: 断线", False, True)
        go_on.touch()
        wait_until(lambda: looked(troubled=False), 20)
        assert supervisor.failures("trial") == 0
    finally:
        supervisor.stop()


def test_files_of_a_stage_are_shared_as_its_starter_says_now(launcher: Launcher, tmp_path: Path) -> None:
    before = os.umask(0o077)  # as it was when the fork server was started: much later
    try:
        wanted = tmp_path / "made"
        ended(launcher.start(job(f"open({str(wanted)!r}, 'w').close()"), tmp_path / "log"))
        assert stat.S_IMODE(wanted.stat().st_mode) == 0o600
        os.umask(0o027)
        assert current_umask() == 0o027
        wanted.unlink()
        ended(launcher.start(job(f"open({str(wanted)!r}, 'w').close()"), tmp_path / "log"))
        assert stat.S_IMODE(wanted.stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_what_few_stages_need_is_imported_when_nothing_else_is_to_be_done(tmp_path: Path) -> None:
    launcher = ForkLauncher(Preload(("process.stage",), ("zipapp",)))
    known = "import sys; raise SystemExit(7 if 'zipapp' in sys.modules else 8)"
    try:
        assert ended(launcher.start(job(known), tmp_path / "log")) == 8, "nobody waits for it"

        def there() -> bool:
            if time.monotonic() - asked[0] < 2 * PEACE_S:  # each order puts it off
                return False
            asked[0] = time.monotonic()
            return ended(launcher.start(job(known), tmp_path / "log")) == 7

        asked = [time.monotonic()]
        wait_until(there, 30)
    finally:
        launcher.close()


def test_a_server_that_was_started_early_is_taken_once() -> None:
    preload = Preload(("process.stage",))
    warm.start_early(preload)
    early, again = warm.take(preload), warm.take(preload)
    assert early.process.pid != again.process.pid
    for one in (early, again):
        one.link.close()
        assert one.process.wait(20) == 0, "without its link it ends"


def test_a_hung_fork_server_is_replaced(tmp_path: Path) -> None:
    launcher = ForkLauncher(Preload(("process.stage",)))
    try:
        child = launcher.start(job(SLEEPER), tmp_path / "log")
        os.kill(launcher._server.process.pid, signal.SIGSTOP)
        child.signal(signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        assert ended(launcher.start(job("pass"), tmp_path / "log")) == 0
    finally:
        launcher.close()


def test_tools_find_a_process_by_its_own_command(launcher: Launcher, tmp_path: Path) -> None:
    wanted = job(SLEEPER, niceness=3)
    child = launcher.start(wanted, tmp_path / "log")
    wait_until(lambda: command_line(child.pid).rstrip() == " ".join(wanted.argv), 20)
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, child.pid) == os.nice(0) + 3, 20)
    child.signal(signal.SIGTERM)
    assert ended(child) == -signal.SIGTERM


def test_the_environment_is_that_of_the_starter_now(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAM_PASS", "of today")
    ended(launcher.start(job("import os; print(os.environ['CAM_PASS'])"), tmp_path / "log"))
    assert (tmp_path / "log").read_text() == "of today\n"


def test_a_process_that_ignores_sigterm_is_killed(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("process.supervisor.TERM_GRACE_S", 0.3)
    supervisor = Supervisor(tmp_path, launcher)
    supervisor.reconcile(
        [job("import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()")]
    )
    pid = supervisor.pid("trial")
    assert pid
    wait_until(lambda: "up" in (tmp_path / "trial.log").read_text(), 20)
    supervisor.stop()
    assert not alive(pid)


def test_a_stopped_process_is_replaced(launcher: Launcher, tmp_path: Path) -> None:
    life = "import time; from process.beat import beat\nwhile True: beat(); print('up', flush=True); time.sleep(0.05)"
    beating = job(life, silence_s=1.5)
    supervisor = Supervisor(tmp_path, launcher)
    try:
        supervisor.reconcile([beating])
        first = supervisor.pid("trial")
        assert first
        wait_until(lambda: "up" in (tmp_path / "trial.log").read_text(), 20)
        supervisor.reconcile([beating])
        os.kill(first, signal.SIGSTOP)

        def replaced() -> bool:
            supervisor.reconcile([beating])
            return supervisor.pid("trial") not in {None, first}

        wait_until(replaced, 40)
        assert not alive(first)
    finally:
        supervisor.stop()


def test_a_killed_fork_server_is_replaced_and_takes_its_children_along(tmp_path: Path) -> None:
    launcher = ForkLauncher(Preload(("process.stage",)))
    stage = "from process.stage import run_stage; import time; run_stage('trial', lambda: time.sleep(60))"
    try:
        child = launcher.start(job(stage), tmp_path / "log")
        wait_until(lambda: "run_code" in command_line(child.pid), 20)
        time.sleep(0.3)  # until it has asked the kernel to end with its parent
        os.kill(launcher._server.process.pid, signal.SIGKILL)
        assert ended(child) != 0
        assert ended(launcher.start(job("pass"), tmp_path / "log")) == 0
    finally:
        launcher.close()


def test_the_newest_error_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_error(log) is None
    log.write_text('{"error": "first"}\n{"error": "second"}\n{"event": "no error"}\n\n')
    assert last_error(log) == "second"
    log.write_text('te": 3, "error": "cut at its start"}\n{"error": "whole"}\n{"error": "cut by a full di')
    assert last_error(log) == "whole"
    log.write_bytes(b"Traceback\nValueError: \xff bad\n")
    assert last_error(log) == "ValueError: \ufffd bad"
    log.write_text('{"event": "stage_crashed", "exception": "Traceback\\n  File\\nKeyError: 3"}\n')
    assert last_error(log) == "KeyError: 3"
    log.write_text("MemoryError: no room\n/lib/x.py:254: UserWarning: leaked semaphores\n  warnings.warn('leaked %d'\n")
    assert last_error(log) == "MemoryError: no room", "what Python says as it ends is not why"


def test_a_log_is_bounded_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab") as writer:
        writer.write(b"x" * MAX_LOG_BYTES)
        writer.flush()
        rotate(log)
        assert log.stat().st_size == MAX_LOG_BYTES
        writer.write(b"y")
        writer.flush()
        rotate(log)
        writer.write(b"z")
    assert log.read_bytes() == b"z"
    assert log.with_name("x.log.1").stat().st_size == MAX_LOG_BYTES + 1
