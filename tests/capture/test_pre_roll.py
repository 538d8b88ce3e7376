"""What a feed that stands by holds in memory: rules over made-up arrivals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import av
import pytest
from av.stream import Stream
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.pre_roll import PRE_ROLL_S, PreRoll
from capture.presence import LIVE_KEY_PATIENCE
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND
from media.feeds.packets import FeedPacket

few = settings(max_examples=60, deadline=None)
SECOND = NANOSECONDS_PER_SECOND


@dataclass(frozen=True)
class Coded:
    size: int = 1_000


def packet(kind: Kind, at_s: float, *, key: bool = False, size: int = 1_000) -> FeedPacket:
    coded = cast("av.Packet[Stream]", Coded(size))
    return FeedPacket(kind, round(at_s * 48_000), round(at_s * 48_000), 1_920, key, round(at_s * SECOND), coded)


def feed(length_s: float, *, gop_s: float = 0.0, sound: bool = True, fps: float = 10) -> list[FeedPacket]:
    """`gop_s` 0: no pictures."""
    pictures, last_key = [], -1e9
    if gop_s:
        for n in range(int(length_s * fps)):
            key = n / fps - last_key >= gop_s
            last_key = n / fps if key else last_key
            pictures.append(packet(Kind.VIDEO, n / fps, key=key))
    blocks = [packet(Kind.AUDIO, n / 20, key=True) for n in range(int(length_s * 20))] if sound else []
    return sorted([*pictures, *blocks], key=lambda one: one.arrival_ns)


@few
@given(
    length_s=st.floats(1, 90),
    gop_s=st.sampled_from([0.0, 0.5, 1, 2, 4, 12]),
    sound=st.booleans(),
    ago_s=st.floats(0, 9),
)
def test_what_arrived_since_the_press_is_there_and_can_be_decoded(
    length_s: float, gop_s: float, sound: bool, ago_s: float
) -> None:
    arrived = feed(length_s, gop_s=gop_s, sound=sound or not gop_s)
    held = PreRoll()
    for one in arrived:
        held.add(one)
    press = arrived[-1].arrival_ns - round(ago_s * SECOND)
    found = held.since(press)
    assert found == arrived[len(arrived) - len(found) :], "nothing is left out, all in order"
    assert all(one in found for one in arrived if one.arrival_ns >= press)
    pictures = [one for one in found if one.kind is Kind.VIDEO]
    assert not pictures or pictures[0].key
    assert found[0].arrival_ns >= press - (max(gop_s, 1) + 0.2) * SECOND, "no more before the press than it takes"


@few
@given(gop_s=st.sampled_from([0.0, 0.5, 2, 12]))
def test_it_holds_no_more_than_it_needs(gop_s: float) -> None:
    held = PreRoll()
    for one in feed(120, gop_s=gop_s):
        held.add(one)
        kept = held.since(0) if one.arrival_ns % (10 * SECOND) == 0 else []
        assert not kept or one.arrival_ns - kept[0].arrival_ns <= (PRE_ROLL_S + max(gop_s, 1) + 0.2) * SECOND


def test_what_is_larger_than_any_camera_loses_its_oldest() -> None:
    """Also a stream without key frames, which says nowhere where it may be begun."""
    held = PreRoll(most_bytes=50_000)
    arrived = [replace(one, key=False) for one in feed(30, gop_s=1, sound=False)]
    for one in arrived:
        held.add(one)
    assert held.since(0) == arrived[-50:]


def test_another_connection_begins_anew() -> None:
    held = PreRoll()
    for one in feed(5, gop_s=1):
        held.add(one)
    held.clear()
    assert held.since(0) == []
    later = packet(Kind.AUDIO, 7)
    held.add(later)
    assert held.since(0) == [later]


@pytest.mark.parametrize(("sent", "usable"), [(LIVE_KEY_PATIENCE, False), (LIVE_KEY_PATIENCE + 1, True)])
def test_pictures_are_of_use_with_a_key_frame_or_where_none_is_ever_marked(sent: int, *, usable: bool) -> None:
    held = PreRoll()
    assert not held.usable(Kind.VIDEO)
    assert not held.usable(Kind.AUDIO)
    for n in range(sent):
        held.add(packet(Kind.VIDEO, n / 25))
    assert held.usable(Kind.VIDEO) == usable
    held.clear()
    for n in range(30):
        held.add(packet(Kind.AUDIO, n / 20, key=True))
        held.add(packet(Kind.VIDEO, n / 20, key=n == 20))
    assert held.usable(Kind.VIDEO)
    assert held.usable(Kind.AUDIO)
