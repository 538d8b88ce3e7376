"""Each word means one thing, also as the name of a class. (That the glossary has each word once: test_newcomer.py.)"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ROOMS = ("lesson", "process", "media", "capture", "tracking", "encode", "publish", "api", "classroom")
SAME = {"Picture"}
"""The protocol that the planner's room knows pictures by is named like what has that shape."""


def classes() -> Iterator[str]:
    for path in (path for room in ROOMS for path in (PROJECT / room).rglob("*.py")):
        yield from (node.name.strip("_") for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))


def test_no_two_classes_have_the_same_name() -> None:
    assert {name for name, times in Counter(classes()).items() if times > 1} == SAME
