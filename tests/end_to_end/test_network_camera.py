"""A network camera, killed and back in the middle of `record`: copied, one lesson, the gap marked."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind
from lesson.state import LessonState
from lesson.view import load_state
from tests.kit.programme import command, decoding_errors, environment, folder_of
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until

CONFIG = """
root = "{root}"
[[sources]]
id = "teacher"
role = "teacher"
uri = "{uri}"
user_env = "CAM_USER"
password_env = "CAM_PASS"
required = true
"""
PASSWORD = "s3cr3t-of-the-camera"  # noqa: S105 the test's own camera


def the_state(root: Path) -> LessonState | None:
    return next((load_state(folder) for folder in lessons_in(root)), None)


def segments(root: Path, *, epoch: int) -> int:
    state = the_state(root)
    return sum(segment.epoch == epoch for segment in state.sources["teacher"].segments) if state else 0


@pytest.mark.timeout(200)
def test_a_camera_that_goes_and_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "lessons"
    camera = RtspCamera(credentials=("teacher", PASSWORD)).start()
    recorder = None
    try:
        config = tmp_path / "classroom.toml"
        config.write_text(CONFIG.format(root=root, uri=camera.url))
        recorder = subprocess.Popen(
            command("record", "--for", "25s", "--config", config, "--json"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment({"CAM_USER": "teacher", "CAM_PASS": PASSWORD}),
        )  # fmt: skip
        wait_until(lambda: segments(root, epoch=0), 60, what="a first segment")
        camera.stop()
        off = time.monotonic()
        wait_until(lambda: (s := the_state(root)) and s.sources["teacher"].losses, 20, what="the loss is journaled")
        wait_until(lambda: time.monotonic() > off + 3, 4)  # one that is back sooner may leave no gap worth the name
        camera.start()
        out, err = recorder.communicate(timeout=150)
    finally:
        camera.stop()
        if recorder and recorder.poll() is None:
            recorder.kill()
            recorder.communicate()
    assert recorder.returncode == 0, err
    result = json.loads(out)
    folder = LessonFolder(Path(result["lesson_dir"]))
    source = load_state(folder).sources["teacher"]
    assert [stream.codec for stream in source.epochs[0].streams] == ["h264", "aac"]
    assert source.last_epoch == 1
    assert {segment.epoch for segment in source.segments} == {0, 1}
    assert {(gap["source"], gap["kind"]) for gap in result["gaps"]} == {("teacher", "video"), ("teacher", "audio")}
    lost = result["gaps"][0]["end_s"] - result["gaps"][0]["start_s"]
    assert 0.5 < lost < 15
    covered = sum(span.duration for span in source.lesson_coverage(Kind.VIDEO))
    assert covered > 8 * 48_000
    assert decoding_errors(folder_of(result["published_url"]) / "index.m3u8") == ""
    everything = b"".join(
        path.read_bytes() for path in folder.path.rglob("*") if path.suffix in {".jsonl", ".log", ".json"}
    )
    assert PASSWORD.encode() not in everything
    assert PASSWORD not in err
