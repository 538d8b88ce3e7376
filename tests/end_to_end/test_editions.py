"""A lesson made again: only what changed is coded, the old edition plays meanwhile, and no kill leaves a trace."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest

from api.schema import LessonOut
from encode.stage import EncodeStage
from lesson.catalogue import Catalogue
from lesson.durable import write_atomic
from lesson.edition_state import trim_step
from lesson.editions import EditionError, skip_rung, start_edition
from lesson.folder import LessonFolder
from lesson.glance import glance
from lesson.hls import INDEX
from lesson.journal import JournalWriter
from lesson.listing import lesson_summary, listed_lesson
from lesson.model import Layout
from lesson.overrides import OverrideShot, Trim
from lesson.phase import Phase
from lesson.records import Planning, Record, encode_line
from lesson.summary import GapSummary
from lesson.time import Grid, Span
from lesson.verify import verify_local
from lesson.view import load_state
from publish.memory_store import MemoryStore
from publish.verify import verify_remote
from tests.kit.playlists import check_media, check_multivariant
from tests.kit.stages import LADDER, S, coded, make_instant, recorded, shot, work
from tracking.__main__ import plan

GRID = Grid()
ODD_TIMES: list[Any] = [(0.5, 48_000.7), (1.0, 2 * S + 0.5), (float("nan"), 3), (0, float("inf")), ("a", "b")]
"""What a program that counts in seconds may come up with."""


@pytest.fixture(autouse=True)
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    make_instant(monkeypatch)


class WatchedStore(MemoryStore):
    """Before and after each object that is stored, a viewer opens the lesson from its beginning."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self.objects = dict(objects)
        self.began_with = dict(objects)
        self.seen: list[str] = []

    def put(self, key: str, data: bytes, *, content_type: str, cache_control: str) -> None:
        super().put(key, data, content_type=content_type, cache_control=cache_control)
        self.seen.append(self._open())
        changed = {old for old, was in self.began_with.items() if self.objects[old] != was}
        assert changed <= {f"lesson/{INDEX}", "lesson/manifest.json"}, "what is cached for a year was replaced"

    def _open(self) -> str:
        """All that `index.m3u8` names is there, and of one edition: how its playlists are called."""
        names = set()
        for variant in check_multivariant(self.get(f"lesson/{INDEX}").decode()):
            playlist = variant["URI"]
            names.add(PurePosixPath(playlist).name)
            for _, uri in check_media(self.get(f"lesson/{playlist}").decode(), final=True):
                assert self.get(f"lesson/{playlist.split('/')[0]}/{uri}")
        assert len(names) == 1, "editions are mixed"
        return names.pop()


def test_an_edit_of_one_shot_codes_only_its_chunks_and_nobody_is_cut_off(tmp_path: Path) -> None:
    folder, first = recorded(tmp_path, 45 * 60), MemoryStore()
    work(folder, first)
    chunks = GRID.chunks(45 * 60 * S)
    assert len(coded) == 3 * chunks == 3 * 704
    before = load_state(folder)
    coded.clear()

    assert start_edition(tmp_path, folder, [shot(600, 612, "board")]) == 1
    assert load_state(folder).phase is Phase.PROCESSING
    store = WatchedStore(first.objects)
    work(folder, store)
    edited = set(range(GRID.index(600 * S), GRID.index(612 * S) + 1))
    assert sorted(coded) == sorted((name, index) for name in ("low", "high") for index in edited)
    after = load_state(folder)
    assert (after.phase, after.shown, after.newest) == (Phase.PUBLISHED, 1, 1)
    assert after.verified is not None
    assert after.verified.edition == 1
    assert store.seen[0] == INDEX
    assert store.seen[-1] == "e1.m3u8"
    assert [PurePosixPath(key).name for key in store.objects if key not in first.objects and key.endswith("m3u8")] == (
        ["e1.m3u8"] * 3
    )
    assert len(store.objects) - len(first.objects) == 2 * len(edited) + 3
    for name in ("voice", "low", "high"):
        same = [after.renditions[name].chunks[i] == before.renditions[name].chunks[i] for i in range(chunks)]
        assert [i for i in range(chunks) if not same[i]] == (sorted(edited) if name != "voice" else [])
    assert verify_local(folder) == []
    assert verify_remote(folder, store) == []
    coded.clear()

    start_edition(tmp_path, folder, [shot(600, 612, "board"), Trim(span=Span(100 * S, 2600 * S))])
    work(folder, store)
    cut = [GRID.index(100 * S), GRID.index(2600 * S)]
    assert sorted(coded) == sorted((rung.name, index) for rung in LADDER for index in cut)
    trimmed = load_state(folder)
    assert 0 <= trimmed.edition.window.start - 100 * S < trim_step(trimmed.header)
    assert trimmed.edition.window.end == 2600 * S
    assert trimmed.duration == trimmed.edition.window.duration
    assert len(check_media(store.get("lesson/low/e2.m3u8").decode(), final=True)) == cut[1] - cut[0] + 1
    assert verify_local(folder) == []
    assert verify_remote(folder, store) == []


