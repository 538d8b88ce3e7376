"""What is handed out with the code agrees with it: examples, image, lock files, the commands in README."""

from __future__ import annotations

import configparser
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from classroom.settings import load_settings
from lesson.model import Role
from tests.kit.places import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PYPROJECT["tool"]["setuptools"]["packages"]
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;\\]+)(?P<rest>.*)$", re.MULTILINE)


def requirements() -> dict[str, Requirement]:
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    found: dict[str, Requirement] = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}
    del found["classreel"]
    return found


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pin in PINNED.finditer((ROOT / name).read_text()):
        found.setdefault(canonicalize_name(pin["name"]), set()).add(pin["version"])
    return found


def test_the_example_of_a_classroom_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLASSREEL_ROOT", "CLASSREEL_LISTEN", "CLASSREEL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(ROOT / "deploy" / "classroom.toml")
    assert settings.listen == "0.0.0.0:8000"
    assert {source.role for source in settings.sources} == {Role.TEACHER, Role.STUDENTS, Role.BOARD, Role.MIC}
    assert settings.template().sources[0].user_env == "CAM_USER"
    assert settings.named_store.url == "file:///var/lib/classreel/store"


def test_the_image_holds_every_room_and_the_hashed_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for package in {name.partition(".")[0] for name in PACKAGES}:
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}" in allowed
    assert "--require-hashes -r requirements.lock" in dockerfile
    assert re.search(r"^USER (?!0|root)", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile


def test_every_locked_version_is_one_the_project_accepts() -> None:
    constraints = pins("constraints.txt")
    for name, requirement in requirements().items():
        assert name in constraints, f"constraints.txt lacks {name}"
        for version in constraints[name]:
            assert Version(version) in requirement.specifier, f"constraints.txt: {name} {version}"


def test_the_image_gets_the_tested_versions_by_hash_from_no_particular_place() -> None:
    constraints, locked = pins("constraints.txt"), pins("requirements.lock")
    assert all(locked[name] <= constraints[name] for name in locked)
    running = {canonicalize_name(Requirement(line).name) for line in PYPROJECT["project"]["dependencies"]}
    assert running <= set(locked)
    text = (ROOT / "requirements.lock").read_text()
    for block in re.split(r"\n(?=[a-z])", text):
        assert "--hash=sha256:" in block
    for name in ("constraints.txt", "requirements.lock"):
        assert "://" not in (ROOT / name).read_text()


def test_the_unit_starts_a_command_that_exists_and_never_gives_up() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "classreel.service")
    service = unit["Service"]
    assert service["ExecStart"].split()[1:] == ["serve", "--config", "/etc/classreel/classroom.toml"]
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert service["User"] == "classreel"
    assert (service["Type"], service["WatchdogSec"]) == ("notify", "60")


def test_the_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    [command] = re.findall(r"^python3 -m venv .*pytest$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_dependency_has_its_reason_written_down() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    missing = [name for name in requirements() if name not in text]
    assert missing == []
