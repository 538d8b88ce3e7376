"""The inventory of what a lesson publishes: one place to add to, and everyone reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from lesson import package
from lesson.folder import LessonFolder
from lesson.package import SETTLED, Object, media_file, objects, other_object, text_object, tiers
from lesson.state import LessonState
from lesson.view import load_state
from publish.memory_store import MemoryStore
from publish.uploader import Uploader
from publish.verify import verify_remote
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all
from tests.kit.room import template
from tests.kit.web import serving


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    folder = make_lesson(tmp_path)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


def _subtitles(state: LessonState) -> Iterator[Object]:
    yield text_object("subtitles/en.vtt", f"WEBVTT\n\nNOTE {state.header.title}\n", "text/vtt", SETTLED)


def test_a_new_kind_of_object_is_one_function_and_one_line(
    folder: LessonFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "KINDS", [*package.KINDS, _subtitles])
    store = MemoryStore()
    Uploader(folder, store).run()
    assert store.objects["lesson/subtitles/en.vtt"] == b"WEBVTT\n\nNOTE Fractions\n"
    listed = [entry["key"] for entry in json.loads(folder.manifest_path.read_bytes())["objects"]]
    assert "subtitles/en.vtt" in listed
    assert verify_remote(folder, store) == []
    with serving(create_app(folder.path.parent, template())) as url, httpx.Client(base_url=url) as client:
        played = client.get("/lessons/lesson/hls/subtitles/en.vtt")
        assert client.get("/lessons/lesson/hls/subtitles/bo.vtt").status_code == 404
    assert (played.content, played.headers["content-type"]) == (
        store.objects["lesson/subtitles/en.vtt"],
        "text/vtt; charset=utf-8",
    )
    store.objects["lesson/subtitles/en.vtt"] = b"WEBVTT\n\nNOTE Fractals\n\n"
    assert [problem.split(": ")[0] for problem in verify_remote(folder, store)] == [
        store.url("lesson/subtitles/en.vtt")
    ]


def test_the_inventory_says_of_each_object_what_it_is(folder: LessonFolder) -> None:
    state = load_state(folder)
    found = objects(state)
    assert len({one.key for one in found}) == len(found) == 3 * 6 + 1
    for one in found:
        data = one.text.encode() if one.text is not None else folder.absolute(one.path or "").read_bytes()
        assert len(data) == one.bytes
        media = media_file(state, one.key)
        assert (media is None) == (one.path is None)
        assert media is None or media.sha256 == one.sha256
    assert [[rung.name for rung in tier] for tier in tiers(state)] == [["voice", "low"], ["high"]]
    assert {one.tier for one in found if one.key.startswith("high/")} == {1}


def test_of_a_lesson_that_is_not_made_nothing_else_is_published(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    assert other_object(load_state(folder), "subtitles/en.vtt") is None
    plan_all(folder, end=0)  # nothing was recorded
    assert load_state(folder).empty
    assert other_object(load_state(folder), "subtitles/en.vtt") is None
