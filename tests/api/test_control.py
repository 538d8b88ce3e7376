from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.journal import append_records, read_journal
from lesson.keeping import remove_raw
from lesson.records import LessonPinned, RawReclaimed, Start, Stop
from tests.kit.lessons import make_lesson, moment, record_all, source, start
from tests.kit.room import MIC, deliver

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def lessons(root: Path) -> list[LessonFolder]:
    return list(lessons_in(root))


def test_start_stop_start(client: httpx.Client, root: Path) -> None:
    started = client.post("/lessons", json={"title": "  Fractions\n\x07 II "})
    assert started.status_code == 201
    found = started.json()
    assert found["title"] == "Fractions II"
    assert found["state"] == "recording"
    assert started.headers["location"] == f"/lessons/{found['lesson_id']}"
    assert [type(r) for r in read_journal(lessons(root)[0].control_journal)] == [Start]

    stopped = client.post(f"/lessons/{found['lesson_id']}/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "processing")
    assert [type(r) for r in read_journal(lessons(root)[0].control_journal)] == [Start, Stop]

    again = client.post("/lessons")
    assert again.status_code == 201
    assert again.json()["title"] == "Room 3"
    assert again.json()["lesson_id"] != found["lesson_id"]


def test_a_lost_reply_is_repeated_without_harm(client: httpx.Client, root: Path) -> None:
    first = client.post("/lessons", json={"title": "one"})
    second = client.post("/lessons", json={"title": "another"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["lesson_id"] == first.json()["lesson_id"]
    assert second.json()["title"] == "one"
    stop = f"/lessons/{first.json()['lesson_id']}/stop"
    stops = [client.post(stop) for _ in range(3)]
    assert [answer.status_code for answer in stops] == [200] * 3
    assert len({answer.json()["stopped"] for answer in stops}) == 1
    assert len(read_journal(lessons(root)[0].control_journal)) == 2


def test_many_phones_at_once_start_one_lesson(client: httpx.Client, root: Path) -> None:
    together = threading.Barrier(12)

    def press(number: int) -> httpx.Response:
        together.wait(20)
        return httpx.post(f"{client.base_url}/lessons", json={"title": str(number)}, timeout=20)

    with ThreadPoolExecutor(12) as phones:
        answers = list(phones.map(press, range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["lesson_id"] for answer in answers}) == 1
    assert len(lessons(root)) == 1


def test_many_phones_at_once_stop_once(client: httpx.Client, root: Path) -> None:
    lesson_id = client.post("/lessons").json()["lesson_id"]
    with ThreadPoolExecutor(8) as phones:
        answers = list(phones.map(lambda _: httpx.post(f"{client.base_url}/lessons/{lesson_id}/stop"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert [type(r) for r in read_journal(lessons(root)[0].control_journal)] == [Start, Stop]


@pytest.mark.parametrize("encoding", ["urlencoded", "nothing escaped", "multipart"])
def test_a_form_leads_back_to_the_page(client: httpx.Client, root: Path, encoding: str) -> None:
    if encoding == "urlencoded":
        started = client.post("/lessons", data={"title": "光合作用"})
    elif encoding == "nothing escaped":
        started = client.post("/lessons", content="title=光合作用".encode(), headers=FORM)
    else:
        started = client.post("/lessons", files={"title": (None, "光合作用")})
    assert (started.status_code, started.headers["location"]) == (303, "/")
    folder = lessons(root)[0]
    assert folder.header.title == "光合作用"
    stopped = client.post(f"/lessons/{folder.id}/stop", data={"x": "y"})
    assert (stopped.status_code, stopped.headers["location"]) == (303, "/")
    assert client.get(f"/lessons/{folder.id}").json()["state"] == "processing"


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"title": 5}},
        {"json": {"title": "x" * 201}},
        {"json": ["title"]},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
        {"data": {"title": "x" * 201}},
        {"content": "title=é".encode("latin-1"), "headers": FORM},
        {"content": b"title=%ff", "headers": FORM},
        {
            "content": b"&".join(b"a=1" for _ in range(21)),
            "headers": FORM,
        },
    ],
    ids=["number", "long", "array", "torn", "no text", "long form", "latin-1", "escaped no text", "many fields"],
)
def test_bad_input_starts_nothing(client: httpx.Client, root: Path, sent: dict[str, object]) -> None:
    answer = client.post("/lessons", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert not lessons(root)


def test_other_bodies_are_refused(client: httpx.Client, root: Path) -> None:
    assert client.post("/lessons", content=b"<x/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert client.post("/lessons", content=b"x" * 70_000).status_code == 413
    chunks = (b"x" * 1000 for _ in range(100))
    assert client.post("/lessons", content=chunks).status_code == 413
    assert not lessons(root)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
    ],
)
def test_pages_of_other_sites_cannot_press_the_button(
    client: httpx.Client, root: Path, headers: dict[str, str]
) -> None:
    answer = client.post("/lessons", data={"title": "x"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["status"] == 403
    assert not lessons(root)


def test_our_own_page_may(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    assert client.post("/lessons", data={"title": ""}, headers={"Origin": own}).status_code == 303
    assert client.post("/lessons", headers={"Sec-Fetch-Site": "same-origin", "Origin": own}).status_code == 200


def test_only_what_is_recorded_here_can_be_stopped(client: httpx.Client, root: Path) -> None:
    make_lesson(root, "unstarted")
    imported = make_lesson(root, "imported", sources=(source("teacher", imported=True),))
    start(imported)
    assert client.post("/lessons/unstarted/stop").status_code == 409
    assert client.post("/lessons/imported/stop").status_code == 409
    assert client.post("/lessons/nothing/stop").status_code == 404
    assert not any(isinstance(r, Stop) for r in read_journal(imported.control_journal))


def test_a_damaged_lesson_does_not_keep_the_next_one_from_starting(client: httpx.Client, root: Path) -> None:
    record_all(make_lesson(root, "20250101-000000-aaaa"))
    broken = root / "20250102-000000-aaaa"
    broken.mkdir()
    (broken / "lesson.json").write_text("{")
    assert client.post("/lessons").status_code == 201
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("left", [b"", b'{"type":"St@rt"}\n', b"\0" * 40], ids=repr)
def test_a_recording_whose_start_is_lost_is_shown_and_can_be_stopped(
    client: httpx.Client, root: Path, left: bytes
) -> None:
    lesson_id = client.post("/lessons").json()["lesson_id"]
    [folder] = lessons(root)
    deliver(folder, MIC)
    folder.control_journal.write_bytes(left)
    health = client.get("/health").json()
    assert health["lesson"] == lesson_id
    assert {feed["id"] for feed in health["feeds"]} == {"teacher", "mic"}
    assert client.post("/lessons").status_code == 200  # it runs: no other is started beside it
    stopped = client.post(f"/lessons/{lesson_id}/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "processing")
    assert any("Start is lost" in problem for problem in stopped.json()["problems"])
    assert client.get("/health").json()["lesson"] is None


def test_a_lesson_whose_stop_is_lost_does_not_answer_the_button(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root)
    record_all(folder)
    data = folder.control_journal.read_bytes()
    folder.control_journal.write_bytes(data[:-9] + b"?" + data[-8:-5] + b"?" + data[-4:])
    assert client.get("/health").json()["lesson"] is None
    found = client.get(f"/lessons/{folder.id}").json()
    assert found["state"] == "processing"
    assert any("Stop is lost" in problem for problem in found["problems"])
    started = client.post("/lessons")
    assert started.status_code == 201
    assert started.json()["lesson_id"] != folder.id


def test_a_lesson_is_pinned_and_let_go_by_anyone_who_may_press(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root)
    record_all(folder)
    for way, pinned in (("pin", True), ("pin", True), ("unpin", False), ("pin", True)):
        answer = client.post(f"/lessons/{folder.id}/{way}")
        assert (answer.status_code, answer.json()["pinned"]) == (200, pinned)
        listed = client.get("/lessons", headers={"Accept": "application/json"}).json()["lessons"]
        assert [one["pinned"] for one in listed] == [pinned]
    assert [record.pinned for record in read_journal(folder.control_journal) if isinstance(record, LessonPinned)] == [
        True, False, True,
    ]  # fmt: skip
    page = client.get(f"/lessons/{folder.id}", headers={"Accept": "text/html", "Accept-Language": "en"}).text
    assert "even when the disk is full" in page
    assert client.post(f"/lessons/{folder.id}/unpin", headers=FORM).headers["location"] == f"/lessons/{folder.id}"
    assert client.post("/lessons/nothing/pin").status_code == 404


def test_a_lesson_whose_recording_made_room_says_so_and_shows_no_picture_of_it(
    client: httpx.Client, root: Path
) -> None:
    folder = make_lesson(root)
    record_all(folder)
    gone = RawReclaimed(at=moment(60), edition=0, segments=6, bytes=600)
    append_records(folder.control_journal, [gone])
    remove_raw(folder)
    found = client.get(f"/lessons/{folder.id}", headers={"Accept": "application/json"}).json()
    assert found["raw_reclaimed"] == gone.at.wall
    assert [one["thumbnail"] for one in found["sources"]] == [None, None]
    assert client.get(f"/lessons/{folder.id}/thumbs/teacher.jpg").status_code == 404
    page = client.get(f"/lessons/{folder.id}", headers={"Accept": "text/html", "Accept-Language": "ru"}).text
    assert "чтобы освободить место на диске" in page
    assert "/pin" not in page
