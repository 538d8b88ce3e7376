"""Every cause has a URI of its own, a page that explains it, and a line in docs/problems.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.causes import CAUSES, DISK_REASONS, Cause
from api.languages import LANGUAGES
from lesson.errors import DiskFullError, JournalBusyError, LessonFormatError, MediaError, StorageError, storage_errors
from tests.kit.lessons import make_lesson
from tests.kit.room import template
from tests.kit.web import serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "problems.md"
PAGE = {"Accept": "text/html"}


def test_each_cause_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| `(/problems/[a-z-]+)` \| (\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(uri, str(int(cause.status))) for uri, cause in CAUSES.items()]


def test_no_two_causes_have_a_title_in_common() -> None:
    assert len({cause.title for cause in CAUSES.values()}) == len({cause.name for cause in CAUSES.values()})


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.name)
def test_the_uri_leads_to_a_page_in_the_readers_language(client: httpx.Client, cause: Cause) -> None:
    pages = {code: client.get(cause.uri, headers={**PAGE, "Accept-Language": code}) for code in LANGUAGES}
    assert {page.status_code for page in pages.values()} == {200}
    assert len({page.text for page in pages.values()}) == len(LANGUAGES)
    assert f"<h1>{cause.title.replace(chr(39), '&#39;')}</h1>" in pages["en"].text
    assert not any("%(" in page.text for page in pages.values())


def test_what_is_no_problem_has_no_page(client: httpx.Client) -> None:
    answer = client.get("/problems/none-of-ours")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/problem-not-found")


LARGE = {"content": b"x" * 70_000}
ASKED: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "lesson-not-found": lambda client: client.get("/lessons/none"),
    "rendition-not-found": lambda client: client.get("/lessons/lesson/hls/none/index.m3u8"),
    "nothing-to-play": lambda client: client.get("/lessons/lesson/hls/index.m3u8"),
    "file-not-found": lambda client: client.get("/lessons/lesson/hls/low/none.m4s"),
    "source-not-found": lambda client: client.get("/lessons/lesson/thumbs/none.jpg"),
    "picture-not-yet": lambda client: client.get("/lessons/lesson/thumbs/teacher.jpg"),
    "player-not-found": lambda client: client.get("/player/hls.js"),
    "not-recording": lambda client: client.post("/lessons/lesson/stop"),
    "input-invalid": lambda client: client.get("/lessons?limit=none"),
    "title-too-long": lambda client: client.post("/lessons", json={"title": "x" * 201}),
    "body-unknown": lambda client: client.post("/lessons", content=b"<x/>", headers={"Content-Type": "text/xml"}),
    "body-too-large": lambda client: client.post("/lessons", **LARGE),  # type: ignore[arg-type]
    "foreign-page": lambda client: client.post("/lessons", headers={"Origin": "http://other.example"}),
    "foreign-name": lambda client: client.get("/", headers={"Host": "other.example"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_type_names_the_cause(client: httpx.Client, root: Path, name: str) -> None:
    make_lesson(root)
    answer = ASKED[name](client)
    found = answer.json()
    cause = CAUSES[found["type"]]
    assert (cause.name, answer.status_code) == (name, cause.status)
    assert (found["title"], found["status"]) == (cause.title, cause.status)
    assert "%(" not in found["detail"]


def refusal(errno: int) -> Exception:
    with pytest.raises(StorageError) as refused, storage_errors(Path("/disk")):
        raise OSError(errno, "refused")
    return refused.value


RAISED: dict[str, Callable[[], Exception]] = {
    "disk-full": lambda: DiskFullError("/disk: full"),
    "disk-refuses": lambda: refusal(30),
    "lesson-busy": lambda: JournalBusyError("/lesson: another writer"),
    "picture-fails": lambda: MediaError("/lesson/x.mkv: nothing"),
    "lesson-damaged": lambda: LessonFormatError("/lesson: torn"),
}


@pytest.mark.parametrize("name", RAISED)
@pytest.mark.parametrize("language", ["en", "ru"])
def test_our_own_errors_have_causes(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, language: str) -> None:
    def fails(*_: object) -> None:
        raise RAISED[name]()

    monkeypatch.setattr("api.pages.lesson_out", fails)
    with serving(create_app(root, template())) as url:
        answer = httpx.get(f"{url}/lessons/lesson", headers={"Accept-Language": language})
    found = answer.json()
    cause = CAUSES[found["type"]]
    assert (cause.name, answer.status_code) == (name, cause.status)
    assert answer.headers["content-language"] == language
    assert (found["title"] == cause.title) == (language == "en")
    if name == "disk-refuses":
        reason = {"en": "Read-only file system", "ru": "файловая система только для чтения"}[language]
        assert reason in found["detail"]
    assert "/lesson:" not in answer.text


def test_reasons_of_disks_are_what_the_system_says() -> None:
    assert {str(refusal(number)).removeprefix("/disk: ") for number in (2, 5, 13, 20, 30)} == DISK_REASONS


def test_a_reason_without_translation_is_left_to_the_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise refusal(116)  # stale file handle

    monkeypatch.setattr("api.pages.lesson_out", fails)
    with serving(create_app(root, template())) as url:
        answer = httpx.get(f"{url}/lessons/lesson", headers={"Accept-Language": "zh"})
    assert answer.json()["detail"] == "录播设备的磁盘拒绝了操作：原因见设备日志。"
