"""What the log says can be searched for: every event is `noun_verb`, and what went wrong is in `error=`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("api", "capture", "classroom", "encode", "lesson", "media", "process", "publish", "tracking")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"[a-z]+(_[a-z]+)*_([a-z]+ed|[a-z]+s|hung|lost|sent|died|stuck|begun|gone)")
"""A noun of one or more words, and a verb that says what happened to it."""


def is_log(node: ast.expr) -> bool:
    """Whether this is a logger: `log`, `self._log`, `structlog.get_logger()`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith(("log", "logger"))
        case ast.Call(func=ast.Attribute(attr=name)):
            return name == "get_logger"
    return False


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call that logs: where it is, itself, its level."""
    for path in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                level = node.func.attr
                if level in LEVELS and node.args and is_log(node.func.value):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node, level


def names(event: ast.expr) -> list[str]:
    """The names an event may have; a choice between two has both."""
    if isinstance(event, ast.IfExp):
        return names(event.body) + names(event.orelse)
    return [str(event.value)] if isinstance(event, ast.Constant) else [ast.unparse(event)]


def test_every_event_is_noun_and_verb() -> None:
    found = [(where, name) for where, call, _ in calls() for name in names(call.args[0])]
    assert len(found) > 30
    assert [(where, name) for where, name in found if not EVENT.fullmatch(name)] == []


def test_what_went_wrong_is_called_error() -> None:
    other = {"reason", "problem", "problems", "exc", "message", "err"}
    wrong = [
        (where, sorted(keywords & other))
        for where, call, level in calls()
        if (keywords := {str(keyword.arg) for keyword in call.keywords}) & other and level != "info"
    ]
    assert wrong == []
