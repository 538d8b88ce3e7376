"""A stage that cannot do its work (a store that refuses, a farm that is dead): the recording never notices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.journals import media_end_ns, media_s, stopped
from benchmarks.outside import capture_pids
from tests.kit.box import Box
from tests.kit.odd_servers import Reply, dribble, drip, interim, odd_server, silence
from tests.kit.s3_servers import seaweed
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.faults

KEYS = 'access_key_env = "KIT_ACCESS"\nsecret_key_env = "KIT_SECRET"'
LONGEST_BEFORE_S = 75.0
"""Until a stage is given up (a few failures, each with its start and its own patience), and stands in /health."""
WATCHED_S = 25.0
NAMED_WITHIN_S = 25.0
"""After the store has taken its first connection: 8 s without movement, 8 for a question, and what passes that on."""
BEHIND_S = 10.0
"""What is not committed yet at any instant: a segment of 4 s, on a busy machine."""


@contextmanager
def refusing_box(case: str, folder: Path) -> Iterator[Box]:
    """A box whose store or encoding farm refuses."""
    if case == "dead farm":
        with Box(folder / "box") as box:
            box.kill()
            box.config.write_text(box.config.read_text() + '\n[encode]\nfarm = "tcp://127.0.0.1:9"\n')
            box.start()
            yield box
        return
    with seaweed(folder / "s3") as server:
        env = {**server.environment, "KIT_SECRET": "not-the-secret"}
        if case == "unset key":
            del env["KIT_SECRET"]
        with Box(folder / "box", store=f'url = "{server.url()}"\n{KEYS}', env=env) as box:
            yield box


@pytest.mark.parametrize(
    ("case", "code"),
    [("wrong secret", "store_refuses"), ("unset key", "store_refuses"), ("dead farm", "stage_given_up")],
)
def test_only_stop_ends_the_recording(case: str, code: str, tmp_path: Path) -> None:
    with refusing_box(case, tmp_path) as box:
        lesson = box.press()
        box.until_recording()
        pids, began = capture_pids(lesson), time.monotonic()
        fault = box.fault(code, within_s=LONGEST_BEFORE_S)
        assert fault["remedy"]
        wait_until(lambda: time.monotonic() - began > WATCHED_S or stopped(lesson), WATCHED_S + 5, poll_s=0.25)
        assert stopped(lesson) is None, "only its teacher ends a lesson"
        assert capture_pids(lesson) == pids
        assert box.health()["status"] == "recording"
        now = time.monotonic_ns()
        for source in box.sources:
            end = media_end_ns(lesson, source.id)
            assert end is not None
            assert (now - end) / 1e9 < BEHIND_S
        assert media_s(lesson, "teacher", "video") > WATCHED_S - BEHIND_S
        box.stop()
        assert (stopped(lesson) or {})["reason"] == "asked"


@pytest.mark.parametrize("reply", [silence, dribble, drip, interim])
def test_a_store_that_hangs_is_named(reply: Reply, tmp_path: Path) -> None:
    """It takes every connection and answers nothing, or without end: no time-out is over, and still it is said."""
    with odd_server(reply) as server:
        env = {"KIT_ACCESS": "kit-access", "KIT_SECRET": "kit-secret"}
        store = f'url = "s3+http://127.0.0.1:{server.port}/lessons?region=x"\n{KEYS}'
        with Box(tmp_path / "box", store=store, env=env) as box:
            lesson = box.press()
            box.until_recording()
            pids = capture_pids(lesson)
            wait_until(lambda: server.began, LONGEST_BEFORE_S, what="something is sent")
            fault = box.fault("store_unreachable", within_s=NAMED_WITHIN_S)
            assert fault["remedy"]
            assert capture_pids(lesson) == pids
            assert box.health()["status"] == "recording"


def test_a_store_that_is_away_is_named_before_class_and_no_more_once_it_is_back(tmp_path: Path) -> None:
    with seaweed(tmp_path / "s3") as server:
        server.stop()
        store = f'url = "{server.url()}"\n{KEYS}'
        with Box(tmp_path / "box", store=store, env=server.environment) as box:
            fault = box.fault("store_unreachable", within_s=40)
            assert fault["remedy"]
            assert box.health()["lesson_id"] is None
            server.start()
            wait_until(lambda: box.health().get("faults") == [], 60, what="it is well again")
