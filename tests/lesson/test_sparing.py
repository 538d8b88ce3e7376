"""Which sources rest while the disk is short of space: for any room, disk and course of its free bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.model import Role, SourceSpec
from lesson.sparing import AGAIN, Rank, Sparing, rank_of, rests_below, vital_sources
from tests.kit.lessons import source

GB = 1_000_000_000


@st.composite
def rooms(draw: st.DrawFn) -> tuple[SourceSpec, ...]:
    roles = draw(st.lists(st.sampled_from(Role), min_size=1, max_size=6))
    required = draw(st.lists(st.booleans(), min_size=6, max_size=6))
    imported = draw(st.sampled_from([False, False, True]))
    return tuple(
        source(role, f"{role.value}-{number}", required=required[number], imported=imported)
        for number, role in enumerate(roles)
    )


totals = st.integers(1 << 20, 10_000 * GB)


@given(room=rooms(), total=totals, parts=st.lists(st.floats(0, 0.2), max_size=30))
def test_who_is_needed_more_never_rests_while_who_is_needed_less_is_recorded(
    room: tuple[SourceSpec, ...], total: int, parts: list[float]
) -> None:
    watches = {one.id: (rank_of(one, room), Sparing(rank_of(one, room))) for one in room}
    for part in parts:
        free = round(total * part)
        found = [(rank, sparing.look(free, total)) for rank, sparing in watches.values()]
        resting = [rank for rank, rests in found if rests]
        recorded = [rank for rank, rests in found if not rests]
        assert Rank.VITAL not in resting
        assert not resting or not recorded or max(resting) <= min(recorded)


@given(room=rooms())
def test_every_room_keeps_a_voice_and_a_picture_that_never_rest(room: tuple[SourceSpec, ...]) -> None:
    vital = vital_sources(room)
    roles = {one.role for one in room}
    kept = [one for one in room if one.id in vital]
    assert kept
    assert {one.id for one in room if one.role in (Role.MIC, Role.TEACHER)} <= vital
    if roles != {Role.MIC}:
        assert any(one.role is not Role.MIC for one in kept)
    if Role.MIC in roles:
        assert sum(one.role is not Role.MIC for one in kept) <= max(1, sum(one.role is Role.TEACHER for one in room))
    if any(one.imported for one in room):
        assert {rank_of(one, room) for one in room} == {Rank.VITAL}


@given(total=totals, rank=st.sampled_from([Rank.OPTIONAL, Rank.NEEDED]))
def test_space_that_comes_and_goes_around_the_limit_does_not_start_and_stop_a_source(total: int, rank: Rank) -> None:
    least, sparing = rests_below(rank, total), Sparing(rank)
    assert not sparing.look(least, total)
    assert sparing.look(least - 1, total)
    assert sparing.look(round(least * AGAIN) - 2, total)
    assert not sparing.look(round(least * AGAIN) + 1, total)
    assert not sparing.look(least, total)


@given(total=totals)
def test_what_is_vital_goes_on_to_the_last_byte_but_does_not_begin_for_nothing(total: int) -> None:
    sparing = Sparing(Rank.VITAL)
    assert not sparing.look(0, total)
    assert sparing.look(0, total, goes_on=False)
    assert sparing.look(0, total), "it rests: it has to begin anew"
    assert not sparing.look(total // 20, total, goes_on=False)
    assert not sparing.look(0, total)


@pytest.mark.parametrize(("total_gb", "optional_gb", "needed_gb"), [(16, 0.8, 0.32), (32, 1.6, 0.5), (512, 2.0, 0.5)])
def test_the_limits_of_usual_disks(total_gb: int, optional_gb: float, needed_gb: float) -> None:
    assert rests_below(Rank.OPTIONAL, total_gb * GB) == optional_gb * GB
    assert rests_below(Rank.NEEDED, total_gb * GB) == needed_gb * GB
