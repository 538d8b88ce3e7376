"""An encoding farm: a real Dask scheduler with a worker makes the same chunks as this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind
from lesson.view import load_state
from tests.kit.places import GOLDEN
from tests.kit.programme import classreel, environment, result_of
from tests.kit.s3_servers import free_ports
from tests.kit.waiting import wait_until

pytest.importorskip("distributed", reason="no Dask here: pip install 'classreel[farm]'")

WORK_S = 1.5
"""CPU seconds that encoding eleven seconds of lesson takes at the very least; an idle worker uses a tenth of it."""


@dataclass(frozen=True)
class Farm:
    """`url` of the scheduler; `pid` of its only worker."""

    url: str
    pid: int

    def worked_s(self) -> float:
        """CPU seconds the worker has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def lesson(tmp_path: Path) -> LessonFolder:
    """A recorded and planned lesson without its chunks."""
    source = next(lessons_in(GOLDEN)).path
    copy = tmp_path / "lessons" / source.name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("enc", "pub", "manifest.json"))
    return LessonFolder(copy)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A scheduler and one worker process on loopback."""
    (port,) = free_ports(1)
    url = f"tcp://127.0.0.1:{port}"
    log = (tmp_path / "farm.log").open("wb")
    common = {"stdout": log, "stderr": log, "env": environment(), "cwd": tmp_path}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", url, "--nthreads", "2", "--no-nanny"]
    processes = [
        subprocess.Popen([*dask, "--no-dashboard"], **common),  # type: ignore[call-overload]
        subprocess.Popen([*worker, "--no-dashboard", "--local-directory", str(tmp_path)], **common),  # type: ignore[call-overload]
    ]
    try:
        wait_until(
            lambda: b"Registered to" in (tmp_path / "farm.log").read_bytes(), 60, what="the worker joins the farm"
        )
        yield Farm(url, processes[1].pid)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)
        log.close()


def chunks(folder: LessonFolder) -> dict[tuple[str, int], str]:
    state = load_state(folder)
    return {
        (rendition.name, index): chunk.sha256
        for rendition in folder.header.ladder
        if rendition.kind is Kind.VIDEO
        for index, chunk in state.renditions[rendition.name].chunks.items()
    }


@pytest.mark.timeout(200)
def test_a_farm_makes_what_this_machine_makes(lesson: LessonFolder, farm: Farm, tmp_path: Path) -> None:
    here = LessonFolder(shutil.copytree(lesson.path, tmp_path / "here" / lesson.id))
    assert result_of(classreel("process", here.path, "--json"))["problems"] == []
    before = farm.worked_s()
    assert result_of(classreel("process", lesson.path, "--farm", farm.url, "--json"))["problems"] == []
    assert chunks(lesson) == chunks(here)
    assert farm.worked_s() - before > WORK_S


def test_an_address_that_is_no_scheduler_is_refused(lesson: LessonFolder) -> None:
    (port,) = free_ports(1)
    done = classreel("process", lesson.path, "--farm", f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    assert "Dask scheduler" in done.stderr
