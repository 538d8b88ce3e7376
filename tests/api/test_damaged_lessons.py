"""A damaged lesson beside the class: the button, the light and the figures stay, and the damage is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from lesson.folder import LessonFolder
from lesson.lifecycle import start_lesson
from tests.kit.damaged import HEADER_DAMAGE
from tests.kit.lessons import make_lesson, record_all, start
from tests.kit.room import MIC, deliver, template
from tests.kit.web import serving

PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": "en"}
BROKEN = "20990101-000000-0000"
OF_A_LESSON = ["", "/hls/index.m3u8", "/hls/low/index.m3u8", "/hls/low/000000.m4s", "/thumbs/teacher.jpg"]


@pytest.fixture
def broken(root: Path) -> LessonFolder:
    """A lesson that was started and never stopped, and sorts after all others."""
    folder = make_lesson(root, BROKEN)
    start(folder)
    return folder


@pytest.mark.parametrize("damage", HEADER_DAMAGE)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_damaged_header_costs_nobody_the_button(
    client: httpx.Client, broken: LessonFolder, damage: str, when: str
) -> None:
    if when == "meanwhile":
        assert client.get("/health").json()["lesson"] == BROKEN
    HEADER_DAMAGE[damage](broken.header_path)
    broken.header_copy.unlink()
    assert client.get("/health").json()["status"] == "idle"
    assert client.get("/metrics").status_code == 200
    page = client.get("/", headers=PAGE)
    assert (page.status_code, "Start recording" in page.text) == (200, True)
    [listed] = client.get("/lessons").json()["lessons"]
    assert (listed["lesson_id"], listed["state"]) == (BROKEN, "damaged")
    assert listed["problem"]
    assert str(broken.path) not in listed["problem"]  # browsers are told that it is damaged, the log where
    assert BROKEN in client.get("/lessons", headers=PAGE).text

    started = client.post("/lessons", json={})
    assert started.status_code == 201
    lesson_id = started.json()["lesson_id"]
    assert client.get("/health").json()["lesson"] == lesson_id
    assert "Stop" in client.get("/", headers=PAGE).text
    assert client.get("/metrics").status_code == 200
    assert client.post(f"/lessons/{lesson_id}/stop").status_code == 200
    assert client.get("/health").json()["lesson"] is None


@pytest.mark.parametrize("damage", HEADER_DAMAGE)
def test_every_address_of_a_damaged_lesson_says_what_is_wrong(
    client: httpx.Client, broken: LessonFolder, damage: str
) -> None:
    HEADER_DAMAGE[damage](broken.header_path)
    broken.header_copy.unlink()
    answers = [client.get(f"/lessons/{BROKEN}{address}") for address in OF_A_LESSON]
    answers.append(client.post(f"/lessons/{BROKEN}/stop"))
    for answer in answers:
        assert answer.status_code in {404, 500, 503}
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        assert str(broken.path) not in answer.text


JOURNALS: dict[str, Callable[[LessonFolder], Path]] = {
    "raw": lambda folder: folder.raw_journal("teacher"),
    "plan": lambda folder: folder.plan_journal(),
    "enc": lambda folder: folder.rendition_journal("voice"),
    "pub": lambda folder: folder.publish_journal,
}


@pytest.mark.parametrize("name", JOURNALS)
@pytest.mark.parametrize("garbage", [None, b"\xff" * 5_000, bytes(5_000), b'{"type":"x"}\n' * 20])
def test_a_running_lesson_whose_journal_cannot_be_read_can_be_stopped(
    client: httpx.Client, root: Path, name: str, garbage: bytes | None
) -> None:
    folder, _ = start_lesson(root, template())
    deliver(folder, MIC)
    journal = JOURNALS[name](folder)
    if garbage is None:
        journal.unlink(missing_ok=True)
        journal.mkdir(parents=True)
    else:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("ab") as file:
            file.write(garbage)
    health = client.get("/health").json()
    assert health["lesson"] == folder.id
    assert {feed["id"] for feed in health["feeds"]} == {"teacher", "mic"}  # none hides what the others say
    if garbage is None:
        named = journal.relative_to(folder.path).as_posix()
        assert f"{named}: Is a directory" in client.get(f"/lessons/{folder.id}").json()["problems"]
    page = client.get("/", headers=PAGE)
    assert page.status_code == 200
    assert f"/lessons/{folder.id}/stop" in page.text
    assert client.get("/metrics").status_code == 200
    assert client.get("/lessons").status_code == 200
    stopped = client.post(f"/lessons/{folder.id}/stop", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert stopped.status_code in {200, 303}
    assert client.get("/health").json()["lesson"] is None


def test_the_list_folds_no_lesson(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        folder = make_lesson(root, f"2026010{index}-080000-aaaa")
        record_all(folder, finished=index < 4)
    monkeypatch.setattr("api.library.LessonView", None)
    with serving(create_app(root, template())) as url, httpx.Client(base_url=url) as client:
        found = client.get("/lessons").json()["lessons"]
        assert [one["state"] for one in found] == ["recording"] + ["processing"] * 4
        assert client.get("/lessons", headers=PAGE).status_code == 200
