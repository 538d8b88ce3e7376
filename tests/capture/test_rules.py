"""The recorder's decisions, without feeds, files or clocks."""

from __future__ import annotations

from typing import cast

import av
import pytest
from av.stream import Stream

from capture.rules import KEY_PATIENCE, PAUSES_S, Backoff, Continuity, Cutter, Settling, StallWatch
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND
from media.packets import FeedPacket

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


def test_pictures_before_the_first_key_frame_are_useless_but_patience_ends() -> None:
    cutter = Cutter(BOTH)
    assert cutter.useless(packet(0))
    assert not cutter.useless(packet(0, kind=Kind.AUDIO, key=True))
    assert not cutter.useless(packet(0.04, key=True))
    assert not cutter.useless(packet(0.08))
    never = Cutter({Kind.VIDEO})
    assert [never.useless(packet(n)) for n in range(KEY_PATIENCE + 2)] == [True] * KEY_PATIENCE + [False] * 2


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


def test_each_stream_is_watched_by_itself() -> None:
    watch = StallWatch(BOTH, 0, 5.0)
    for second in range(1, 8):
        watch.heard(packet(second, kind=Kind.AUDIO))
    assert watch.stalled(round(4.9e9)) is None
    assert watch.stalled(round(7.0e9)) == "no video for 5 s"
    watch.only({Kind.AUDIO})
    assert watch.stalled(round(7.0e9)) is None
    assert StallWatch(BOTH, 0, None).stalled(10**15) is None


def test_pauses_grow_and_start_anew_after_a_connection_that_held() -> None:
    backoff = Backoff()
    assert [backoff.pause_s(0.0) for _ in range(6)] == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]
    assert backoff.pause_s(40.0) == PAUSES_S[0]
    assert backoff.pause_s(1.0) == PAUSES_S[1]


def test_a_feed_settles_when_every_stream_was_heard() -> None:
    settling = Settling(BOTH, 3.0)
    assert not settling.add(packet(0.0))  # before a key frame
    assert not settling.add(packet(0.1, kind=Kind.AUDIO, key=True))
    assert settling.add(packet(0.2, key=True))
    kinds, held = settling.result()
    assert kinds == BOTH
    assert [each.pts / TICKS_PER_SECOND for each in held] == [0.1, 0.2]


def test_a_stream_that_is_only_announced_is_left_out() -> None:
    settling = Settling(BOTH, 3.0)
    answers = [settling.add(packet(n / 25, key=n == 0)) for n in range(80)]
    assert answers.index(True) == 76
    assert settling.result()[0] == {Kind.VIDEO}
