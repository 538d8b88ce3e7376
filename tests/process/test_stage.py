"""What stage processes do alike: exit codes, SIGTERM, and not outliving their conductor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from process.parentage import EXIT_TERMINATED, SUPERVISOR_ENV
from process.stage import EXIT_DISK, EXIT_DONE, EXIT_FATAL, EXIT_RETRY, repeat
from tests.kit.waiting import wait_until

_STAGE = """
import sys, time
from lesson import errors
from process.stage import run_stage
def work():
    {work}
sys.exit(run_stage("trial", work))
"""


def _run(work: str, *, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    script = _STAGE.format(work=work)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("pass", EXIT_DONE, None),
        ("raise errors.StoreError('no answer')", EXIT_RETRY, "no answer"),
        ("raise errors.SourceLostError('cable')", EXIT_RETRY, "cable"),
        ("raise errors.DiskFullError('full')", EXIT_DISK, "full"),
        ("raise errors.ConfigError('root: missing')", EXIT_FATAL, "root: missing"),
        ("raise errors.UnusableMediaError('a.txt: no media')", EXIT_FATAL, "a.txt: no media"),
        ("raise errors.LessonFormatError('header')", EXIT_FATAL, "header"),
        ("raise ValueError('rtsp://u:s3cr3t@cam')", EXIT_RETRY, "stage_crashed"),
    ],
)
def test_exit_codes_say_whether_trying_again_helps(work: str, code: int, said: str | None) -> None:
    done = _run(work)
    assert done.returncode == code
    assert done.stdout == ""
    assert "s3cr3t" not in done.stderr
    if said is None:
        assert done.stderr == ""
    else:
        event = json.loads(done.stderr)
        assert said in (event.get("error"), event["event"])


def test_sigterm_runs_finally_clauses_and_ends_with_143() -> None:
    work = "try: print('up', flush=True); time.sleep(600)\n    finally: print('tidied', flush=True)"
    process = subprocess.Popen([sys.executable, "-c", _STAGE.format(work=work)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)  # Ctrl-C is for the conductor
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("tidied\n", EXIT_TERMINATED)


_CONDUCTOR = """
import os, subprocess, sys, time
from process.parentage import child_environment
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=child_environment())
time.sleep(600)
"""


def test_a_stage_does_not_outlive_its_conductor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    work = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(600)"
    conductor = subprocess.Popen([sys.executable, "-c", _CONDUCTOR, _STAGE.format(work=work)])
    try:
        pid = int(wait_until(lambda: pid_file.is_file() and pid_file.read_text(), 30, what="the stage to run") or 0)
        conductor.kill()
        conductor.wait(timeout=10)
        wait_until(lambda: not _alive(pid), 10, what="the stage to end with its conductor")
    finally:
        conductor.kill()
        conductor.wait(timeout=10)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_stage_whose_conductor_is_already_gone_does_not_start() -> None:
    """Its process id is compared: in a container the conductor is rightly number 1."""
    assert _run("print('worked')", env={SUPERVISOR_ENV: "999999999"}).returncode == EXIT_TERMINATED
    assert _run("print('worked')", env={SUPERVISOR_ENV: str(os.getpid())}).stdout == "worked\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="making a process namespace needs root")
def test_stages_run_below_a_conductor_that_is_process_1() -> None:
    script = _CONDUCTOR.replace("time.sleep(600)", "sys.exit(child.wait())")
    done = subprocess.run(
        ["/usr/bin/unshare", "--pid", "--fork", sys.executable, "-c", script, _STAGE.format(work="print(7)")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip("this machine makes no process namespaces for tests")
    assert (done.stdout, done.returncode) == ("7\n", EXIT_DONE)


def test_repeat_rests_only_when_there_was_nothing_to_do() -> None:
    steps = iter([True, False, True, True])
    left = [4]

    def step() -> bool:
        left[0] -= 1
        return next(steps)

    repeat(step, lambda: left[0] == 0, poll_s=0.001)
    assert next(steps, None) is None
