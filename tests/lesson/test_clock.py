"""Moments: monotonic within a boot, the wall only across boots and never backwards."""

from __future__ import annotations

from datetime import UTC, datetime

from lesson.clock import Moment, boot_id, wall_now
from tests.kit.lessons import moment


def test_now_goes_forward_and_is_in_utc() -> None:
    first, second = Moment.now(), Moment.now()
    assert first.boot == second.boot == boot_id()
    assert (second.ns_since(first) or 0) >= 0
    assert first.wall_time.tzinfo == UTC
    assert abs((datetime.fromisoformat(wall_now()) - first.wall_time).total_seconds()) < 60


def test_within_a_boot_the_wall_clock_is_not_asked() -> None:
    jumped = Moment("boot-1", moment(10).monotonic_ns, moment(-86_400).wall)
    assert jumped.seconds_since(moment(4)) == 6
    assert moment(4).seconds_since(jumped) == -6


def test_across_a_reboot_the_wall_clock_is_asked_and_never_runs_backwards() -> None:
    assert moment(90, boot="boot-2").ns_since(moment(0)) is None
    assert moment(90, boot="boot-2").seconds_since(moment(0)) == 90
    assert moment(0, boot="boot-2").seconds_since(moment(90)) == 0
