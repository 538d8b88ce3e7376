from __future__ import annotations

import errno
import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import box
from api.app import create_app
from api.settings import Conducted
from lesson.box import Fault, box_journal
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.records import FaultRaised, JobEnded, JobStarted, encode_line
from process.bulletin import BulletinWriter
from process.disk import LOCK, identity_of
from tests.kit.lessons import encode_all, epoch_started, make_lesson, plan_all, record_all
from tests.kit.room import MIC, TEACHER, deliver, lost, template
from tests.kit.waiting import wait_until
from tests.kit.web import serving

PAGE = {"Accept": "text/html", "Accept-Language": "en"}


def figures(client: httpx.Client) -> dict[str, float]:
    text = client.get("/metrics").text
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_follows_the_lesson(client: httpx.Client, root: Path) -> None:
    idle = client.get("/health").json()
    assert (idle["status"], idle["ok"], idle["lesson"]) == ("idle", True, None)
    assert [one["state"] for one in idle["sources"]] == ["standby", "standby"]
    assert idle["disk_free_bytes"] > 0

    lesson_id = client.post("/lessons").json()["lesson_id"]
    assert client.get("/health").json()["status"] == "starting"
    folder = LessonFolder(root / lesson_id)
    deliver(folder, TEACHER)
    assert client.get("/health").json()["status"] == "starting"
    deliver(folder, MIC)
    health = client.get("/health").json()
    assert (health["status"], health["ok"], health["lesson"]) == ("recording", True, lesson_id)
    teacher = health["sources"][0]
    assert (teacher["role"], teacher["state"], teacher["has_picture"], teacher["segments"]) == (
        "teacher", "recording", True, 1,
    )  # fmt: skip
    assert 0.5 < teacher["last_segment_age_s"] < 15

    append_records(folder.raw_journal("mic"), [lost(MIC, "unplugged")])
    health = client.get("/health").json()
    assert (health["status"], health["ok"], health["sources"][1]["reason"]) == ("trouble", False, "unplugged")
    assert "What arrives is being recorded" in client.get("/", headers=PAGE).text
    append_records(folder.raw_journal("teacher"), [lost(TEACHER, "unplugged")])
    page = client.get("/", headers=PAGE).text
    assert "Nothing is being recorded at the moment" in page
    assert "What arrives" not in page
    client.post(f"/lessons/{lesson_id}/stop")
    assert client.get("/health").json()["status"] == "idle"


def test_metrics_say_what_health_says(client: httpx.Client, root: Path) -> None:
    lesson_id = client.post("/lessons").json()["lesson_id"]
    deliver(LessonFolder(root / lesson_id), TEACHER)
    for _ in range(3):
        client.get(f"/lessons/{lesson_id}")
    found = figures(client)
    assert found["classreel_room_state state=starting"] == 1
    assert found["classreel_room_state state=recording"] == 0
    assert found["classreel_source_recording role=teacher source=teacher"] == 1
    assert found["classreel_source_recording role=mic source=mic"] == 0
    assert found["classreel_disk_free_bytes"] > 0
    assert found["classreel_http_requests_total method=GET route=/lessons/{lesson_id} status=200"] == 3
    assert found["classreel_http_requests_total method=POST route=/lessons status=201"] == 1
    assert not any(lesson_id in name for name in found)


