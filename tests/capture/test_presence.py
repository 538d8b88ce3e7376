"""Which streams make up an epoch, and where their packets lie: rules over made-up arrivals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

import av
import pytest
from av.stream import Stream
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.ledger import Ledger
from capture.placing import Placing
from capture.presence import DOZE_NS, SETTLE_NS, Change, KeyWait, Presence
from lesson.loss import Loss
from lesson.model import Kind
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Ticks, ticks_from_ns
from media.feeds.packets import Announced, FeedPacket

NOTHING = cast("av.Packet[Stream]", None)
BOTH = frozenset(Kind)
FRAME, BLOCK = 1_920, 1_024
SECOND = NANOSECONDS_PER_SECOND
few = settings(max_examples=15, deadline=None)
"""Each example is a minute of packets."""
START = 1_000 * TICKS_PER_SECOND
PATIENCE_S = 4.5


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a made-up camera sends: `length_s` of pictures and sound that are cut out, late, and on clocks that jump."""

    length_s: int = 30
    gop_s: float = 1.0
    joined_s: float = 0.0
    away: dict[Kind, list[tuple[float, float]]] = field(default_factory=dict)
    jumps: dict[Kind, tuple[float, float]] = field(default_factory=dict)  # from then on, by
    jitter_ns: int = 0
    base: Ticks = START

    def packets(self) -> list[FeedPacket]:
        """In order of arrival; `arrival_ns` 0 is the start of the scene."""
        found = []
        for kind, step in ((Kind.VIDEO, FRAME), (Kind.AUDIO, BLOCK)):
            newest = 0
            for number in range(self.length_s * TICKS_PER_SECOND // step):
                at = number * step
                if not any(a <= at / TICKS_PER_SECOND < b for a, b in self.away.get(kind, [])):
                    packet = self._packet(kind, number, at, step)
                    newest = max(newest, packet.arrival_ns)  # a line keeps the order
                    found.append(replace(packet, arrival_ns=newest))
        return sorted(found, key=lambda packet: packet.arrival_ns)

    def _packet(self, kind: Kind, number: int, at: Ticks, step: Ticks) -> FeedPacket:
        since, by = self.jumps.get(kind, (1e9, 0.0))
        pts = self.base + at + (round(by * TICKS_PER_SECOND) if at >= since * TICKS_PER_SECOND else 0)
        key = (
            kind is Kind.AUDIO
            or (at + round(self.joined_s * TICKS_PER_SECOND)) % round(self.gop_s * TICKS_PER_SECOND) < step
        )
        complete = at + (step if kind is Kind.AUDIO else 0)
        late = (number * 7_919 % 101) * self.jitter_ns // 100
        arrival = complete * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND + late
        return FeedPacket(kind, pts, pts, step, key, arrival, NOTHING)


@dataclass
class Outcome:
    """What the rules made of a scene; times are seconds of arrival."""

    changes: list[tuple[float, Change]] = field(default_factory=list)
    stored: list[FeedPacket] = field(default_factory=list)
    dropped: list[FeedPacket] = field(default_factory=list)
    lost: float | None = None

    @property
    def kinds(self) -> list[frozenset[Kind]]:
        return [change.kinds for _, change in self.changes]

    def of(self, kind: Kind) -> list[FeedPacket]:
        return [packet for packet in self.stored if packet.kind is kind]


def run(packets: Iterable[FeedPacket], until_s: float) -> Outcome:
    """The rules as a connection asks them, looked at each 0.2 s."""
    placing, keys, presence = Placing(), KeyWait(live=True), Presence(BOTH, PATIENCE_S, 0)
    outcome, heard, held = Outcome(), {}, []
    waiting = list(packets)
    for now in range(0, round(until_s * SECOND), SECOND // 5):
        while waiting and waiting[0].arrival_ns <= now:
            packet = waiting.pop(0)
            heard[packet.kind] = packet.arrival_ns
            placed = placing.place(packet)
            if keys.useless(placed.packet):
                outcome.dropped.append(packet)
                continue
            change = presence.add(placed.packet)
            if change is None and placed.broken and presence.kinds:
                change = Change(presence.kinds, placed.broken)
            if change:
                outcome.changes.append((packet.arrival_ns / SECOND, change))
            held.append(placed.packet)
            if presence.kinds:
                outcome.stored += held
                held.clear()
        found = presence.look(heard, now)
        if isinstance(found, Change):
            outcome.changes.append((now / SECOND, found))
        elif found:
            outcome.lost = now / SECOND
            return outcome
    return outcome


def off(packet: FeedPacket) -> float:
    """Seconds by which a placed packet lies away from where its arrival says."""
    complete = packet.end if packet.kind is Kind.AUDIO else packet.pts
    return (complete - START - ticks_from_ns(packet.arrival_ns)) / TICKS_PER_SECOND


def test_streams_that_start_together_are_one_epoch_and_nothing_of_them_is_lost() -> None:
    scene = Scene()
    outcome = run(scene.packets(), 30)
    assert outcome.kinds == [BOTH]
    assert len(outcome.stored) == len([packet for packet in scene.packets() if packet.arrival_ns <= 29.8 * SECOND])
    assert not outcome.dropped


@few
@given(kind=st.sampled_from(list(Kind)), late_s=st.floats(0.6, 60), gop_s=st.floats(0.2, 12))
def test_a_late_stream_joins_with_its_first_decodable_packet(kind: Kind, late_s: float, gop_s: float) -> None:
    scene = Scene(length_s=80, away={kind: [(0, late_s)]}, gop_s=gop_s)
    packets = scene.packets()
    outcome = run(packets, 80)
    other = next(iter(BOTH - {kind}))
    assert outcome.kinds == [{other}, BOTH]
    decodable = next(packet for packet in packets if packet.kind is kind and packet.key)
    assert outcome.changes[1][0] - decodable.arrival_ns / SECOND < 0.001
    assert len(outcome.of(other)) == sum(p.kind is other and p.arrival_ns <= 79.8 * SECOND for p in packets)
    assert {packet.kind for packet in outcome.dropped} <= {kind}


@few
@given(
    kind=st.sampled_from(list(Kind)), since=st.floats(3, 10), pause_s=st.floats(0.6, 60), gop_s=st.floats(0.2, 12)
)  # fmt: skip
def test_a_frozen_stream_costs_the_other_nothing_and_is_picked_up_again(
    kind: Kind, since: float, pause_s: float, gop_s: float
) -> None:
    scene = Scene(length_s=90, away={kind: [(since, since + pause_s)]}, gop_s=gop_s)
    packets = scene.packets()
    outcome = run(packets, 90)
    other = next(iter(BOTH - {kind}))
    assert outcome.lost is None
    assert len(outcome.of(other)) == sum(p.kind is other and p.arrival_ns <= 89.8 * SECOND for p in packets)
    assert outcome.kinds in ([BOTH], [BOTH, {other}, BOTH])
    if pause_s > PATIENCE_S + 0.5:
        assert len(outcome.kinds) == 3
    back = next(
        p for p in packets if p.kind is kind and p.key and p.pts - START >= (since + pause_s) * TICKS_PER_SECOND
    )
    first = next(p for p in outcome.of(kind) if p.pts - START >= (since + pause_s) * TICKS_PER_SECOND)
    assert first.arrival_ns == back.arrival_ns


@few
@given(
    kind=st.sampled_from(list(Kind)),
    by=st.one_of(st.floats(0.7, 4_000), st.floats(-4_000, -0.7)),
    at=st.floats(2, 20),
    base=st.sampled_from([0, START]),
    jitter_ms=st.integers(0, 80),
)
def test_a_jump_of_one_clock_is_named_and_costs_neither_stream_anything(
    kind: Kind, by: float, at: float, base: Ticks, jitter_ms: int
) -> None:
    scene = Scene(jumps={kind: (at, by)}, base=base, jitter_ns=jitter_ms * 1_000_000)
    packets = scene.packets()
    outcome = run(packets, 30)
    assert outcome.kinds == [BOTH, BOTH]
    assert outcome.changes[1][1].reason.startswith(f"{kind} time stamps ")
    assert not outcome.dropped
    shift = 0 if base else START - TICKS_PER_SECOND  # a timeline starts a second above zero
    for packet in outcome.stored:
        moved = replace(packet, pts=packet.pts + shift)
        assert -jitter_ms / 1000 - 0.001 <= off(moved) <= 0.001, "each stream goes on where it was"


@few
@given(by=st.one_of(st.floats(0.7, 4_000), st.floats(-4_000, -0.7)), lag=st.floats(0, 0.5))
def test_a_jump_of_both_clocks_is_one_new_epoch(by: float, lag: float) -> None:
    scene = Scene(jumps={Kind.VIDEO: (10, by), Kind.AUDIO: (10 + lag, by)})
    outcome = run(scene.packets(), 30)
    assert outcome.kinds == [BOTH, BOTH]
    assert max(abs(off(packet)) for packet in outcome.stored) < 0.001


@few
@given(late_s=st.floats(1, 60), kind=st.sampled_from(list(Kind)))
def test_a_late_stream_whose_time_stamps_start_anew_lies_where_it_arrives(late_s: float, kind: Kind) -> None:
    """As those of a camera without sender reports do."""
    scene = Scene(length_s=70, away={kind: [(0, late_s)]}, jumps={kind: (0, -late_s)}, gop_s=0.04)
    outcome = run(scene.packets(), 70)
    assert max(abs(off(packet)) for packet in outcome.stored) < 0.03


def test_all_streams_silent_is_a_lost_feed_however_they_fell_silent() -> None:
    for lag in (0.0, 0.5, 1.5):
        away = {Kind.VIDEO: [(5.0, 99.0)], Kind.AUDIO: [(5.0 + lag, 99.0)]}
        outcome = run(Scene(away=away).packets(), 30)
        assert outcome.kinds == [BOTH]
        assert outcome.lost == pytest.approx(5 + lag + PATIENCE_S, abs=0.25)


def test_a_picture_nobody_can_decode_does_not_keep_a_mute_camera_alive_for_ever() -> None:
    """Sound stops before the first key frame: pictures still come, and with the first key frame they are there."""
    scene = Scene(gop_s=12, joined_s=2, away={Kind.AUDIO: [(3.0, 99.0)]})
    outcome = run(scene.packets(), 30)
    assert outcome.lost is None
    assert outcome.kinds[0] == {Kind.AUDIO}
    assert outcome.of(Kind.VIDEO)[0].arrival_ns == 10 * SECOND


def test_the_start_is_held_no_longer_than_a_kill_may_cost() -> None:
    assert SETTLE_NS <= SECOND // 2
    outcome = run(Scene(away={Kind.VIDEO: [(0, 99)]}).packets(), 5)
    assert outcome.changes[0][0] < 0.55


def test_a_process_that_slept_does_not_blame_the_camera() -> None:
    presence = Presence(BOTH, PATIENCE_S, 0)
    heard = dict.fromkeys(BOTH, 0)
    assert presence.look(heard, SECOND) is None
    assert presence.look(heard, 31 * SECOND) is None, "stopped for 30 s: give the camera time to be heard"
    for step in range(1, 23):
        assert presence.look(heard, 31 * SECOND + step * SECOND // 5) is None
    assert presence.look(heard, 36 * SECOND) == "no video or audio for 4.5 s"
    assert DOZE_NS < PATIENCE_S * SECOND


def test_a_feed_without_patience_may_rest() -> None:
    assert Presence(BOTH, None, 0).look({}, 10**15) is None


def test_the_ledger_names_what_was_announced_and_never_came() -> None:
    packets = Scene(length_s=1).packets()
    ledger = Ledger(
        "cam",
        [
            Announced(stream=0, kind=Kind.VIDEO, codec="h264"),
            Announced(stream=1, kind=Kind.AUDIO, codec="aac"),
            Announced(stream=2, kind=Kind.AUDIO, codec="aac", used=False, code=Loss.LEFT_OUT),
        ],
    )
    picture = next(packet for packet in packets if packet.kind is Kind.VIDEO)
    ledger.stored(picture)
    ledger.dropped(picture, Loss.DISORDER)
    first = ledger.accounts(3)
    assert [(a.stream, a.used, a.code, a.dropped, a.dropped_packets) for a in first] == [
        (0, True, Loss.DISORDER, FRAME, 1),
        (1, False, Loss.ABSENT, 0, 0),
        (2, False, Loss.LEFT_OUT, 0, 0),
    ]
    assert not ledger.accounts(3), "nothing new"
    ledger.dropped(picture, Loss.UNDECODABLE)
    (news,) = ledger.close_epoch(3)
    assert (news.epoch, news.code, news.dropped) == (3, Loss.DISORDER, 2 * FRAME)
    assert [account.used for account in ledger.accounts(4)] == [False, False, False], "each epoch by itself"
