"""SIGTERM ends a stage, wherever it comes."""

from __future__ import annotations

import subprocess
import sys

from process.parentage import EXIT_TERMINATED

SWALLOWED = """
import os, signal, sys
from process.stage import repeat, run_stage

class Callback:
    def __del__(self):  # as in a callback of C: nothing that is raised here reaches the loop
        os.kill(os.getpid(), signal.SIGTERM)

def step():
    Callback()
    return False

sys.exit(run_stage("stage", lambda: repeat(step, lambda: False)))
"""


def test_a_signal_that_is_lost_in_a_callback_ends_the_stage_at_its_next_step() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60, check=False)
    assert "Exception ignored" in done.stderr, "it was lost"
    assert done.returncode == EXIT_TERMINATED
