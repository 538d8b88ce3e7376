"""A lesson of 45 minutes is made again by the real box, killed with everything it started, while somebody watches."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterable
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
from lesson.time import Grid, Span, Ticks
from lesson.view import load_state
from publish.folder_store import FolderStore
from publish.verify import verify_remote
from tests.kit.box import Box
from tests.kit.filmed import Take, film
from tests.kit.lessons import HIGH, LOW, VOICE, make_lesson, moment, start, stop
from tests.kit.marks import BOARD, TEACHER
from tests.kit.programme import classreel, decoding_errors, result_of
from tests.kit.stages import SOURCES, S, make_instant, plan_by_turns, shot, without_workers, work
from tests.kit.viewer import Viewer, served
from tests.kit.waiting import wait_until

GRID = Grid()
LADDER = (
    VOICE,
    replace(LOW, width=96, height=54, frame_divisor=8),
    replace(HIGH, width=192, height=108, frame_divisor=4),
)
MADE_WITHIN_S = 120.0
SEGMENT_S = 60


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


def prepared(base: Path, seconds: int, *, sound: bool) -> Path:
    """A place with a lesson of two cameras, which the stages of this process encoded and published: see `restored`."""
    home = base / "box"
    folder = make_lesson(home / "root", sources=SOURCES[:2], ladder=LADDER)
    start(folder)
    for spec, number in zip(folder.header.sources, (TEACHER, BOARD), strict=True):
        take = Take(number, seconds, frames=few(seconds), size=(192, 112), segment_s=SEGMENT_S,
                    sound=sound and number == TEACHER)  # fmt: skip
        film(folder, spec, take)
        append_records(folder.raw_journal(spec.id), [SourceFinished(source=spec.id, at=moment(seconds))])
    stop(folder, at=moment(seconds))
    plan_by_turns(folder, seconds)
    work(folder, FolderStore(home / "store"))
    home.rename(base / "before")
    return base


def few(seconds: int) -> tuple[Ticks, ...]:
    """A picture each ten seconds, and the last of each segment."""
    return tuple(
        sorted({*range(0, seconds * S, 10 * S), *range(SEGMENT_S * S - GRID.frame, seconds * S, SEGMENT_S * S)})
    )


def restored(base: Path) -> Path:
    """The place as it was prepared, always under the same name: the lesson knows where it was published to."""
    shutil.rmtree(base / "box", ignore_errors=True)
    return Path(shutil.copytree(base / "before", base / "box"))


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


def check_killed(base: Path, edit: Edit, power: Callable[[Path], Power], *, kills: int, seed: int) -> Path:
    """An edition is made undisturbed first, then once more with so many kills, watched from the store: the place."""
    home = restored(base)
    folder, store = LessonFolder(home / "root" / "lesson"), FolderStore(home / "store")
    lines = make_undisturbed(folder, edit, store)
    assert_made(folder, edit)
    expected = contents(store)

    restored(base)
    chance = random.Random(seed)
    with served(store.root) as site, Viewer(f"{site}/lesson/index.m3u8") as viewer:
        wait_until(lambda: viewer.rounds > 0, 60, what="it is watched")
        make(folder, edit, power(home), dies_at=[chance.randrange(lines) for _ in range(kills)])
        assert_made(folder, edit)
        assert contents(store) == expected
    assert viewer.complaints == []
    assert viewer.editions == ["index.m3u8", "e1.m3u8"]
    assert verify_remote(folder, store, deep=True) == []
    assert result_of(classreel("verify", folder.path, "--remote", "--config", config(home), "--json"))["ok"]
    return home


def test_an_edit_is_finished_by_the_next_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_workers(monkeypatch)  # what is prepared here; all else is done by processes that are killed
    prepared(tmp_path, 48, sound=True)
    cut = frozenset({GRID.index(10 * S), GRID.index(40 * S)})
    edit = Edit((shot(24, 28, "board"), Trim(span=Span(10 * S, 40 * S))), chunks(24, 28) | cut, cut)
    home = check_killed(tmp_path, edit, Finishing, kills=1, seed=6)
    assert decoding_errors(home / "store" / "lesson" / "index.m3u8") == ""


@pytest.fixture(scope="module")
def long_lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """45 minutes whose first edition holds no media: what an edit keeps is never looked into."""
    with pytest.MonkeyPatch.context() as patch:
        make_instant(patch)
        return prepared(tmp_path_factory.mktemp("long"), 45 * 60, sound=False)


CUT = frozenset({GRID.index(100 * S), GRID.index(2600 * S)})
WISHES = {
    "one shot": Edit((shot(600, 612, "board"),), chunks(600, 612)),
    "a trim": Edit((Trim(span=Span(100 * S, 2600 * S)),), CUT, CUT),
    "an inset": Edit((shot(1200, 1212, "board", "teacher", layout=Layout.PIP),), chunks(1200, 1212)),
    "nothing to be seen": Edit((shot(2000, 2012, layout=Layout.SLATE),), chunks(2000, 2012)),
    "the last shot": Edit((shot(2690, 2700, layout=Layout.SLATE),), chunks(2690, 2700)),
}


@pytest.mark.faults
@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("wish", WISHES)
def test_45_minutes_killed_20_times(long_lesson: Path, monkeypatch: pytest.MonkeyPatch, wish: str, seed: int) -> None:
    without_workers(monkeypatch)
    check_killed(long_lesson, WISHES[wish], Serving, kills=20 // len(WISHES), seed=seed)
