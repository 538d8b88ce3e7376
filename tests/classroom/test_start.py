"""What is imported before the first process is forked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from classroom.start import PRELOAD

_OPEN_A_CAMERA = """
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
from capture.kinds import parse_source
from capture.kinds.kind import Login
from lesson.errors import MediaError
before = set(sys.modules)
try:
    parse_source("rtsp://127.0.0.1:1/main").open(Login("teacher"))
except MediaError:
    print(*sorted(set(sys.modules) - before))
"""


def test_what_is_imported_early_is_there() -> None:
    assert all(importlib.util.find_spec(module) for module in (*PRELOAD.first, *PRELOAD.later))


def test_a_camera_is_opened_without_importing_anything_more() -> None:
    code = _OPEN_A_CAMERA.format(modules=PRELOAD.first)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