def test_metrics_follow_a_lesson_on_its_way(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    found = figures(client)
    assert found["classreel_lesson_duration_seconds"] == 12
    assert found["classreel_lesson_planned_seconds"] == 12
    assert found["classreel_lesson_encoded_seconds rendition=low"] == 12
    assert found["classreel_lesson_verified"] == 0


def test_metrics_count_restarts_losses_store_failures_and_bytes(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root)
    record_all(folder)
    once, again = [lost(TEACHER), lost(TEACHER, "refused")], replace(lost(TEACHER), epoch=1)  # twice, for three reasons
    append_records(folder.raw_journal("teacher"), [*once, epoch_started(TEACHER, 1), again])
    box = box_journal(root)
    ended = JobEnded(stage="capture", source="teacher", lesson="lesson", at=Moment.now(), code=-9, reason="killed")
    started = JobStarted(stage="capture", source="teacher", lesson="lesson", at=Moment.now())
    refused = FaultRaised(code="store_refuses", about="lesson", at=Moment.now(), detail="key")
    append_records(box, [started, ended, started, refused])
    found = figures(client)
    assert found["classreel_process_restarts_total stage=capture"] == 1
    assert found["classreel_process_failures_total stage=capture"] == 1
    assert found["classreel_source_losses_total role=teacher source=teacher"] == 2
    assert found["classreel_source_losses_total role=mic source=mic"] == 0
    assert found["classreel_source_bytes_total role=teacher source=teacher"] > 0
    assert found["classreel_store_failures_total code=store_refuses"] == 1
    assert found["classreel_store_failures_total code=store_unreachable"] == 0
    assert found["classreel_faults_total code=store_refuses"] == 1
    assert found["classreel_store_bytes_total"] == 0
    (build,) = [name for name in found if name.startswith("classreel_build_info version=")]
    assert found[build] == 1


def test_names_of_metrics_follow_the_conventions_of_prometheus(client: httpx.Client, root: Path) -> None:
    record_all(make_lesson(root))
    client.get("/lessons")
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    assert len(families) > 15
    for family in families:
        assert family.name.startswith("classreel_")
        assert family.documentation
        totals = {sample.name for sample in family.samples if sample.name.endswith("_total")}
        assert totals == ({f"{family.name}_total"} if family.type == "counter" and family.samples else set())
        assert family.type != "histogram" or family.name.endswith("_duration_seconds")
        assert not re.search("_(ms|minutes|kb|mb|count)$", family.name), "base units"


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/lessons", 405), ("PUT", "/", 405), ("GET", "/static/none.css", 404),
     ("GET", "/static/../app.py", 404), ("GET", "/static/%2e%2e/app.py", 404), ("GET", "/docs", 404)],
)  # fmt: skip
def test_errors_are_problem_documents(client: httpx.Client, method: str, address: str, status: int) -> None:
    answer = client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert (found["type"], found["status"]) == ("about:blank", status)
    assert found["title"]
    if status == 405:
        assert answer.headers["allow"]


def test_people_get_a_page_instead(client: httpx.Client) -> None:
    answer = client.get("/nowhere", headers=PAGE)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no such page" in answer.text


