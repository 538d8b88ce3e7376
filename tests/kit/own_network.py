"""A script in a network namespace of its own, where lines may be cut and made thin without anybody else's noticing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def outcome_of(script: Path, *arguments: str | Path, needs: str, timeout_s: float) -> dict[str, Any]:
    """What a script says as JSON in its last line. Skips the test where it cannot run, or says `skip` and why.

    `needs`: a program of iproute2 that it uses.
    """
    unshare = shutil.which("unshare")
    if (
        not unshare
        or not shutil.which(needs)
        or subprocess.run([unshare, "-n", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no network namespace can be made here: needs root, unshare and iproute2")
    command = [unshare, "-n", sys.executable, script, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert result.returncode == 0, result.stderr
    outcome: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    if outcome.get("skip"):
        pytest.skip(outcome["skip"])
    return outcome
