"""What somebody new may add with one class or value and one line in a table: here a rung, and a curator's wish.

The other three: a kind of source (`tests/kit/pushed_kind.py`), a detector (`tests/tracking/more_detectors/`), a kind of
published object (`tests/lesson/test_package.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import m3u8
import pytest

from api.app import create_app
from classroom.report import lesson_report
from classroom.settings import compose
from lesson.editions import start_edition
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.ladders import LADDERS
from lesson.lifecycle import start_lesson
from lesson.model import Kind, Layout
from lesson.overrides import OVERRIDES, Override, Replacement
from lesson.phase import Phase
from lesson.records import FrozenUntil, Mapped, Origin, Shot, SourceFinished
from lesson.time import ClockMap, Grid, Span
from lesson.verify import verify_local
from lesson.view import LessonView, load_state
from publish.folder_store import FolderStore
from publish.memory_store import MemoryStore
from publish.verify import verify_remote
from tests.kit.filmed import Take, film
from tests.kit.lessons import LOW, VOICE, moment, stop
from tests.kit.marks import TEACHER, read_mark
from tests.kit.programme import decoding_errors, pictures_of
from tests.kit.stages import S, coded, make_instant, recorded, without_workers, work
from tests.kit.web import serving

GRID = Grid()
TINY = replace(LOW, name="v108", width=192, height=108, frame_divisor=2, crf=18, maxrate=2_000_000, bufsize=2_000_000)


def test_a_rung_is_one_value_in_a_ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LADDERS, "tiny", (VOICE, TINY))
    without_workers(monkeypatch)
    teacher = {"id": "teacher", "role": "teacher", "uri": "test:teacher"}
    settings = compose({"root": tmp_path / "lessons", "sources": [teacher], "encode": {"ladder": "tiny"}})
    folder, _ = start_lesson(settings.root, settings.template(), title=None, for_s=None)
    filmed(folder, seconds=5)
    store = FolderStore(tmp_path / "store")
    work(folder, store)

    place = store.root / folder.id
    assert [variant.uri for variant in m3u8.load(str(place / "index.m3u8")).playlists] == [
        "voice/index.m3u8",
        "v108/index.m3u8",
    ]
    assert decoding_errors(place / "index.m3u8") == ""
    shown = list(pictures_of(place / "v108"))
    assert [picture.at for picture in shown] == list(range(0, 5 * S, 2 * GRID.frame))
    seen = [read_mark(picture.luma, drawn_height=180) for picture in shown]
    assert [mark.at for mark in seen if mark] == pytest.approx([picture.at for picture in shown], abs=S // 1000)
    assert (verify_local(folder), verify_remote(folder, store)) == ([], [])

    view = LessonView(folder)
    view.poll()
    reported = lesson_report(folder, view, [])["renditions"]
    assert [rung["name"] for rung in reported] == ["voice", "v108"]
    assert json.loads(folder.manifest_path.read_bytes())["renditions"] == reported
    with serving(create_app(settings.root, settings.template())) as url:
        assert [rung["name"] for rung in httpx.get(f"{url}/lessons/{folder.id}").json()["renditions"]] == [
            "voice",
            "v108",
        ]
        played = httpx.get(f"{url}/lessons/{folder.id}/hls/index.m3u8")
        assert played.text == (place / "index.m3u8").read_text()


def filmed(folder: LessonFolder, *, seconds: int) -> None:
    """What the teacher's camera of a started lesson delivered, and the plan that shows it."""
    [camera] = folder.header.sources
    whole = Span(0, seconds * S)
    film(folder, camera, Take(TEACHER, seconds, sound=True))
    append_records(folder.raw_journal(camera.id), [SourceFinished(source=camera.id, at=moment(seconds))])
    stop(folder, at=moment(seconds))
    shot = Shot(span=whole, layout=Layout.FULL, sources=(camera.id,), reason="test")
    clock = Mapped(map=ClockMap(camera.id, 0, whole, 0))
    frozen = FrozenUntil(at=whole.end, final=True)
    append_records(folder.plan_journal(), [Origin(at=moment(), master=camera.id), clock, shot, frozen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank(Override):
    """Over `span` nothing is shown: somebody walked through the picture who had asked not to be filmed."""

    span: Span

    def shown(self) -> Replacement:
        return Replacement(span=self.span, layout=Layout.SLATE, sources=())


def test_a_wish_of_a_curator_is_one_class_and_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_instant(monkeypatch)
    folder, store = recorded(tmp_path, 40), MemoryStore()
    work(folder, store)
    wish = Blank(span=Span(10 * S, 14 * S))
    with monkeypatch.context() as patch:
        patch.setitem(OVERRIDES, "Blank", Blank)
        start_edition(tmp_path, folder, [wish])
        coded.clear()
        work(folder, store)
        state = load_state(folder)
        assert (state.phase, state.shown, state.edition.overrides) == (Phase.PUBLISHED, 1, (wish,))
        assert {shot.layout for shot in state.shots_over(wish.span)} == {Layout.SLATE}
        video = [rung.name for rung in folder.header.ladder if rung.kind is Kind.VIDEO]
        assert sorted(coded) == sorted((name, index) for name in video for index in (2, 3)), "7.68 to 15.36 s"
        assert (verify_local(folder), verify_remote(folder, store, deep=True)) == ([], [])
    view = LessonView(folder)  # a version that does not know it keeps to the edition before, and says so
    view.poll()
    assert (view.state.newest, view.state.shown, view.state.phase) == (0, 0, Phase.PUBLISHED)
    assert any(line.startswith("control.jsonl: 1 damaged line") for line in view.damage)
