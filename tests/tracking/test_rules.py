"""The numbers of the director stand in one place, each with where it comes from."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest

TRACKING = Path(__file__).parents[2] / "tracking"
ARITHMETIC = {0, 1, 2, 0.5}
"""Numbers that mean nothing of their own: an index, a half, the whole frame."""


def test_every_number_says_where_it_comes_from() -> None:
    module = ast.parse((TRACKING / "rules.py").read_text())
    bodies = [module.body, *(node.body for node in module.body if isinstance(node, ast.ClassDef))]
    assert len(bodies) == 3
    numbers = 0
    for body in bodies:
        for node, following in pairwise([*body, ast.Pass()]):
            if not isinstance(node, ast.Assign | ast.AnnAssign) or "default_factory" in ast.unparse(node):
                continue
            told = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert told, f"rules.py:{node.lineno}: {ast.unparse(node)} does not say why"
            numbers += 1
    assert numbers > 35


@pytest.mark.parametrize("module", ["director", "situation", "planner", "horizon"])
def test_no_other_number_decides(module: str) -> None:
    tree = ast.parse((TRACKING / f"{module}.py").read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) in {int, float}]
    assert [f"line {node.lineno}: {node.value}" for node in found if node.value not in ARITHMETIC] == []
