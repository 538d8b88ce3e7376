"""What every room logs: an event is `noun_verb`, and whatever went wrong says so in `error`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("lesson", "process", "media", "capture", "tracking", "encode", "publish", "api", "classroom")
PROJECT = Path(__file__).parent.parent
TROUBLE = frozenset({"warning", "error", "critical"})
LEVELS = TROUBLE | {"debug", "info", "exception"}


def events(room: str) -> Iterator[tuple[str, ast.Call, str]]:
    """Where, the call, and its level."""
    for path in sorted((PROJECT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = ast.unparse(node.func.value)
                if re.fullmatch(r"(self\.)?_?log|structlog\.get_logger\(\)", owner):
                    yield f"{path.relative_to(PROJECT)}:{node.lineno}", node, node.func.attr


def names(event: ast.expr) -> list[str]:
    parts = (event.body, event.orelse) if isinstance(event, ast.IfExp) else (event,)
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


@pytest.mark.parametrize("room", ROOMS)
def test_events_are_noun_verb_and_name_their_error(room: str) -> None:
    wrong = []
    for where, call, level in events(room):
        found = names(call.args[0])
        if not found or not all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name) for name in found):
            wrong.append(f"{where}: {ast.unparse(call.args[0])} is no noun_verb")
        if level in TROUBLE and "error" not in {keyword.arg for keyword in call.keywords}:
            wrong.append(f"{where}: says no error")
    assert wrong == []


def test_the_calls_are_found() -> None:
    assert sum(1 for room in ROOMS for _ in events(room)) > 30
