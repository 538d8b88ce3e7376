"""A camera's smaller stream may be named; nothing looks at it yet, and the self-test says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.settings import SourceSettings
from classroom import checks
from classroom.checks import checks_result, self_test
from classroom.settings import Settings
from lesson.model import Role, SourceSpec

CAMERA = "rtsp://10.0.0.11/main"


def test_the_self_test_says_that_a_substream_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opens(spec: SourceSpec, **_: object) -> str:
        assert spec.uri == CAMERA
        return "h264 1280x720, 25 fps"

    monkeypatch.setattr(checks, "check_feed", opens)
    with_one = SourceSettings(id="teacher", role=Role.TEACHER, uri=CAMERA, substream="rtsp://10.0.0.11/sub")
    without = SourceSettings(id="board", role=Role.BOARD, uri=CAMERA)
    said = {
        one["name"]: one["detail"]
        for one in checks_result([*self_test(Settings(root=tmp_path, sources=(with_one, without)))])["checks"]
    }
    assert said["source teacher"] == "h264 1280x720, 25 fps; its substream is kept with the lesson and not used yet"
    assert said["source board"] == "h264 1280x720, 25 fps"
