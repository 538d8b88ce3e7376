"""Somebody new finds the place that decides a thing in two hops from README, and each word explained once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "development.md"
ROW = re.compile(r"\| (?P<what>[^|]+) \| \[(?P<label>[^\]]+)\]\((?P<path>[^)]+)\) `(?P<name>[\w.]+)` \|")


def section(document: Path, title: str) -> list[str]:
    """The table rows below a heading, those of the head left out."""
    text = document.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in text.splitlines() if line.startswith("|")][2:]


def defined(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Names that statements define, each with what is defined inside it."""
    names: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = node.body
        elif isinstance(node, ast.Assign):
            names |= {target.id: [] for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = []
    return names


def test_readme_leads_to_the_table() -> None:
    assert "(docs/development.md)" in (ROOT / "README.md").read_text()
    assert len(section(GUIDE, "Where it is decided")) >= 12


@pytest.mark.parametrize("row", section(GUIDE, "Where it is decided"))
def test_the_place_is_where_the_table_says(row: str) -> None:
    cells = ROW.fullmatch(row)
    assert cells, f"not | what | [file](path) `name` |: {row}"
    file = (GUIDE.parent / cells["path"]).resolve()
    assert file == ROOT / cells["label"]
    body = ast.parse(file.read_text()).body
    for part in cells["name"].split("."):
        names = defined(body)
        assert part in names, f"{cells['label']} defines no {cells['name']}"
        body = names[part]


ADDITION = re.compile(
    r"\| [^|]+ \| \[[^\]]+\]\((?P<table>[^)]+)\) `(?P<name>\w+)` \| \[[^\]]+\]\((?P<example>[^)]+)\) \|"
)


@pytest.mark.parametrize("row", section(GUIDE, "Adding one more"))
def test_one_more_has_its_table_and_an_example_that_only_tests_know(row: str) -> None:
    cells = ADDITION.fullmatch(row)
    assert cells, f"not | what | [file](path) `table` | [file](path) |: {row}"
    table = (GUIDE.parent / cells["table"]).resolve()
    assert cells["name"] in defined(ast.parse(table.read_text()).body)
    assert (GUIDE.parent / cells["example"]).resolve().is_relative_to(ROOT / "tests")


def test_each_word_is_explained_once() -> None:
    words = [
        word.strip()
        for row in section(ROOT / "docs" / "architecture.md", "Words")
        for word in row[1:].split("|")[0].split(",")
    ]
    assert len(words) > 30
    assert [word for word, times in Counter(words).items() if times > 1] == []


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_no_link_leads_nowhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
