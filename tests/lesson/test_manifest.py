from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lesson.errors import ClassreelError, LessonFormatError, LessonNotFoundError
from lesson.folder import LessonFolder
from lesson.manifest import Sealed, manifest, read_sealed
from lesson.summary import rendition_summary
from lesson.view import load_state
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
    assert summary.bytes == total
    assert summary.avg_bps == pytest.approx(total * 8 / 12, abs=1)
    assert summary.peak_bps >= summary.avg_bps
    assert (summary.kind, summary.fps, summary.codec) == ("video", 25.0, "h264")
    assert summary.codecs == "avc1.64000c"


def test_the_beginning_of_a_manifest_is_read(finished: LessonFolder) -> None:
    finished.manifest_path.write_bytes(manifest(load_state(finished)))
    assert read_sealed(finished.manifest_path, "lesson") == Sealed(lesson_id="lesson", duration_s=12.0, gap_count=0)


def test_members_of_later_versions_and_any_layout_are_read(finished: LessonFolder) -> None:
    document = json.loads(manifest(load_state(finished)))
    document |= {"gaps": [{"source": "mic", "new": 1}] * 900, "streams": [{"new": [1]}]}
    finished.manifest_path.write_text(json.dumps(dict(reversed(document.items()))))
    assert read_sealed(finished.manifest_path, "lesson").gap_count == 900


def test_a_manifest_cut_anywhere_is_refused_or_gives_the_same(finished: LessonFolder) -> None:
    data = manifest(load_state(finished))
    for end in range(0, len(data), 37):
        finished.manifest_path.write_bytes(data[:end])
        try:
            found = read_sealed(finished.manifest_path, "lesson")
        except LessonFormatError:
            continue
        assert (found.duration_s, found.gap_count) == (12.0, 0)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"schema": None}, {"lesson_id": "another"}, {"duration_s": "long"}, {"duration_s": -1.0},
     {"duration_s": None}, {"duration_s": 1e999}, {"gaps": None}, {"gaps": [1]}, {"gaps": 3}],
)  # fmt: skip
def test_a_manifest_that_does_not_hold_what_it_should_is_refused(
    finished: LessonFolder, change: dict[str, object]
) -> None:
    finished.manifest_path.write_text(json.dumps(json.loads(manifest(load_state(finished))) | change))
    with pytest.raises(LessonFormatError):
        read_sealed(finished.manifest_path, "lesson")


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff\xfe", bytes(900), b"[" * 100_000, b'{"schema": 1}'])
def test_what_is_no_manifest_is_refused(finished: LessonFolder, data: bytes) -> None:
    finished.manifest_path.write_bytes(data)
    with pytest.raises(LessonFormatError):
        read_sealed(finished.manifest_path, "lesson")


def test_a_missing_manifest_and_a_folder_in_its_place(finished: LessonFolder) -> None:
    with pytest.raises(LessonNotFoundError):
        read_sealed(finished.manifest_path, "lesson")
    finished.manifest_path.mkdir()
    with pytest.raises(ClassreelError, match="directory"):
        read_sealed(finished.manifest_path, "lesson")
