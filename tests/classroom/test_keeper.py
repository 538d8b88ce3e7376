from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from classroom.jobs import Job
from classroom.keeper import GIVE_UP_AFTER, Keeper, last_error, restart_pause
from tests.kit.waiting import wait_until

SLEEPER = "import signal; signal.pause()"


def job(name: str, code: str) -> Job:
    return Job(name, (sys.executable, "-c", code))


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_pause_grows_and_ends() -> None:
    pauses = [restart_pause(n) for n in range(1, 12)]
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_a_killed_process_is_restarted_alone(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    jobs = [job("encode", SLEEPER), job("publish", SLEEPER)]
    try:
        keeper.reconcile(jobs)
        first, other = keeper.pid("encode"), keeper.pid("publish")
        assert first
        assert other
        os.kill(first, signal.SIGKILL)

        def restarted() -> bool:
            keeper.reconcile(jobs)
            return keeper.pid("encode") not in {None, first}

        wait_until(restarted, 10)
        assert keeper.pid("publish") == other
        assert keeper.failures("encode") == 1
    finally:
        keeper.stop()
    assert not runs(other)


def test_what_is_wanted_no_more_may_end_by_itself_and_is_ended_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.keeper.RETIRE_GRACE_S", 0.5)
    keeper = Keeper(tmp_path)
    keeper.reconcile([job("encode", SLEEPER)])
    pid = keeper.pid("encode")
    assert pid
    keeper.reconcile([])
    assert runs(pid)

    def ended() -> bool:
        keeper.reconcile([])
        return not runs(pid)

    wait_until(ended, 10)


def test_a_new_task_gives_what_was_given_up_a_new_chance(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    hopeless = job("capture-teacher", "raise SystemExit(2)")

    def given_up() -> bool:
        keeper.reconcile([hopeless])
        return bool(keeper.given_up)

    wait_until(given_up, 10)
    keeper.reconcile([Job("capture-teacher", (sys.executable, "-c", SLEEPER), "close")])
    assert keeper.pid("capture-teacher")
    keeper.stop()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classroom.keeper.TERM_GRACE_S", 0.3)
    keeper = Keeper(tmp_path)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    keeper.reconcile([job("encode", stubborn)])
    pid = keeper.pid("encode")
    assert pid
    wait_until(lambda: "up" in (tmp_path / "encode.log").read_text(), 10)
    keeper.stop()
    assert not runs(pid)


def test_fatal_is_given_up_at_once_with_the_logged_reason(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    jobs = [job("publish", """import sys; print('{"error": "store: wrong key"}', file=sys.stderr); sys.exit(2)""")]

    def given_up() -> bool:
        keeper.reconcile(jobs)
        return bool(keeper.given_up)

    wait_until(given_up, 10)
    assert keeper.given_up == {"publish": "store: wrong key"}
    keeper.stop()


@pytest.mark.parametrize(("name", "gives_up"), [("encode", True), ("capture-teacher", False)])
def test_failing_on_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, gives_up: bool) -> None:
    monkeypatch.setattr("classroom.keeper.restart_pause", lambda failures: 0.0 * failures)
    keeper = Keeper(tmp_path)
    jobs = [job(name, "raise SystemExit(1)")]

    def failed_often() -> bool:
        keeper.reconcile(jobs)
        return keeper.failures(name) >= GIVE_UP_AFTER + (0 if gives_up else 1)

    wait_until(failed_often, 30)
    assert bool(keeper.given_up) is gives_up
    keeper.stop()


def test_the_newest_error_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_error(log) is None
    log.write_text('{"error": "first"}\n{"error": "second"}\n{"event": "no error"}\n\n')
    assert last_error(log) == "second"
    log.write_bytes(b"Traceback\nValueError: \xff bad\n")
    assert last_error(log) == "ValueError: � bad"


def test_a_crash_is_named_by_the_last_line_of_its_traceback(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text('{"event": "stage failed", "exception": "Traceback\\n  File\\nKeyError: 3"}\n')
    assert last_error(log) == "KeyError: 3"


def test_a_process_that_only_says_it_is_done_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classroom.keeper.restart_pause", lambda failures: 0.0 * failures)
    monkeypatch.setattr("classroom.keeper.DONE_PAUSE_S", 0.0)
    keeper = Keeper(tmp_path)
    jobs = [job("tracking", "pass")]

    def given_up() -> bool:
        keeper.reconcile(jobs)
        return bool(keeper.given_up)

    wait_until(given_up, 30)
    assert "again and again" in keeper.given_up["tracking"]
    keeper.stop()


def test_a_full_disk_for_logs_does_not_keep_a_process_from_running(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    (tmp_path / "encode.log").mkdir()  # as little to be opened for appending as a file on a full disk
    keeper.reconcile([job("encode", SLEEPER)])
    assert keeper.pid("encode")
    keeper.stop()
