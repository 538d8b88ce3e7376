"""The page of one lesson, and its JSON: what can be watched, and what went wrong."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.wording import AFTERWARDS
from lesson.journal import append_records
from lesson.phase import Phase
from lesson.records import FrozenUntil, SegmentMeasured, Verified
from lesson.signal import Flaw
from tests.kit.lessons import encode_all, make_lesson, moment, plan_all, record_all, start, stop
from tests.kit.room import encode_for_players

PAGE = {"Accept": "text/html", "Accept-Language": "en"}
LESSON = "20260101-080000-aaaa"


@pytest.mark.parametrize(("over", "says"), [(False, "This lesson is still running."), (True, "is being prepared.")])
def test_how_far_it_can_be_watched_is_said_until_all_of_it_can(
    client: httpx.Client, root: Path, over: bool, says: str
) -> None:
    folder = make_lesson(root, LESSON)
    record_all(folder, finished=False)
    plan_all(folder, final=False)
    encode_for_players(folder, chunks=2)
    if over:
        stop(folder, at=moment(100))
    page = client.get(f"/lessons/{LESSON}", headers=PAGE).text
    assert f"{says} It can be watched up to 00:07." in page


def test_what_went_wrong_with_a_lesson_is_on_its_page(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root, LESSON)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    clean = client.get(f"/lessons/{LESSON}")
    assert clean.json()["problems"] == []
    assert "What went wrong" not in client.get(f"/lessons/{LESSON}", headers=PAGE).text
    append_records(
        folder.signal_journal,
        [SegmentMeasured(source="teacher", epoch=0, seq=seq, flaws=(Flaw.BLACK.value,)) for seq in range(3)],
    )
    (problem,) = client.get(f"/lessons/{LESSON}").json()["problems"]
    assert problem == "teacher: the picture is black from 0 to 12 s"
    page = client.get(f"/lessons/{LESSON}", headers=PAGE).text
    assert "What went wrong" in page
    assert problem in page


def test_an_empty_lesson_promises_nothing(client: httpx.Client, root: Path) -> None:
    folder = make_lesson(root, LESSON)
    start(folder)
    stop(folder)
    append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    found = client.get(f"/lessons/{LESSON}").json()
    assert (found["state"], found["problems"]) == ("empty", ["nothing was recorded"])
    page = client.get(f"/lessons/{LESSON}", headers=PAGE).text
    assert "Nothing arrived from cameras and microphones while it ran." in page
    assert "first pictures" not in page


def publish(root: Path, name: str) -> None:
    folder = make_lesson(root, name)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    append_records(folder.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256="")])


def test_the_recorder_may_be_switched_off_once_every_lesson_is_safe(client: httpx.Client, root: Path) -> None:
    earlier = make_lesson(root, "20250101-080000-aaaa")
    record_all(earlier)
    assert AFTERWARDS[Phase.PROCESSING] in client.get("/", headers=PAGE).text
    publish(root, "20260101-080000-aaaa")
    page = client.get("/", headers=PAGE).text
    assert "stored safely" in page
    assert not any(said in page for said in AFTERWARDS.values()), "an earlier lesson waits"
    plan_all(earlier)
    encode_all(earlier)
    append_records(earlier.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256="")])
    assert AFTERWARDS[Phase.PUBLISHED] in client.get("/", headers=PAGE).text
