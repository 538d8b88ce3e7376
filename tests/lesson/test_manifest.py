from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lesson.folder import LessonFolder
from lesson.manifest import manifest, rendition_summary
from lesson.state import load_state
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all, source


@pytest.fixture
def finished(tmp_path: Path) -> LessonFolder:
    camera = source("teacher", uri="rtsp://10.0.0.11/main", user_env="CAM_USER", password_env="CAM_PASS")  # noqa: S106
    folder = make_lesson(tmp_path, sources=(camera, source("mic", uri="test:tone")), languages=("bo",))
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


def test_manifest_tells_a_catalogue_what_it_needs(finished: LessonFolder) -> None:
    document = json.loads(manifest(load_state(finished)))
    assert document["schema"] == 1
    assert document["lesson_id"] == "lesson"
    assert document["title"] == "Fractions"
    assert document["duration_s"] == 12.0
    assert document["languages"] == ["bo"]
    assert document["gaps"] == []
    assert [(s["id"], s["role"], s["segments"]) for s in document["sources"]] == [
        ("teacher", "teacher", 3),
        ("mic", "mic", 3),
    ]
    assert [r["name"] for r in document["renditions"]] == ["voice", "low", "high"]


def test_manifest_lists_every_object_with_its_digest(finished: LessonFolder) -> None:
    entries = {entry["key"]: entry for entry in json.loads(manifest(load_state(finished)))["objects"]}
    assert len(entries) == 1 + 3 * (1 + 1 + 4)
    for key, entry in entries.items():
        if key.endswith((".m4s", ".mp4")):
            data = (finished.path / "enc" / key).read_bytes()
            assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_manifest_is_the_same_each_time_and_holds_nothing_private(finished: LessonFolder) -> None:
    first = manifest(load_state(finished))
    assert manifest(load_state(LessonFolder(finished.path))) == first
    for secret in (b"10.0.0.11", b"CAM_USER", b"CAM_PASS", b"rtsp"):
        assert secret not in first


def test_manifest_of_an_unfinished_lesson_is_refused(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder)
    with pytest.raises(ValueError, match="finished"):
        manifest(load_state(folder))
    plan_all(folder, end=0)
    with pytest.raises(ValueError, match="finished"):
        manifest(load_state(folder))


def test_rendition_summary_measures(finished: LessonFolder) -> None:
    state = load_state(finished)
    summary = rendition_summary(state, state.header.rendition("low"))
    total = sum(chunk.bytes for chunk in state.renditions["low"].chunks.values())
    assert summary["bytes"] == total
    assert summary["avg_bps"] == pytest.approx(total * 8 / 12, abs=1)
    assert summary["peak_bps"] >= summary["avg_bps"]
    assert (summary["kind"], summary["fps"], summary["codec"]) == ("video", 25.0, "h264")
    assert summary["codecs"] == "avc1.64000c"
