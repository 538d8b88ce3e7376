"""For how long the disk can record, by what lessons of this room take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.disk_time import LEARNT_AFTER_S, SOURCE_BYTES_PER_S, RecordingRate
from lesson.journal import append_records
from lesson.records import SegmentCommitted, Start, Stop
from lesson.state import LessonState
from lesson.view import load_state
from tests.kit.lessons import epoch_started, header, make_lesson, moment, record_all, segment, source


def test_before_a_lesson_has_shown_it_every_source_is_taken_as_an_ordinary_camera() -> None:
    assert RecordingRate(3).hours(round(3 * SOURCE_BYTES_PER_S * 7200)) == pytest.approx(2.0)
    assert RecordingRate(0).hours(1) > 0


@pytest.mark.parametrize("after_s", [1.0, LEARNT_AFTER_S - 1, LEARNT_AFTER_S + 1, 2700.0])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_lesson_that_is_recorded_shows_what_one_takes(tmp_path: Path, after_s: float, *, stopped: bool) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder, finished=False)
    if stopped:
        append_records(folder.control_journal, [Stop(at=moment(12))])
    state = load_state(folder)
    rate = RecordingRate(2)
    before = rate.bytes_per_s
    rate.learn(state, moment(after_s))
    learnt = sum(source.bytes for source in state.sources.values()) / after_s
    assert rate.bytes_per_s == pytest.approx(before if stopped or after_s < LEARNT_AFTER_S else learnt)


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_what_is_written_now_counts_and_not_what_was_written_before(factor: float) -> None:
    """A source that rests takes nothing, one that came back takes it again: known within some minutes."""
    spec = source("teacher")
    state = LessonState(header(sources=(spec,)))
    state.apply(Start(at=moment()))
    state.apply(epoch_started(spec))
    rate, usual = RecordingRate(1), 4_000_000
    for seq in range(300):
        size = round(usual * (factor if seq >= 150 else 1))
        state.apply(SegmentCommitted(segment=replace(segment(spec, seq), bytes=size)))
        rate.learn(state, moment(4.0 * (seq + 1)))
        if seq == 149:
            assert rate.bytes_per_s == pytest.approx(usual / 4, rel=0.05)
    assert rate.bytes_per_s == pytest.approx(usual * factor / 4, rel=0.05)
    rate.learn(state, moment(6000))
    assert rate.bytes_per_s > 0


def test_a_lesson_without_anything_teaches_nothing() -> None:
    state = LessonState(header())
    state.apply(Start(at=moment()))
    rate = RecordingRate(2)
    rate.learn(state, moment(1000))
    assert rate.bytes_per_s == 2 * SOURCE_BYTES_PER_S


@pytest.mark.parametrize(("hours", "said_s"), [(0.5, 1800), (1.9, 6840), (2.9, 7200), (100.4, 360_000)])
def test_people_are_told_whole_hours_from_two_on(hours: float, said_s: float) -> None:
    rate = RecordingRate(1)
    assert rate.said_s(round(hours * 3600 * SOURCE_BYTES_PER_S)) == pytest.approx(said_s, rel=1e-3)


def test_page_health_and_metrics_say_it(client: httpx.Client) -> None:
    health = client.get("/health").json()
    assert health["disk_hours"] == pytest.approx(health["disk_free_bytes"] / (2 * SOURCE_BYTES_PER_S) / 3600, abs=0.06)
    assert "classreel_disk_hours" in client.get("/metrics").text
    page = client.get("/", headers={"Accept": "text/html", "Accept-Language": "en"}).text
    assert "Room on the disk for" in page