class Killed(BaseException):
    """The process ends here."""


class Deadline:
    """Ends the process in the middle of the write it is set to: before it, with half of it done, or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes, self.at, self.how = 0, -1, 0
        append, put = JournalWriter.append, MemoryStore.put
        monkeypatch.setattr(JournalWriter, "append", self._append(append))
        monkeypatch.setattr(MemoryStore, "put", self._wrap(put))
        monkeypatch.setattr("encode.rendition_writer.write_atomic", self._wrap(write_atomic))
        monkeypatch.setattr("publish.uploader.write_atomic", self._wrap(write_atomic))

    def _due(self) -> bool:
        self.writes += 1
        return self.writes == self.at

    def _wrap(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(*arguments: Any, **named: Any) -> None:
            if (due := self._due()) and self.how == 0:
                raise Killed
            write(*arguments, **named)
            if due:
                raise Killed

        return writing

    def _append(self, append: Callable[..., None]) -> Callable[..., None]:
        def appending(writer: JournalWriter, *records: Record) -> None:
            if not self._due():
                return append(writer, *records)
            if self.how == 1:  # some lines, and a torn one
                data = b"".join(map(encode_line, records))
                with writer.path.open("ab") as file:
                    file.write(data[: len(data) * 2 // 3])
            elif self.how == 2:
                append(writer, *records)
            raise Killed

        return appending


def test_killed_anywhere_an_edition_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, published = recorded(tmp_path / "made", 60), MemoryStore()
    work(made, published)
    overrides = [shot(20, 29, "board"), Trim(span=Span(5 * S, 50 * S))]
    start_edition(tmp_path / "made", made, overrides)
    deadline = Deadline(monkeypatch)

    def whole(name: str) -> tuple[LessonFolder, WatchedStore]:
        return LessonFolder(Path(shutil.copytree(made.path, tmp_path / name))), WatchedStore(published.objects)

    coded.clear()
    folder, expected = whole("expected")
    work(folder, expected)
    wanted, writes = sorted(coded), deadline.writes
    chance = random.Random(16)
    for number, at in enumerate(sorted(chance.sample(range(1, writes + 1), 20))):
        folder, store = whole(f"killed-{number}")
        coded.clear()
        deadline.writes, deadline.at, deadline.how = 0, at, number % 3
        with pytest.raises(Killed):
            work(folder, store)
        deadline.at = -1
        work(folder, store)
        assert store.objects == expected.objects
        assert set(coded) == set(wanted)
        assert load_state(folder).phase is Phase.PUBLISHED
        assert verify_local(folder) == []
        assert verify_remote(folder, store, deep=True) == []


def test_a_later_edit_takes_the_place_of_one_that_is_being_made(tmp_path: Path) -> None:
    folder, published = recorded(tmp_path, 60), MemoryStore()
    work(folder, published)
    start_edition(tmp_path, folder, [shot(20, 24, "board", "teacher", layout=Layout.PIP)])
    plan(folder, blind=True)
    with EncodeStage(folder, 1) as stage:
        for _ in range(3):
            stage.step()
    start_edition(tmp_path, folder, [shot(40, 44, layout=Layout.SLATE)])
    coded.clear()
    store = WatchedStore(published.objects)
    work(folder, store)
    assert {index for _, index in coded} == {GRID.index(40 * S), GRID.index(44 * S)}
    assert store.seen[-1] == "e2.m3u8"
    assert load_state(folder).phase is Phase.PUBLISHED
    assert verify_local(folder) == []


def test_a_rung_left_out_is_said_and_nothing_of_it_is_published(tmp_path: Path) -> None:
    folder, store = recorded(tmp_path, 20), MemoryStore()
    skip_rung(tmp_path, folder, "high", "this box is too slow for it")
    work(folder, store)
    state = load_state(folder)
    assert state.phase is Phase.PUBLISHED
    assert not [key for key in store.objects if "/high/" in key]
    assert [one.sentence for one in state.edition.left_out] == ["high is left out: this box is too slow for it"]
    assert verify_local(folder) == []
    with pytest.raises(EditionError, match="no rendition 'high' is wanted"):
        skip_rung(tmp_path, folder, "high", "again")
    start_edition(tmp_path, folder)
    work(folder, store)
    assert {name for name, _ in coded} == {"voice", "low", "high"}
    assert [key for key in store.objects if key.endswith("high/e1.m3u8")]


def test_hindsight_directs_the_whole_lesson_once_more(tmp_path: Path) -> None:
    folder, store = recorded(tmp_path, 40), MemoryStore()
    work(folder, store)
    start_edition(tmp_path, folder, planning=Planning.HINDSIGHT)
    coded.clear()
    work(folder, store)  # without analysis there is only the safe wide shot
    state = load_state(folder)
    assert {shot.sources for shot in state.shots} == {("teacher",)}
    assert (state.shots[0].span.start, state.shots[-1].span.end) == (0, 40 * S)
    otherwise = {index for index in range(11) if GRID.span(index).overlaps(Span(12 * S, 24 * S)) or index > 9}
    assert {name for name, _ in coded} == {"low", "high"}
    assert otherwise <= {index for _, index in coded} < set(range(11))


def test_the_box_notices_an_edition_of_a_lesson_it_looks_at_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesson.catalogue.SETTLE_S", 0.0)
    folder, store = recorded(tmp_path, 20), MemoryStore()
    work(folder, store)
    catalogue = Catalogue(tmp_path)
    assert [catalogue.unfinished(), catalogue.unfinished()] == [[], []]
    start_edition(tmp_path, folder, [shot(1, 5, "board")])
    assert [found.id for found in catalogue.unfinished()] == ["lesson"]
    assert catalogue.page()[0].phase is Phase.PROCESSING
    assert catalogue.page()[0].playable
    work(folder, store)
    assert catalogue.unfinished() == []
    assert catalogue.page()[0].phase is Phase.PUBLISHED


def test_until_an_edition_is_made_everything_that_is_said_is_about_the_one_that_plays(tmp_path: Path) -> None:
    folder, store = recorded(tmp_path, 40), MemoryStore()
    work(folder, store)

    def said() -> list[tuple[float, int | None, list[GapSummary]]]:
        state = load_state(folder)
        page, line = LessonOut.of_state(state, []), lesson_summary(state)
        listed = listed_lesson(glance(folder))
        assert (line.duration_s, line.gap_count) == (listed.duration_s, listed.gap_count) == (
            page.duration_s, page.gap_count,
        )  # fmt: skip
        return [(page.duration_s, page.gap_count, page.gaps)]

    before = said()
    start_edition(tmp_path, folder, [Trim(span=Span(10 * S, 30 * S))])
    assert said() == before
    plan(folder, blind=True)
    assert said() == before
    work(folder, store)
    assert said()[0][0] == pytest.approx(20, abs=0.35), "to the step of a trim"


def test_what_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = recorded(tmp_path, 20)
    with pytest.raises(EditionError, match="not published yet: `classreel process lesson`"):
        start_edition(tmp_path, folder)
    work(folder, MemoryStore())
    refused = [
        (([shot(1, 5, "screen")], None), "no source 'screen'; there is teacher, board, mic"),
        (([shot(1, 5, "board", layout=Layout.PIP)], None), "the layout 'pip' shows 2 source"),
        (([shot(30, 35, "board")], None), "outside of the lesson"),
        (([Trim(span=Span(30 * S, 40 * S))], None), "nothing would be left"),
        (([], ["v4k"]), "no rendition 'v4k'; there is voice, low, high"),
        (([], []), "an edition needs a rendition"),
        (([shot(1, 5, "mic")], None), "source 'mic' has no picture to show"),
        (([shot(1, 5, "teacher", "mic", layout=Layout.PIP)], None), "source 'mic' has no picture to show"),
        *((([Trim(span=Span(*odd))], None), "whole ticks") for odd in ODD_TIMES),
        *(
            (
                ([shot(1, 5, "board"), OverrideShot(span=Span(*odd), layout=Layout.FULL, sources=("board",))], None),
                "whole ticks",
            )
            for odd in ODD_TIMES
        ),
        (([shot(1, 5, cast(str, 7))], None), "whole ticks"),
        (([], [cast(str, 7)]), "whole ticks"),
    ]
    before = folder.control_journal.read_bytes()
    for (overrides, rungs), message in refused:
        with pytest.raises(EditionError, match=message):
            start_edition(tmp_path, folder, overrides, rungs=rungs)
    with pytest.raises(EditionError, match="edition 0 is published: start one with the rungs"):
        skip_rung(tmp_path, folder, "high", "after the fact")
    assert folder.control_journal.read_bytes() == before, "what is refused leaves no trace"
    assert load_state(folder).newest == 0
