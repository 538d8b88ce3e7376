"""One damaged lesson folder, of a lesson that was never stopped: the next class is recorded all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks.journals import epochs, of_type, raw_journal
from tests.kit.box import MIC, Box
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.faults

HEADERS = {
    "truncated": b'{"id": "x", "title',
    "empty": b"",
    "zeros": bytes(800),
    "newer schema": b'{"schema": 99}',
    "no object": b"[]",
    "deep": b"[" * 100_000,
    "no text": b"\xff\xfe\x00\x01",
}
PAGES = ("/", "/health", "/lessons", "/metrics")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("damaged"), (MIC,)) as box:
        yield box


@pytest.mark.parametrize("header", HEADERS)
def test_the_button_is_always_there(box: Box, header: str) -> None:
    name = f"20990101-0000{list(HEADERS).index(header):02d}-0000"  # newer than any other
    folder = box.root / name
    folder.mkdir(parents=True)
    (folder / "lesson.json").write_bytes(HEADERS[header])
    sound = box.press()
    assert sound.name != name
    try:
        shutil.copy(sound / "control.jsonl", folder)  # started, never stopped
        assert {page: box.get(page).status for page in PAGES} == dict.fromkeys(PAGES, 200)
        listed = {one["lesson_id"]: one["state"] for one in box.get("/lessons").json["lessons"]}
        assert listed[name] == "damaged"
        assert box.health()["lesson"] == sound.name
        assert box.press() == sound, "the running lesson is found beside it"
        wait_until(lambda: epochs(sound, "mic"), 30, what="it records")
    finally:
        assert box.post(f"/lessons/{sound.name}/stop").status == 200
        shutil.rmtree(folder)
    wait_until(lambda: of_type(raw_journal(sound, "mic"), "SourceFinished"), 30)
