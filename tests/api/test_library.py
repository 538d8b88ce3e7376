from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.library import VIEWS_KEPT, Library
from lesson.errors import LessonNotFoundError
from lesson.journal import append_records
from lesson.manifest import manifest
from lesson.records import PlaylistPublished, PublishStarted, Verified
from lesson.view import load_state
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all, start, stop

PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": "en"}


def publish(folder_journal: Path) -> None:
    append_records(
        folder_journal,
        [
            PublishStarted(url="file:///store/lesson"),
            PlaylistPublished(key="index.m3u8", chunks=12, final=True, sha256="0" * 64),
            Verified(objects=40, bytes=1000, manifest_sha256="0" * 64),
        ],
    )


def finished(root: Path, lesson_id: str, **fields: object) -> None:
    folder = make_lesson(root, lesson_id, **fields)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    folder.manifest_path.write_bytes(manifest(load_state(folder)))
    publish(folder.publish_journal)


def test_no_lessons(client: httpx.Client) -> None:
    assert client.get("/lessons").json() == {"lessons": [], "next": None}
    assert "No lesson has been recorded yet" in client.get("/lessons", headers=PAGE).text


def test_newest_first_with_what_the_journals_say(client: httpx.Client, root: Path) -> None:
    finished(root, "20260101-080000-aaaa")
    record_all(make_lesson(root, "20260102-080000-aaaa", title="Second"))
    start(make_lesson(root, "20260103-080000-aaaa"))
    make_lesson(root, "20260104-080000-aaaa")
    found = client.get("/lessons").json()["lessons"]
    assert [one["lesson_id"][:8] for one in found] == ["20260104", "20260103", "20260102", "20260101"]
    assert [one["state"] for one in found] == ["created", "recording", "processing", "published"]
    done = found[-1]
    assert done["duration_s"] == 12.0
    assert done["published_url"] == "file:///store/lesson/index.m3u8"
    assert (done["verified"], done["playable"], done["gap_count"]) == (True, True, 0)
    assert done["started"] == "2026-11-02T08:00:00.000+00:00"


def test_a_changed_lesson_is_read_again(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root, "20260101-080000-aaaa")
    states = []
    for step in (lambda: None, lambda: start(folder), lambda: stop(folder), lambda: publish(folder.publish_journal)):
        step()
        states.append(client.get("/lessons").json()["lessons"][0]["state"])
    assert states == ["created", "recording", "processing", "published"]


def test_pages_of_a_long_library(client: httpx.Client, root: Path) -> None:
    names = [f"202601{day:02d}-080000-aaaa" for day in range(1, 26)]
    for name in names:
        make_lesson(root, name)
    seen: list[str] = []
    address: str | None = "/lessons?limit=10"
    while address:
        answer = client.get(address).json()
        seen += [one["lesson_id"] for one in answer["lessons"]]
        address = answer["next"]
    assert seen == names[::-1]
    assert "Older lessons" in client.get("/lessons?limit=10", headers=PAGE).text
    assert client.get("/lessons?limit=0").status_code == 422
    assert client.get("/lessons?limit=many").json()["errors"][0]["where"] == "query.limit"


def test_a_damaged_lesson_is_named_not_hidden(client: httpx.Client, root: Path) -> None:
    finished(root, "20260101-080000-aaaa")
    broken = root / "20260102-080000-aaaa"
    broken.mkdir()
    (broken / "lesson.json").write_text('{"schema": 99}')
    found = client.get("/lessons").json()["lessons"]
    assert [one["state"] for one in found] == ["damaged", "published"]
    assert "schema 99" in found[0]["problem"]
    assert client.get("/lessons", headers=PAGE).status_code == 200
    assert client.get("/lessons/20260102-080000-aaaa").status_code == 500


