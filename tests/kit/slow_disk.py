"""A disk whose syncs take their time: a preloaded library for the processes under test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


class SlowDisk:
    """`env` makes every fsync of a process take `sync_ms` longer; `slow_down` changes that while it runs."""

    def __init__(self, folder: Path, *, sync_ms: int = 0) -> None:
        compiler = shutil.which("gcc")
        if compiler is None:
            pytest.skip("no gcc to build the slow disk with")
        library = folder / "slow_disk.so"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
        self._now = folder / "sync_ms"
        self.env = {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": str(sync_ms), "SLOW_SYNC_FILE": str(self._now)}

    def slow_down(self, sync_ms: int) -> None:
        """From now on each sync takes this long."""
        beside = self._now.with_suffix(".new")
        beside.write_text(str(sync_ms))
        beside.rename(self._now)
