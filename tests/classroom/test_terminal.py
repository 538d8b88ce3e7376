"""What users wrote is shown as they wrote it: never as markup, and never as orders to the terminal."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from classroom import cli
from classroom.progress import LessonProgress
from classroom.terminal import say, tell, tell_json
from lesson.titles import one_line
from tests.kit.lessons import make_lesson
from tests.kit.places import ROOT

MARKUP = st.lists(
    st.sampled_from(
        ["[red]", "[/b]", "[/]", "[link=x]", "\\[", ":book:", "[bold]x[/bold]", " 3", "\x1b[2J", "\x07", "课", "\u202e"]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.one_of(MARKUP, st.text(min_size=1, max_size=12)), min_size=1, max_size=3))
def test_every_lesson_is_listed_with_the_title_it_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, titles: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "500")  # rich folds what is wider
    monkeypatch.delenv("CLASSREEL_CONFIG", raising=False)
    with tempfile.TemporaryDirectory() as root:
        for number, title in enumerate(titles):
            make_lesson(Path(root), f"lesson-{number}", title=title)  # as an older version may have written it
        cli.lessons(root=Path(root))
    shown = capsys.readouterr().out
    rows = re.findall(r"│ (lesson-\d) +│ (.*?) +│ created", shown)
    assert [name for name, _ in rows] == [f"lesson-{number}" for number in reversed(range(len(titles)))]
    for (_, cell), title in zip(rows, reversed(titles), strict=True):
        assert cell.strip() == one_line(title)
    assert "\x1b" not in shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(MARKUP, st.text()))
def test_lines_are_said_as_they_are(capsys: pytest.CaptureFixture[str], text: str) -> None:
    tell(text)
    say(text)
    shown = capsys.readouterr()
    kept = "".join(c if c == "\n" or c.isprintable() else "?" for c in text)
    for line in (shown.out, shown.err):
        assert not set(line) & set(map(chr, range(32))) - {"\n"}
        if kept == text:
            assert line == text + "\n"


@given(st.dictionaries(st.text(max_size=5), st.text(st.characters())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_is_one_line_of_utf8_whatever_is_in_it(
    capsysbinary: pytest.CaptureFixture[bytes], result: dict[str, str]
) -> None:
    tell_json(result)
    line = capsysbinary.readouterr().out
    assert line.count(b"\n") == 1
    assert json.loads(line.decode()) == json.loads(json.dumps(result))


def test_only_the_terminal_prints() -> None:
    users = set()
    for path in (ROOT / "classroom").glob("*.py"):
        code = path.read_text(encoding="utf-8")
        if "from rich" in code or "import rich" in code:
            users.add(path.name)
        assert path.name == "terminal.py" or "Console(" not in code
    assert users == {"terminal.py", "progress.py"}


def classreel(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CLASSREEL_")}
    command = [sys.executable, "-P", "-m", "classroom", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_real_command(tmp_path: Path) -> None:
    make_lesson(tmp_path, "a", title="Physics [/b] 3")
    make_lesson(tmp_path, "b", title="[2026] Algebra [red]")
    done = classreel("lessons", "--root", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Physics [/b] 3" in done.stdout
    assert "[2026] Algebra [red]" in done.stdout


@pytest.mark.parametrize("command", [("record", "--for", "5s"), ("import", "--source", "teacher=none.mp4")])
def test_a_title_that_is_too_long_is_refused_before_anything_starts(command: tuple[str, ...]) -> None:
    done = classreel(*command, "--title", "x" * 201)
    assert done.returncode == 1
    assert done.stderr == "classreel: --title: a title has at most 200 characters, this one has 201\n"


def test_what_is_wrong_is_said_once_to_whoever_waits() -> None:
    out = io.StringIO()
    with LessonProgress(Console(file=out, width=40)) as progress:
        for _ in range(3):
            progress.trouble(["publish: the store does not answer: http://10.0.0.1:9000/lessons [/b]"])
        progress.trouble(["publish: the store does not answer: http://10.0.0.1:9000/lessons [/b]", "tracking: x"])
    assert out.getvalue().splitlines() == [
        "publish: the store does not answer: http://10.0.0.1:9000/lessons [/b]",
        "tracking: x",
    ]