def test_a_disk_that_refuses_is_said_plainly(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("here is no folder")
    with serving(create_app(blocked / "lessons", template())) as url, httpx.Client(base_url=url) as client:
        answer = client.post("/lessons")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["detail"] == "The recorder's disk refused: Not a directory."  # which file: in the log
        page = client.get("/", headers=PAGE)
        assert page.status_code == 200  # the button stays
        assert "Start recording" in page.text


def test_what_the_conductor_says_needs_no_disk_and_its_silence_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BulletinWriter()
    fault = FaultRaised(code=Fault.CAPTURE_FAILS, about="x/capture-mic", at=Moment.now(), detail="unplugged")
    writer.write([encode_line(fault)])
    app = create_app(root, template(), conductor=Conducted(bulletin=writer.path))
    with serving(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        said = client.get("/health").json()
        assert [one["code"] for one in said["faults"]] == ["capture_fails"]
        assert said["status"] == "idle"
        monkeypatch.setattr(box, "CONDUCTOR_SILENCE_S", -1.0)
        said = client.get("/health").json()
        assert (said["status"], said["ok"]) == ("trouble", False)
        assert [one["code"] for one in said["faults"]] == ["capture_fails", "conductor_hangs"]
        assert said["faults"][1]["remedy"]
        assert client.get("/health").json()["faults"][1]["since"] == said["faults"][1]["since"]
        page = client.get("/", headers=PAGE).text
        assert "does not answer the button" in page
        assert "Press the button" not in page
        monkeypatch.setattr(box, "CONDUCTOR_SILENCE_S", 60.0)
        writer.write([])
        assert client.get("/health").json()["faults"] == []
    writer.close()


def test_a_disk_that_is_gone_is_trouble_and_nothing_is_made_where_it_was(root: Path) -> None:
    root.mkdir()
    (root / LOCK).touch()
    app = create_app(root, template(), conductor=Conducted(identity=identity_of(root)))
    away = root.with_name("away")
    with serving(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        lesson_id = client.post("/lessons").json()["lesson_id"]
        root.rename(away)
        root.mkdir()  # the bare folder below a disk that was pulled
        for path in ("/lessons", f"/lessons/{lesson_id}/stop"):
            answer = client.post(path)
            assert answer.status_code in {404, 503}, path
        assert client.post("/lessons").status_code == 503
        wait_until(lambda: client.get("/health").json()["status"] == "trouble", 5)
        said = client.get("/health").json()
        assert [one["code"] for one in said["faults"]] == ["disk_refuses"]
        assert "the disk is gone" in said["faults"][0]["detail"]
        page = client.get("/", headers=PAGE).text
        assert "Nothing can be recorded now" in page
        assert list(root.iterdir()) == []
        root.rmdir()
        away.rename(root)
        wait_until(lambda: client.get("/health").json()["status"] == "starting", 10)


def test_a_disk_that_answers_nothing_still_has_pages(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson_id = client.post("/lessons").json()["lesson_id"]
    assert client.get("/health").json()["status"] == "starting"

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        for name in ("open", "scandir", "pwrite", "statvfs"):
            patched.setattr(os, name, fails)
        patched.setattr(Path, "open", fails)
        wait_until(lambda: client.get("/health").json()["status"] == "trouble", 5)
        said = client.get("/health").json()
        assert "disk_refuses" in {one["code"] for one in said["faults"]}
        assert said["disk_free_bytes"] == 0
        assert said["lesson"] in {lesson_id, None}
        assert client.get("/metrics").status_code == 200
    wait_until(lambda: client.get("/health").json()["status"] == "starting", 10)


def test_an_unforeseen_error_is_a_problem_too(
    client: httpx.Client, root: Path, monkeypatch: pytest.MonkeyPatch, error_logs: list[logging.LogRecord]
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("the password is 1234")

    make_lesson(root)
    monkeypatch.setattr("api.pages.lesson_out", breaks)
    answer = client.get("/lessons/lesson")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "1234" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    wait_until(lambda: error_logs, 5, what="the log is written, after the answer")  # the log has the traceback


@pytest.mark.parametrize("address", ["/", "/lessons", "/health", "/static/style.css", "/nowhere"])
def test_security_headers(client: httpx.Client, address: str) -> None:
    headers = client.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_pages_need_nothing_from_elsewhere(client: httpx.Client, root: Path) -> None:
    make_lesson(root)
    for address in ("/", "/lessons", "/lessons/lesson"):
        page = client.get(address, headers=PAGE).text
        for link in re.findall(r'(?:src|href|action)="([^"]+)"', page):
            assert link.startswith(("/", "?")), link
        assert " style=" not in page
        assert not re.search(r"<script(?![^>]* src=)", page)


def test_openapi_knows_every_route(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert {
        "/", "/health", "/metrics", "/lessons", "/lessons/{lesson_id}", "/lessons/{lesson_id}/stop",
        "/lessons/{lesson_id}/hls/index.m3u8", "/lessons/{lesson_id}/thumbs/{source}.jpg",
    } <= document["paths"].keys()  # fmt: skip
    assert {"200", "201", "303", "403", "422"} <= document["paths"]["/lessons"]["post"]["responses"].keys()
    assert "Problem" in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [("", {"Accept-Language": "zh-CN,zh;q=0.9"}, "zh"), ("?lang=bo", {"Accept-Language": "en"}, "bo"),
     ("?lang=xx", {"Accept-Language": "en"}, "en"), ("", {"Accept-Language": "de"}, "bo")],
)  # fmt: skip
def test_language_of_the_page(client: httpx.Client, query: str, headers: dict[str, str], language: str) -> None:
    answer = client.get("/" + query, headers=headers)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["content-language"] == language


def test_a_chosen_language_is_remembered(client: httpx.Client) -> None:
    client.get("/?lang=zh")
    assert '<html lang="zh">' in client.get("/", headers={"Accept-Language": "en"}).text


def test_hls_js_is_served_only_where_it_is_installed(client: httpx.Client, root: Path, tmp_path: Path) -> None:
    make_lesson(root)
    assert client.get("/player/hls.js").status_code == 404
    assert "hls.js" not in client.get("/lessons/lesson", headers=PAGE).text
    script = tmp_path / "hls.min.js"
    script.write_text("window.Hls = undefined;")
    with serving(create_app(root, template(), hls_js=script)) as url:
        assert httpx.get(f"{url}/player/hls.js").text == "window.Hls = undefined;"
        assert '<script src="/player/hls.js" defer>' in httpx.get(f"{url}/lessons/lesson", headers=PAGE).text
