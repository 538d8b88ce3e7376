"""A lesson of 45 minutes is made again by the real box, killed with everything it started, while somebody watches."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from benchmarks.journals import of_type
from benchmarks.outside import Running, command, write_config
from lesson.editions import start_edition
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Layout
from lesson.overrides import Override, Trim
from lesson.records import SourceFinished
from lesson.time import Grid, Span
from lesson.view import load_state
from publish.folder_store import FolderStore
from publish.verify import verify_remote
from tests.kit.box import Box
from tests.kit.filmed import Take, film
from tests.kit.lessons import HIGH, LOW, VOICE, make_lesson, moment, start, stop
from tests.kit.marks import BOARD, TEACHER
from tests.kit.programme import classreel, decoding_errors, result_of
from tests.kit.stages import SOURCES, S, plan_by_turns, shot, without_workers, work
from tests.kit.viewer import Viewer, served
from tests.kit.waiting import wait_until

GRID = Grid()
LADDER = (
    VOICE,
    replace(LOW, width=96, height=54, frame_divisor=8),
    replace(HIGH, width=192, height=108, frame_divisor=4),
)
MADE_WITHIN_S = 90.0


class Power(Protocol):
    """What works on the lesson: it can be switched on, and killed with all its processes."""

    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Edit:
    """What is wanted of an edition, and the chunks of the pictures and of the voice that have to be coded for it."""

    overrides: tuple[Override, ...]
    pictures: frozenset[int]
    voice: frozenset[int] = frozenset()

    def coded(self) -> list[tuple[str, int]]:
        wanted = {VOICE.name: self.voice, LOW.name: self.pictures, HIGH.name: self.pictures}
        return sorted((name, index) for name, indices in wanted.items() for index in indices)


def chunks(start_s: float, end_s: float) -> frozenset[int]:
    """Those that cover a stretch."""
    return frozenset(range(GRID.index(round(start_s * S)), GRID.index(round(end_s * S) - 1) + 1))


def prepared(home: Path, seconds: int, *, sound: bool) -> LessonFolder:
    """A lesson with two cameras: recorded and planned by hand, encoded and published to a folder by the stages."""
    specs = SOURCES[:2]
    folder = make_lesson(home / "root", sources=specs, ladder=LADDER)
    start(folder)
    for spec, number in zip(specs, (TEACHER, BOARD), strict=True):
        take = Take(number, seconds, fps=1, size=(192, 112), segment_s=60, sound=sound and number == TEACHER)
        film(folder, spec, take)
        append_records(folder.raw_journal(spec.id), [SourceFinished(source=spec.id, at=moment(seconds))])
    stop(folder, at=moment(seconds))
    plan_by_turns(folder, seconds)
    work(folder, FolderStore(home / "store"))
    return folder


class Journals:
    """How much was journaled of an edition since it was started: lines of encoding and publishing, and its plan."""

    def __init__(self, folder: LessonFolder) -> None:
        self._paths = [folder.publish_journal, *(folder.rendition_journal(rung.name) for rung in LADDER)]
        self._began = [path.stat().st_size for path in self._paths]
        self._plan = folder.plan_journal(load_state(folder).newest)

    def lines(self) -> int:
        planned = self._plan.is_file() and self._plan.stat().st_size > 0
        return planned + sum(map(self._new_lines, self._paths, self._began))

    @staticmethod
    def _new_lines(path: Path, began: int) -> int:
        with path.open("rb") as file:
            file.seek(began)
            return file.read().count(b"\n")


def contents(store: FolderStore) -> dict[str, str]:
    """SHA-256 of every object of the store."""
    return {info.key: hashlib.sha256(store.get(info.key)).hexdigest() for info in store.list()}


def verified(folder: LessonFolder, edition: int) -> bool:
    seals = of_type(folder.publish_journal, "Verified")
    return bool(seals) and seals[-1].get("edition") == edition


def make_undisturbed(folder: LessonFolder, edit: Edit, store: FolderStore) -> int:
    """Make an edition here and now; how many lines were journaled."""
    start_edition(folder.path.parent, folder, edit.overrides)
    journals = Journals(folder)
    work(folder, store, blind=False)
    return journals.lines()


def make(folder: LessonFolder, edit: Edit, power: Power, *, dies_at: Iterable[int]) -> None:
    """Have an edition made, and kill whoever makes it when so many lines of it are journaled."""
    number = start_edition(folder.path.parent, folder, edit.overrides)
    journals = Journals(folder)
    power.start()
    for lines in sorted(dies_at):
        wait_until(lambda lines=lines: journals.lines() >= lines, MADE_WITHIN_S, poll_s=0.001)  # type: ignore[misc]
        power.kill()
        power.start()
    wait_until(lambda: verified(folder, number), MADE_WITHIN_S, what=f"edition {number} is verified")
    power.kill()


def assert_made(folder: LessonFolder, edit: Edit) -> None:
    """Every chunk that the edit needs was coded for its edition once, and no other."""
    number = load_state(folder).newest
    lines = [line for rung in LADDER for line in of_type(folder.rendition_journal(rung.name), "ChunkEncoded")]
    found = [line["chunk"] for line in lines if line["edition"] == number]
    assert sorted((chunk["rendition"], chunk["index"]) for chunk in found) == edit.coded()


class Finishing:
    """`classreel process` at work on a lesson."""

    def __init__(self, home: Path) -> None:
        self._argv = command("process", "lesson", "--config", config(home))
        self._log = home / "process"

    def start(self) -> None:
        self._running = Running(self._argv, self._log)

    def kill(self) -> None:
        self._running.kill_group()
        wait_until(lambda: not self._running.group(), 20, what="everything it started has ended")


def config(home: Path) -> Path:
    url = (home / "store").as_uri()
    return write_config(home / "classroom.toml", home / "root", (), store=f'url = "{url}"')


class Serving(Box):
    """`classreel serve`, which notices by itself that a lesson of last week is wanted otherwise."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, (), store=f'url = "{(home / "store").as_uri()}"')

    def start(self, *, answers: bool = False) -> None:
        super().start(answers=answers)


