"""What rests while the disk is short of space, so that voice and teacher are recorded to the last byte. Pure.

Whoever writes decides by itself, from the header and the free bytes alone: nobody has to be told, and it holds
without a conductor, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from lesson.model import Role, SourceSpec
from lesson.roles import PICTURE_ROLES, VOICE_ROLES

KEPT_FOR_NEEDED = 2_000_000_000
"""About a lesson of 45 minutes of a camera with 4 Mbit/s, its voice and what is made of them."""
KEPT_FOR_VITAL = 500_000_000
"""About ten minutes of the same."""
KEPT_FOR_EPOCH = 4_000_000
"""With less no epoch is begun: it would come to nothing, and its lines take the room in which the lesson is ended."""
_PARTS = {KEPT_FOR_NEEDED: 20, KEPT_FOR_VITAL: 50, KEPT_FOR_EPOCH: 100}
"""On a small disk no more than such a part of it."""
AGAIN = 1.25
"""So many times the bytes below which it rested must be free before anything goes on."""


class Rank(IntEnum):
    """How long something goes on while the disk fills; the least rests first."""

    OPTIONAL = 0  # sources that are not required
    NEEDED = 1  # required ones, and what is made while a lesson is recorded, as it can be made later
    VITAL = 2  # every microphone, and the teacher's camera


def vital_sources(sources: Iterable[SourceSpec]) -> frozenset[str]:
    """Ids of the sources that never rest: voice and teacher; where a room has none, what would stand for them.

    Every microphone, as the first may be the one that fails; beside pictures they take nothing.
    """
    sources = tuple(sources)
    voices = [one for one in sources if one.role is Role.MIC]
    teachers = [one for one in sources if one.role is Role.TEACHER]
    shown = [one for one in sources if one.role is not Role.MIC]
    voices = voices or sorted(sources, key=lambda one: VOICE_ROLES.index(one.role))[:1]
    teachers = teachers or sorted(shown, key=lambda one: (not one.required, PICTURE_ROLES.index(one.role)))[:1]
    return frozenset(one.id for one in (*voices, *teachers))


def rank_of(source: SourceSpec, sources: Iterable[SourceSpec]) -> Rank:
    """The rank of one of the `sources` of a lesson. Files that are imported wait for nobody: they never rest."""
    if source.imported or source.id in vital_sources(sources):
        return Rank.VITAL
    return Rank.NEEDED if source.required else Rank.OPTIONAL


def rests_below(rank: Rank, total: int, *, goes_on: bool = True) -> int:
    """Free bytes below which this rank rests on a disk of `total` bytes; what is vital and `goes_on` rests never."""
    if rank is Rank.VITAL and goes_on:
        return 0
    kept = {Rank.OPTIONAL: KEPT_FOR_NEEDED, Rank.NEEDED: KEPT_FOR_VITAL, Rank.VITAL: KEPT_FOR_EPOCH}[rank]
    return min(kept, total // _PARTS[kept])


@dataclass(slots=True)
class Sparing:
    """Whether something of this rank rests now; it goes on once there is clearly more space than when it began to."""

    rank: Rank
    rests: bool = False

    def look(self, free: int, total: int, *, goes_on: bool = True) -> bool:
        """As of now, with so many bytes free of `total`. `goes_on`: it is at work, and has not only to begin."""
        least = rests_below(self.rank, total, goes_on=goes_on and not self.rests)
        self.rests = free < (least * AGAIN if self.rests else least)
        return self.rests
