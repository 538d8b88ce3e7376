"""Network cameras with every fault at once in one lesson: what is recorded of each, and whether /health is true."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.journals import epochs, media_s, packets, segments
from benchmarks.outside import Source
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from tests.kit.box import Box, holes, named_s
from tests.kit.camera_content import content
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

LATE_S, FAULT_S, HEALED_S, END_S = 12.0, 20.0, 32.0, 48.0
"""When late streams come; when faults begin and end; when the lesson stops. Counted from when all are played."""
FIRST_KEY_S = 12.0
"""The longest way between key frames of a camera that has to be borne."""
SEEN_WITHIN_S = 12.0
"""Commits are 4 s apart, and a feed is `late` after 2.5 of them."""
BACK_WITHIN_S = 10.0
NEW_STREAM_S = 5.0
COMMIT_S = 5.0


@dataclass
class Seen:
    """What /health said of each source, by seconds since all were played; and the lesson at the end."""

    lesson: Path = Path()
    detail: dict[str, Any] = field(default_factory=dict)
    said: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)

    def states(self, camera: str, start_s: float, end_s: float) -> set[str]:
        return {one["state"] for at, one in self.said[camera] if start_s <= at < end_s}

    def became(self, camera: str, state: str, after_s: float) -> float:
        """Seconds from `after_s` until a source was first said to be in a state; infinite when never."""
        return min((at - after_s for at, one in self.said[camera] if at >= after_s and one["state"] == state),
                   default=float("inf"))  # fmt: skip


def cameras() -> dict[str, RtspCamera]:
    made = {name: RtspCamera() for name in ("good", "late_sound", "late_picture", "frozen", "muted", "jumping", "off")}
    made["rare_keys"] = RtspCamera(shown=content(24, gop_s=FIRST_KEY_S))
    made["late_sound"].faults.frozen = {Kind.AUDIO}
    made["late_picture"].faults.frozen = {Kind.VIDEO}
    made["rare_keys"].faults.frozen = {Kind.VIDEO}  # joined half-way to its next key frame
    return made


def plan(made: dict[str, RtspCamera]) -> list[tuple[float, str, Callable[[], object]]]:
    """What happens when."""
    faults = {name: camera.faults for name, camera in made.items()}
    return [
        (FIRST_KEY_S / 2, "rare_keys", faults["rare_keys"].frozen.clear),
        (LATE_S, "late_sound", faults["late_sound"].frozen.clear),
        (LATE_S, "late_picture", faults["late_picture"].frozen.clear),
        (FAULT_S, "frozen", lambda: faults["frozen"].frozen.add(Kind.VIDEO)),
        (FAULT_S, "muted", lambda: faults["muted"].frozen.add(Kind.AUDIO)),
        (FAULT_S, "jumping", lambda: setattr(faults["jumping"], "jump", 30 * TICKS_PER_SECOND)),
        (FAULT_S, "off", made["off"].stop),
        (HEALED_S, "frozen", faults["frozen"].frozen.clear),
        (HEALED_S, "muted", faults["muted"].frozen.clear),
        (HEALED_S, "off", made["off"].start),
    ]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One lesson with all of them; the tests look at what came of it."""
    made = cameras()
    for camera in made.values():
        camera.start()
    try:
        sources = [Source(n, c.url, "teacher" if n == "good" else "students", n == "good") for n, c in made.items()]
        with Box(tmp_path_factory.mktemp("cameras"), sources) as box:
            yield watched(box, made)
    finally:
        for camera in made.values():
            camera.stop()


def watched(box: Box, made: dict[str, RtspCamera]) -> Seen:
    seen = Seen(lesson=box.press(), said={name: [] for name in made})
    box.until_recording()
    wait_until(lambda: all(camera.plays for camera in made.values()), 60, what="all cameras are connected")
    began, to_do = time.monotonic(), plan(made)

    def over() -> bool:
        now = time.monotonic() - began
        while to_do and to_do[0][0] <= now:
            _, name, act = to_do.pop(0)
            act()
            seen.done[name] = now
        for one in box.health().get("sources", []):
            seen.said[one["id"]].append((now, one))
        return now >= END_S

    wait_until(over, END_S + 20, poll_s=0.25)
    box.stop()
    wait_until(lambda: all(one["finished"] for one in box.detail()["sources"]), 30, what="all sources are closed")
    seen.detail = box.detail()
    return seen