def check_killed(home: Path, edits: Sequence[Edit], power: Callable[[Path], Power], *, kills: int, seed: int) -> None:
    """The editions are made undisturbed first, then all over again with so many kills, watched from the store."""
    folder, store = LessonFolder(home / "root" / "lesson"), FolderStore(home / "store")
    before = shutil.copytree(home, home.with_name("before"))
    lines, expected = [], []
    for edit in edits:
        lines.append(make_undisturbed(folder, edit, store))
        assert_made(folder, edit)
        expected.append(contents(store))
    home.rename(home.with_name("undisturbed"))
    before.rename(home)

    chance = random.Random(seed)
    with served(store.root) as site, Viewer(f"{site}/lesson/index.m3u8") as viewer:
        for edit, wanted, objects in zip(edits, lines, expected, strict=True):
            rounds = viewer.rounds
            make(folder, edit, power(home), dies_at=[chance.randrange(wanted) for _ in range(kills // len(edits))])
            assert_made(folder, edit)
            assert contents(store) == objects
            wait_until(lambda rounds=rounds: viewer.rounds > rounds, 60, what="it was watched")  # type: ignore[misc]
    assert viewer.complaints == []
    assert viewer.editions == ["index.m3u8", *(f"e{number}.m3u8" for number in range(1, len(edits) + 1))]
    assert verify_remote(folder, store, deep=True) == []
    assert result_of(classreel("verify", folder.path, "--remote", "--config", config(home), "--json"))["ok"]
    assert decoding_errors(store.root / "lesson" / "index.m3u8") == ""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_workers(monkeypatch)  # what is prepared here; all else is done by processes that are killed
    return tmp_path / "box"


def test_an_edit_is_finished_by_the_next_life(home: Path) -> None:
    prepared(home, 48, sound=True)
    cut = frozenset({GRID.index(10 * S), GRID.index(40 * S)})
    edit = Edit((shot(24, 28, "board"), Trim(span=Span(10 * S, 40 * S))), chunks(24, 28) | cut, cut)
    check_killed(home, [edit], Finishing, kills=1, seed=6)


@pytest.mark.faults
@pytest.mark.timeout(420)
def test_a_lesson_of_45_minutes_killed_20_times(home: Path) -> None:
    prepared(home, 45 * 60, sound=False)
    cut = frozenset({GRID.index(100 * S), GRID.index(2600 * S)})
    board, both = shot(600, 612, "board"), shot(1200, 1212, "board", "teacher", layout=Layout.PIP)
    edits = [
        Edit((board,), chunks(600, 612)),
        Edit((board, Trim(span=Span(100 * S, 2600 * S))), cut, cut),
        Edit((board, both), chunks(1200, 1212)),
        Edit((shot(2000, 2012, layout=Layout.SLATE),), chunks(2000, 2012)),
        Edit((), frozenset()),  # as it was before any edit
    ]
    check_killed(home, edits, Serving, kills=20, seed=16)
