"""Every clock that a classroom box may wake up with after a power cut, and clocks that jump while it records.

A reboot is: kill -9 of the group, another boot id (a bind mount), CLOCK_MONOTONIC near zero (a time namespace), and a
wall clock that is off (a preloaded library).
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.journals import epochs, lessons, media_s, of_type, segments, stopped
from benchmarks.outside import Running, Source, command, environment, write_config
from tests.kit.box import MIC, Box, named_s
from tests.kit.shims import wall_clock
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]

TEACHER = Source("teacher", "test:teacher?size=320x180&fps=5", required=True)
SOURCES = (TEACHER, MIC)
TO_1970_S = 100.0 - time.time()
DAY_S, HOUR_S = 86_400.0, 3_600.0
WITHIN_S = 60.0
OFF_S = 60.0
"""More than the box is off."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot(folder: Path, number: int) -> list[str]:
    """The argv that runs the rest of its arguments as in another boot of this machine."""
    boot_id = folder / f"boot-{number}"
    boot_id.write_text(f"{number:08d}-0000-4000-8000-000000000000\n")
    offset = str(60 + 100 * number - int(time.monotonic()))
    # a disk that another test has mounted could not be taken out while this copy of the mounts lives
    others = "grep ^/dev/loop /proc/mounts | cut -d' ' -f2 | xargs -r umount -l"
    return [
        "/usr/bin/unshare", "--mount", "--time", "--monotonic", offset, "--boottime", offset,
        "/bin/sh", "-c", f'{others}; mount --bind "{boot_id}" {BOOT_ID} && exec "$@"', "boot",
    ]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a clock of its own needs root and unshare")
    folder = tmp_path_factory.mktemp("trial")
    trial = subprocess.run([*boot(folder, 1), "/bin/cat", BOOT_ID], capture_output=True, text=True, check=False)
    if not trial.stdout.startswith("00000001-"):
        pytest.skip(f"no time namespace: {trial.stderr.strip()}")


def committed(lesson: Path) -> int:
    return sum(len(segments(lesson, source.id)) for source in SOURCES)


@pytest.mark.parametrize(
    ("before_s", "after_s"),
    [(0.0, 0.0), (0.0, TO_1970_S), (TO_1970_S, 20.0), (TO_1970_S, TO_1970_S), (0.0, -HOUR_S)],
    ids=["right clock", "dead clock after", "dead clock before, right after", "never any time", "an hour back"],
)
def test_a_lesson_goes_on_whatever_the_clock_says_after_a_power_cut(
    before_s: float, after_s: float, tmp_path: Path
) -> None:
    shim = wall_clock(tmp_path, before_s)
    with Box(tmp_path / "box", SOURCES, env=shim.env, before=boot(tmp_path, 1)) as box:
        lesson = box.press()
        wait_until(lambda: committed(lesson) >= 4, WITHIN_S, what="two segments of each")
        box.kill()
        had = committed(lesson)
        shim.set(after_s)
        box.before = boot(tmp_path, 2)
        box.start()
        wait_until(lambda: committed(lesson) >= had + 3 or stopped(lesson), WITHIN_S, what="it records on")
        assert stopped(lesson) is None, "a wall clock that jumped decides nothing"
        box.until_recording()
        assert lessons(box.root) == [lesson]
        assert all(len(epochs(lesson, source.id)) == 2 for source in SOURCES)
        box.stop()
        wait_until(lambda: box.detail()["state"] == "published", 90, what="it is published")
        detail = box.detail()
        held = media_s(lesson, "mic", "audio")
        assert held - 1.0 <= detail["duration_s"] <= held + OFF_S, (
            "behind each other, with no more between than there was"
        )
        gaps = len(named_s(detail, "mic", "audio"))
        assert gaps == 1 if before_s == after_s == 0.0 else gaps <= 1, "how long it was off is known by a right clock"


def test_clocks_that_jump_while_it_records_change_nothing(tmp_path: Path) -> None:
    shim = wall_clock(tmp_path)
    jumps = itertools.chain((DAY_S, -DAY_S, HOUR_S, -HOUR_S, TO_1970_S), itertools.repeat(0.0))
    with Box(tmp_path / "box", SOURCES, env=shim.env, more='timezone = "Europe/Berlin"') as box:
        lesson = box.press()
        wait_until(lambda: committed(lesson) >= 2, WITHIN_S)
        for number in range(6):
            shim.set(next(jumps))
            had = committed(lesson)
            wait_until(lambda: committed(lesson) >= had + 2, 20, what=f"segments after jump {number}")  # noqa: B023
        assert box.health()["status"] == "recording"
        box.stop()
        wait_until(lambda: box.detail()["state"] == "published", 90, what="it is published")
        detail = box.detail()
        assert detail["gaps"] == []
        assert all(len(epochs(lesson, source.id)) == 1 for source in SOURCES)
        assert detail["duration_s"] == pytest.approx(media_s(lesson, "mic", "audio"), abs=2.0)
        assert lessons(box.root) == [lesson]


def record(folder: Path, config: Path, before: Sequence[str], env: dict[str, str]) -> Running:
    return Running([*before, *command("record", "--for", "20s", "--config", config, "--json")], folder / "record",
                   env=env)  # fmt: skip


def test_a_window_that_passed_while_the_box_was_off_is_closed_and_published(tmp_path: Path) -> None:
    shim, root = wall_clock(tmp_path), tmp_path / "root"
    config = write_config(tmp_path / "classroom.toml", root, SOURCES)
    with record(tmp_path, config, boot(tmp_path, 1), shim.env) as running:
        wait_until(lambda: lessons(root) and committed(lessons(root)[0]) >= 4, WITHIN_S, what="two segments of each")
        running.kill_group()
    shim.set(120.0)
    with record(tmp_path, config, boot(tmp_path, 2), shim.env) as running:
        assert running.wait(120) == 0, running.err.read_text()
        report = running.report()
    assert [report["lesson_id"]] == [lesson.name for lesson in lessons(root)], "nothing new starts"
    assert report["published_url"]
    lesson = lessons(root)[0]
    assert stopped(lesson) is not None
    assert all(len(epochs(lesson, source.id)) == 1 for source in SOURCES)
    assert of_type(lesson / "pub" / "journal.jsonl", "Verified")
    verified = subprocess.run(
        command("verify", lesson, "--remote", "--config", config, "--json"),
        capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(verified.stdout)["problems"] == []