def test_damaged_journal_lines_are_reported(client: httpx.Client, root: Path) -> None:
    finished(root, "20260101-080000-aaaa")
    journal = root / "20260101-080000-aaaa" / "raw" / "teacher" / "journal.jsonl"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    data[len(data) // 2 + 20] ^= 1
    journal.write_bytes(data)
    problems = client.get("/lessons/20260101-080000-aaaa").json()["problems"]
    assert len(problems) == 1
    assert problems[0].startswith("raw/teacher/journal.jsonl: 1 damaged line")


def test_detail(client: httpx.Client, root: Path) -> None:
    finished(root, "20260101-080000-aaaa", timezone="Asia/Shanghai", languages=("bo", "zh"))
    found = client.get("/lessons/20260101-080000-aaaa").json()
    assert found["hls"] == "/lessons/20260101-080000-aaaa/hls/index.m3u8"
    assert (found["timezone"], found["languages"], found["encoded"], found["captured"]) == (
        "Asia/Shanghai", ["bo", "zh"], True, True,
    )  # fmt: skip
    voice, low, _ = found["renditions"]
    assert (voice["name"], voice["kind"], voice["width"], voice["codecs"]) == ("voice", "audio", None, "mp4a.40.2")
    assert (low["width"], low["height"], low["fps"]) == (160, 90, 25.0)
    assert low["peak_bps"] >= low["avg_bps"] > 0
    teacher, mic = found["sources"]
    assert (teacher["segments"], teacher["finished"], teacher["streams"][0]["fps"]) == (3, True, 25.0)
    assert teacher["thumbnail"].endswith("/thumbs/teacher.jpg")
    assert mic["thumbnail"] is None


def test_pages_show_titles_as_text(client: httpx.Client, root: Path) -> None:
    finished(root, "20260101-080000-aaaa", title="<script>alert(1)</script> & Co", timezone="Asia/Shanghai")
    for address in ("/", "/lessons", "/lessons/20260101-080000-aaaa"):
        page = client.get(address, headers=PAGE)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in page.text
        assert "<script>alert" not in page.text
        assert "2 Nov 2026, 16:00" in page.text  # eight o'clock UTC, on the clock of the room


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
        (PAGE["Accept"], "text/html; charset=utf-8"),
        ("text/html;q=oops", "application/json"),
    ],
)
def test_browsers_get_pages_and_programs_get_json(client: httpx.Client, accept: str, kind: str) -> None:
    assert client.get("/lessons", headers={"Accept": accept}).headers["content-type"] == kind


@pytest.mark.parametrize("name", ["nothing", "2026", "..", "%2e%2e", "..%2f..%2fetc", "A", ".staging", "x" * 300])
def test_only_exact_ids_are_lessons(client: httpx.Client, root: Path, name: str) -> None:
    make_lesson(root, "20260101-080000-aaaa")
    (root.parent / "lesson.json").write_text("{}")
    answer = client.get(f"/lessons/{name}")
    if name == "..":  # the client itself resolves it to /
        assert answer.url.path == "/"
    else:
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_few_lessons_are_kept_in_memory_and_all_can_be_read(tmp_path: Path) -> None:
    library = Library(tmp_path)
    names = [f"lesson-{index:02d}" for index in range(VIEWS_KEPT * 3)]
    for name in names:
        start(make_lesson(tmp_path, name))
    for name in names + names:
        with library.reading(name) as state:
            assert state.header.id == name
            assert state.start is not None
    with pytest.raises(LessonNotFoundError), library.reading("lesson-99"):
        pass


def test_running_lesson_is_found_among_finished_ones(tmp_path: Path) -> None:
    library = Library(tmp_path)
    assert library.running() is None
    for index in range(5):
        folder = make_lesson(tmp_path, f"lesson-{index}")
        start(folder)
        stop(folder)
    assert library.running() is None
    late = make_lesson(tmp_path, "lesson-3x")
    start(late)
    found = library.running()
    assert found is not None
    assert found.id == "lesson-3x"
    stop(late)
    assert library.running() is None
