"""The recorder's decisions, without feeds, files or clocks."""

from __future__ import annotations

from typing import cast

import av
import pytest
from av.stream import Stream

from capture.presence import KEY_PATIENCE, LIVE_KEY_PATIENCE, KeyWait
from capture.rules import NEW_PACE, Continuity, Cutter, Paces
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND
from media.feeds.packets import FeedPacket

NOTHING = cast("av.Packet[Stream]", None)
BOTH = {Kind.VIDEO, Kind.AUDIO}


def packet(at_s: float, *, kind: Kind = Kind.VIDEO, key: bool = False, arrival_s: float | None = None) -> FeedPacket:
    at = round(at_s * TICKS_PER_SECOND)
    arrival = at_s if arrival_s is None else arrival_s
    return FeedPacket(kind, at, at, TICKS_PER_SECOND // 25, key, round(arrival * NANOSECONDS_PER_SECOND), NOTHING)


def cuts(cutter: Cutter, packets: list[FeedPacket]) -> list[float]:
    found = []
    for each in packets:
        if cutter.due(each):
            cutter.stop()
        if not cutter.started:
            cutter.start(each)
            found.append(each.pts / TICKS_PER_SECOND)
        cutter.add(each)
    return found


def test_segments_start_at_the_first_key_frame_after_four_seconds() -> None:
    pictures = [packet(n / 25, key=n % 30 == 0) for n in range(25 * 12)]
    assert cuts(Cutter({Kind.VIDEO}), pictures) == [0.0, 4.8, 9.6]


def test_sound_never_cuts_where_there_are_pictures() -> None:
    cutter = Cutter(BOTH)
    cutter.start(packet(0, key=True))
    assert not cutter.due(packet(100, kind=Kind.AUDIO, key=True))
    assert cutter.due(packet(100, key=True))


def test_sound_alone_is_cut_at_four_seconds() -> None:
    sounds = [packet(n / 50, kind=Kind.AUDIO, key=True) for n in range(50 * 9)]
    assert cuts(Cutter({Kind.AUDIO}), sounds) == [0.0, 4.0, 8.0]


def test_a_pause_of_a_stream_ends_the_segment_at_the_next_key_frame() -> None:
    """So that no range in the journal reaches over what is missing."""
    pictures = [packet(n / 25, key=n % 25 == 0) for n in range(25 * 8)]
    sounds = [packet(n / 50, kind=Kind.AUDIO, key=True) for n in range(50 * 8) if not 70 <= n < 170]
    cutter = Cutter(BOTH)
    assert cuts(cutter, sorted(pictures + sounds, key=lambda each: each.pts)) == [0.0, 2.0, 6.0]
    paused = [each for each in pictures if not 30 <= each.pts * 25 / TICKS_PER_SECOND < 50]
    assert cuts(Cutter({Kind.VIDEO}), paused) == [0.0, 2.0, 6.0]


@pytest.mark.parametrize("period_s", [1.0, 10.0])
def test_a_slow_pace_is_no_pause(period_s: float) -> None:
    slides = [packet(n * period_s, key=n % 12 == 0) for n in range(60)]
    assert cuts(Cutter({Kind.VIDEO}), slides) == [n * period_s for n in range(0, 60, 12)]


@pytest.mark.parametrize("every_s", [0.9, 1.13, 2.0, 7.0])
@pytest.mark.parametrize("kind", Kind)
def test_a_line_that_loses_nearly_everything_is_no_slow_pace_before_long(kind: Kind, every_s: float) -> None:
    paces = Paces()
    for n in range(100):
        paces.add(packet(n / 25, kind=kind, key=True))
    at = 3.96
    for _ in range(NEW_PACE):
        at += every_s
        late = packet(at, kind=kind, key=True)
        assert paces.pause_before(late) == late.pts - round((at - every_s + 0.04) * TICKS_PER_SECOND)
        paces.add(late)
    assert not paces.pause_before(packet(at + every_s, kind=kind, key=True)), "by now it is one"
    back = [packet(at + every_s + n / 25, kind=kind, key=True) for n in range(40)]
    for each in back:
        paces.add(each)
    assert paces.pause_before(packet(at + every_s + 1.6 + every_s, kind=kind, key=True)), "and it is over soon"


@pytest.mark.parametrize(("live", "patience"), [(False, KEY_PATIENCE), (True, LIVE_KEY_PATIENCE)])
def test_pictures_before_the_first_key_frame_are_useless_but_patience_ends(live: bool, patience: int) -> None:
    keys = KeyWait(live=live)
    assert keys.useless(packet(0))
    assert not keys.useless(packet(0, kind=Kind.AUDIO, key=True))
    assert not keys.useless(packet(0.04, key=True))
    assert not keys.useless(packet(0.08))
    never = KeyWait(live=live)
    found = [never.useless(packet(n)) for n in range(patience + 2)]
    assert found == [True] * patience + [False] * 2


def test_pictures_after_a_hole_wait_for_a_key_frame_where_they_came_live() -> None:
    times = [*range(50), *range(200, 290)]
    for live in (True, False):
        keys = KeyWait(live=live)
        useless = [n for n in times if keys.useless(packet(n / 25, key=n % 50 == 0 and n != 200))]
        assert useless == (list(range(200, 250)) if live else [])


@pytest.mark.parametrize("jump_s", [3.0, 3600.0])
def test_a_jump_ahead_breaks_the_timeline(jump_s: float) -> None:
    rule = Continuity(live=True)
    assert [rule.broken_by(packet(n / 25)) for n in range(50)] == [None] * 50
    assert rule.broken_by(packet(2 + jump_s, arrival_s=2.0)) == f"video time stamps jumped ahead by {jump_s:.1f} s"


def test_a_step_back_breaks_the_timeline_of_files_too() -> None:
    rule = Continuity(live=False)
    rule.broken_by(packet(100))
    assert rule.broken_by(packet(99.8)) is None  # muddled, not broken
    assert rule.broken_by(packet(1)) == "video time stamps stepped back by 99.0 s"
    assert rule.broken_by(packet(3000)) is None  # a slide may stand for long
    assert rule.broken_by(packet(95_000)) == "video time stamps jumped ahead by 92000 s"


def test_a_delay_that_is_made_up_breaks_nothing() -> None:
    rule = Continuity(live=True)
    arrivals = [n / 25 for n in range(50)] + [max(5.0, n / 25) for n in range(50, 250)]  # 3 s stalled, then a burst
    assert all(rule.broken_by(packet(n / 25, arrival_s=at)) is None for n, at in enumerate(arrivals))


def test_time_lost_for_good_breaks_the_timeline() -> None:
    rule = Continuity(live=True)
    found = [rule.broken_by(packet(n / 25, arrival_s=n / 25 + (3.0 if n > 50 else 0))) for n in range(300)]
    first = next(n for n, reason in enumerate(found) if reason)
    assert 51 + 5 * 25 <= first <= 51 + 6 * 25
    assert found[first] == "video time stamps fell behind by 3.0 s"


def test_drift_of_a_cheap_camera_over_six_hours_is_no_jump() -> None:
    rule = Continuity(live=True)
    assert not any(rule.broken_by(packet(second * (1 + 200e-6), arrival_s=second)) for second in range(6 * 3600))


def test_stragglers_of_the_old_timeline_do_not_break_the_new_one() -> None:
    old = Continuity(live=False)
    old.broken_by(packet(1000))
    old.broken_by(packet(1000, kind=Kind.AUDIO))
    assert old.broken_by(packet(2))
    new = old.next_epoch()
    assert new.broken_by(packet(2)) is None
    late = packet(1000.3, kind=Kind.AUDIO)
    assert new.straggler(late)
    joined = packet(2.1, kind=Kind.AUDIO)
    assert not new.straggler(joined)
    assert new.broken_by(joined) is None


def test_no_straggler_of_a_file_comes_later_than_a_second() -> None:
    """Else a stream whose time stamps did not jump would be taken for one for as long as the jump."""
    old = Continuity(live=False)
    old.broken_by(packet(1000))
    old.broken_by(packet(1000, kind=Kind.AUDIO))
    assert old.broken_by(packet(970))
    new = old.next_epoch()
    new.broken_by(packet(970))
    late = [packet(1000 + n / 50, kind=Kind.AUDIO) for n in range(500)]
    assert [new.straggler(each) for each in late] == [True] * 51 + [False] * 449
