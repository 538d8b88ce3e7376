"""Between lessons what stands by is looked at in memory: every flaw by its name after its patience, nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from capture.feeds import open_feed
from capture.kinds.file import file_uri
from capture.standing_look import (
    AGAIN_S,
    ASKED_S,
    EVERY_S,
    LASTS_S,
    NOT_BETWEEN_LESSONS,
    PICTURE_WIDTH,
    SELDOM_S,
    StandingLook,
)
from lesson.model import Kind, Role, SourceSpec
from lesson.signal import FLAW_KINDS, PATIENCE, Flaw
from lesson.time import TICKS_PER_SECOND
from media.feeds.packets import Feed, FeedPacket
from tests.kit.flawed import FPS, flawed_clip

LENGTH_S = 40
LOOKED_AT_S = 4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for flaw in set(Flaw) - {Flaw.UNDECODABLE}:
        flawed_clip(folder / f"{flaw.value}.mkv", flaw, seconds=LENGTH_S)
    for kind in Kind:
        flawed_clip(folder / f"{kind.value}.mkv", None, seconds=LENGTH_S, kind=kind)
    return folder


def opened(path: Path, kind: Kind) -> tuple[Feed, list[FeedPacket]]:
    role = Role.MIC if kind is Kind.AUDIO else Role.TEACHER
    feed = open_feed(SourceSpec(id="one", role=role, uri=file_uri(path), imported=True), {})
    return feed, list(feed.packets())


def garbled(packet: FeedPacket) -> FeedPacket:
    """What a camera sends whose encoder is broken."""
    coded = av.Packet(b"\x55" * packet.coded.size)
    coded.stream, coded.time_base = packet.coded.stream, packet.coded.time_base
    coded.pts, coded.dts, coded.is_keyframe = packet.coded.pts, packet.coded.dts, packet.key
    return replace(packet, coded=coded)


def window(packets: list[FeedPacket], at_s: float) -> list[FeedPacket]:
    """As a feed that stands by holds them: from a key frame on."""
    there = [one for one in packets if at_s <= (one.pts - packets[0].pts) / TICKS_PER_SECOND < at_s + LOOKED_AT_S]
    first = next(n for n, one in enumerate(there) if one.key)
    return there[first:]


def watch(feed: Feed, packets: list[FeedPacket], kind: Kind) -> dict[float, frozenset[Flaw]]:
    """What is said, by seconds, over the length of a clip."""
    look, said = StandingLook(Role.MIC if kind is Kind.AUDIO else Role.TEACHER, 0.0), {}
    for tenth in range(10 * (LENGTH_S - LOOKED_AT_S)):
        now = tenth / 10
        if look.due(now):
            look.look(feed, window(packets, now), now)
        said[now] = look.flaws
    return said


@pytest.mark.parametrize("flaw", sorted(set(Flaw) - NOT_BETWEEN_LESSONS))
def test_a_flaw_is_said_after_its_patience_and_nothing_else(clips: Path, flaw: Flaw) -> None:
    kind = FLAW_KINDS[flaw]
    if flaw is Flaw.UNDECODABLE:
        feed, packets = opened(clips / "video.mkv", kind)
        packets = [garbled(one) for one in packets]
    else:
        feed, packets = opened(clips / f"{flaw.value}.mkv", kind)
    said = watch(feed, packets, kind)
    first = min(at for at, flaws in said.items() if flaws)
    patience = PATIENCE[flaw] / TICKS_PER_SECOND
    patience += AGAIN_S if flaw is Flaw.FROZEN else 0.0  # the first picture has none before it to be compared with
    assert AGAIN_S + patience <= first <= patience + 3 * AGAIN_S + 0.2
    assert {found for flaws in said.values() for found in flaws} == {flaw}


@pytest.mark.parametrize("name", ["video", "audio", *NOT_BETWEEN_LESSONS])
def test_nothing_is_said_of_what_is_well_and_of_a_silent_room(clips: Path, name: str) -> None:
    kind = Kind.VIDEO if name == "video" else Kind.AUDIO
    assert set().union(*watch(*opened(clips / f"{name}.mkv", kind), kind).values()) == set()


def test_it_is_taken_back_with_the_first_good_look_and_looked_for_less_often_then(clips: Path) -> None:
    black, good = opened(clips / "black.mkv", Kind.VIDEO), opened(clips / "video.mkv", Kind.VIDEO)
    look = StandingLook(Role.TEACHER, 0.0)
    for now in (4.0, 8.0, 12.0):
        look.look(black[0], window(black[1], now), now)
    assert look.flaws == {Flaw.BLACK}
    assert look.due(12.0 + AGAIN_S)
    look.look(good[0], window(good[1], 16.0), 16.0)
    assert look.flaws == set()
    assert not look.due(16.0 + AGAIN_S)
    assert look.due(16.0 + EVERY_S)


def test_what_is_wrong_for_long_is_looked_at_less_often_and_taken_back_all_the_same(clips: Path) -> None:
    """A cap on the lens overnight must not cost the box its core."""
    black, good = opened(clips / "black.mkv", Kind.VIDEO), opened(clips / "video.mkv", Kind.VIDEO)
    look, looks, now = StandingLook(Role.TEACHER, 0.0), 0, 0.0
    while now < 600:
        now += 0.25
        if look.due(now):
            look.look(black[0], window(black[1], now % 30), now)
            looks += 1
    assert look.flaws == {Flaw.BLACK}
    assert looks <= LASTS_S / AGAIN_S + 600 / SELDOM_S
    assert look.due(now + SELDOM_S)
    look.look(good[0], window(good[1], 16.0), now + SELDOM_S)
    assert look.flaws == set()


@pytest.mark.parametrize("first_s", [-3600.0, -1.0, -0.001, 0.0, 3600.0])
def test_time_stamps_of_a_camera_may_begin_anywhere(clips: Path, first_s: float) -> None:
    """Its one key frame would be lost in a container that holds no negative times, and it would be called broken."""
    feed, packets = opened(clips / "video.mkv", Kind.VIDEO)
    shift = round(first_s * TICKS_PER_SECOND) - packets[0].pts
    one_key = [one for n, one in enumerate(window(packets, 0.0)) if n == 0 or not one.key]
    look = StandingLook(Role.TEACHER, 0.0)
    look.look(feed, window(packets, 8.0), 4.0)
    look.look(feed, [one.shifted(shift) for one in one_key], 8.0)
    assert not look.due(8.0 + AGAIN_S), "it could be decoded, and is well"


def test_before_the_first_key_frame_nothing_is_known(clips: Path) -> None:
    feed, packets = opened(clips / "video.mkv", Kind.VIDEO)
    look = StandingLook(Role.TEACHER, 0.0)
    look.look(feed, [one for one in packets if not one.key], 4.0)
    assert look.flaws == set()
    look.look(feed, [], 8.0)
    assert look.flaws == set()


def test_what_it_is_like_is_known_and_a_picture_only_to_who_asked_lately(clips: Path) -> None:
    feed, packets = opened(clips / "video.mkv", Kind.VIDEO)
    look, pictures, looks = StandingLook(Role.TEACHER, 0.0), set(), 0
    for tenth in range(2000):
        now = tenth / 10
        if tenth == 500:
            look.ask(now)
        if look.due(now):
            look.look(feed, window(packets, now % 30), now)
            looks += 50.0 <= now < 50.0 + ASKED_S
            assert look.newest is not None
            assert (look.newest.width, look.newest.height, look.newest.rms_db) == (320, 180, None)
            assert look.newest.fps == FPS
        look.hide(now)
        if look.newest is not None and look.newest.jpeg:
            pictures.add(now)
            picture = cv2.imdecode(np.frombuffer(look.newest.jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            assert picture.shape[1] == PICTURE_WIDTH
    assert (min(pictures), max(pictures)) == pytest.approx((50.0, 50.0 + ASKED_S), abs=0.11)
    assert looks >= ASKED_S / AGAIN_S - 1, "as often as while something is wrong"
    look.forget(now)
    assert look.newest is None


def test_the_level_of_sound_is_known(clips: Path) -> None:
    feed, packets = opened(clips / "audio.mkv", Kind.AUDIO)
    look = StandingLook(Role.MIC, 0.0)
    look.look(feed, window(packets, 0.0), 4.0)
    assert look.newest is not None
    assert (look.newest.width, look.newest.fps, look.newest.jpeg) == (0, 0.0, b"")
    assert look.newest.rms_db is not None
    assert look.newest.peak_db is not None
    assert -50 < look.newest.rms_db < look.newest.peak_db <= 0


def test_the_same_press_is_heard_once(clips: Path) -> None:
    feed, packets = opened(clips / "video.mkv", Kind.VIDEO)
    look = StandingLook(Role.TEACHER, 0.0)
    look.ask(1.0)
    look.look(feed, window(packets, 0.0), 1.5)
    look.ask(1.0)
    assert not look.due(2.0)
    look.ask(2.0)
    assert look.due(2.0)
