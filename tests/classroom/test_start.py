"""The `classreel` command starts what must be at work early before it imports anything."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from classroom.start import PRELOAD

SEEN = """
import json, sys
import process.warm as warm
early = []
warm.start_early = lambda preload: early.append((list(preload.first), sorted(sys.modules)))
import classroom.start as start
sys.argv = ["classreel", *json.loads(sys.argv[1])]
try:
    start.main()
except SystemExit:
    pass
print(json.dumps(early))
"""


def early(*arguments: str) -> list[tuple[list[str], list[str]]]:
    argv = [sys.executable, "-c", SEEN, json.dumps(arguments)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    found: list[tuple[list[str], list[str]]] = json.loads(text.splitlines()[-1])
    return found


@pytest.mark.parametrize("command", ["serve", "record"])
def test_recording_is_prepared_before_the_command_line_is_imported(command: str) -> None:
    ((first, imported),) = early(command, "--no-such-option")
    assert "capture.session" in first
    assert not {"typer", "pydantic", "structlog", "classroom.cli", "classroom.settings"} & set(imported)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("serve", "--help"), ("lessons", "--no-such-option")])
def test_nothing_is_started_where_nothing_is_recorded(arguments: tuple[str, ...]) -> None:
    assert early(*arguments) == []


OPEN_A_CAMERA = """
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
    code = OPEN_A_CAMERA.format(modules=PRELOAD.first)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in run.stdout.split() if name.startswith(("av", "media", "capture", "numpy"))] == []