def test_a_good_camera_is_never_doubted(seen: Seen) -> None:
    assert seen.states("good", 0, END_S) == {"recording"}
    assert len(epochs(seen.lesson, "good")) == 1
    assert media_s(seen.lesson, "good", "video") > END_S
    assert holes(seen.lesson, "good", "video") == holes(seen.lesson, "good", "audio") == []


@pytest.mark.parametrize(("camera", "late", "punctual"), [
    ("late_sound", "audio", "video"), ("late_picture", "video", "audio"),
])  # fmt: skip
def test_a_stream_may_come_late(seen: Seen, camera: str, late: str, punctual: str) -> None:
    assert media_s(seen.lesson, camera, late) >= END_S - LATE_S - NEW_STREAM_S
    assert media_s(seen.lesson, camera, punctual) >= END_S - 2.0, "the other stream did not wait for it"
    assert sum(named_s(seen.detail, camera, late)) >= LATE_S - NEW_STREAM_S, "the time without it is a gap"


def test_rare_key_frames_cost_no_more_than_the_first_of_them(seen: Seen) -> None:
    assert media_s(seen.lesson, "rare_keys", "video") >= END_S - FIRST_KEY_S - NEW_STREAM_S
    assert media_s(seen.lesson, "rare_keys", "audio") >= END_S - 2.0


def test_a_camera_without_pictures_is_not_recording(seen: Seen) -> None:
    assert "recording" not in seen.states("late_picture", 0, LATE_S)
    assert "recording" not in seen.states("frozen", FAULT_S + SEEN_WITHIN_S, HEALED_S)
    assert seen.became("frozen", "recording", HEALED_S) <= BACK_WITHIN_S


@pytest.mark.parametrize(("camera", "lost", "kept"), [("frozen", "video", "audio"), ("muted", "audio", "video")])
def test_losing_one_stream_never_costs_the_other(seen: Seen, camera: str, lost: str, kept: str) -> None:
    assert media_s(seen.lesson, camera, kept) >= END_S - 2.0
    assert holes(seen.lesson, camera, kept) == []
    missing = HEALED_S - FAULT_S
    assert media_s(seen.lesson, camera, lost) >= END_S - missing - NEW_STREAM_S
    assert missing - 2.0 <= sum(named_s(seen.detail, camera, lost)) <= missing + NEW_STREAM_S


def test_a_jump_of_the_clock_costs_two_seconds(seen: Seen) -> None:
    for kind in ("video", "audio"):
        assert media_s(seen.lesson, "jumping", kind) >= END_S - 2.0
        assert media_s(seen.lesson, "jumping", kind) <= END_S + 2 * COMMIT_S, "the jump is no media"
    assert len(epochs(seen.lesson, "jumping")) > 1


def test_a_camera_that_goes_is_seen_and_taken_back(seen: Seen) -> None:
    assert "recording" not in seen.states("off", FAULT_S + SEEN_WITHIN_S, HEALED_S)
    assert seen.became("off", "recording", seen.done["off"]) <= BACK_WITHIN_S
    gaps = [seconds for seconds in named_s(seen.detail, "off", "video") if seconds > 1.0]  # it may begin a little late
    assert len(gaps) == 1
    assert HEALED_S - FAULT_S - 1.0 <= gaps[0] <= HEALED_S - FAULT_S + BACK_WITHIN_S


def test_every_picture_of_every_epoch_is_there(seen: Seen) -> None:
    for camera in ("good", "off", "muted", "jumping"):
        whole = media_s(seen.lesson, camera, "video")
        assert packets(seen.lesson, camera, "video") >= whole * 25 - 2
        assert segments(seen.lesson, camera)


def test_light_is_that_of_the_required_camera(seen: Seen) -> None:
    assert seen.detail["state"] in {"processing", "published"}
