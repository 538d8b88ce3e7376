"""What the command line promises whatever the command: names, exit codes, one line for an error, one object."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from classroom.cli import app
from tests.kit.lessons import make_lesson, record_all
from tests.kit.programme import classreel, environment

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PLACES = {"--root", "--config", "--json"}


def options(name: str) -> dict[str, str]:
    """Every option of a command, and the help that goes with it."""
    return {opt: one.help or "" for one in COMMANDS[name].params for opt in one.opts if opt.startswith("--")}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_commands_call_the_same_thing_by_the_same_name(name: str) -> None:
    missing = {"demo": {"--root", "--config"}, "discover": {"--root", "--config"}, "serve": {"--json"}}.get(name, set())
    assert PLACES - set(options(name)) == missing
    for option, said in options(name).items():
        others = {options(other)[option] for other in COMMANDS if option in options(other)}
        assert others == {said}, f"{option} means different things"


def test_version() -> None:
    done = classreel("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"classreel {version('classreel')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("record",), 2, "classreel record: missing option '--for'; `classreel record --help`"),
        (("recrod",), 2, "did you mean 'record'"),
        (("lessons", "--rot", "x"), 2, "no such option: --rot (Possible options: --root)"),
        (("serve", "--port", "x"), 2, "classreel serve: invalid value for '--port'"),
        (("demo", "--for", "1x"), 1, "--for: '1x' is no duration; write 90, 90s, 45m or 1h30m"),
        (("record", "--for", "0"), 1, "is no duration"),
        (("import", "--source", "mic=a", "--offset", "mic=soon"), 1, "--offset: 'soon': write seconds or a duration"),
        (("process", "x", "--farm", "http://h"), 1, "--farm: encode.farm: write the address of a Dask scheduler"),
        (("verify", "x", "--config", "/none.toml"), 1, "/none.toml: no such configuration file"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_remedy(
    tmp_path: Path, arguments: tuple[str, ...], code: int, line: str
) -> None:
    done = classreel(*arguments, env={"COLUMNS": "40", "XDG_DATA_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (code, "")
    assert line.lower() in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"), [(("verify", "none"), 1), (("record", "--for", "1x"), 1), (("check", "x"), 2)]
)
def test_a_command_that_fails_before_it_has_a_result_prints_none(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    done = classreel(*arguments, "--json", env={"XDG_DATA_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)


def test_a_result_that_is_bad_is_one_object_and_exit_status_1(tmp_path: Path) -> None:
    lesson = make_lesson(tmp_path)
    record_all(lesson)
    next(lesson.path.glob("raw/teacher/e00/*.mkv")).unlink()
    done = classreel("verify", lesson.path, "--json")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert (result["lesson_id"], result["ok"], len(result["problems"])) == (lesson.id, False, 1)


def completed(words: str, env: dict[str, str]) -> list[str]:
    count = len(words.split(" ")) - 1
    asked = {"_CLASSREEL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count), **env}
    return classreel(env=asked).stdout.split()


def test_the_shell_completes_commands_lessons_and_roles(tmp_path: Path) -> None:
    lessons = [make_lesson(tmp_path, f"20260101-08000{n}-aaaa") for n in range(2)]
    here = {"CLASSREEL_ROOT": str(tmp_path)}
    assert completed("classreel ver", here) == ["verify"]
    assert completed("classreel verify 2026", here) == [lessons[1].id, lessons[0].id]
    assert completed("classreel verify 2026", {"CLASSREEL_ROOT": "/proc/none/such"}) == []
    assert completed("classreel import --source teacher", here) == ["teacher=", "teacher_closeup="]


def test_alone_it_says_what_there_is() -> None:
    done = classreel()
    assert done.returncode == 2
    assert all(name in done.stdout for name in COMMANDS)


def test_a_box_that_wakes_up_imports_nothing_that_recording_does_not_need() -> None:
    code = "import sys, classroom.cli, classroom.conductor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert not {"av", "cv2", "fastapi", "minio", "numpy", "rich.progress", "uvicorn"} & set(done.stdout.split())


def test_a_lesson_is_pinned_and_let_go_by_its_id(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    done = classreel("pin", folder.id, "--root", tmp_path, "--json")
    assert (done.returncode, json.loads(done.stdout)["pinned"]) == (0, True)
    done = classreel("unpin", folder.path, "--root", tmp_path)
    assert (done.returncode, "pinned" in done.stdout) == (0, False)
