"""A room without a lesson: is it ready? Pure rules over what its feeds were found to deliver, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from api.health import BLOCKING, RoomHealth, RoomStatus, SourceHealth, SourceStatus, source_health
from lesson.box import Fault, standing_by
from lesson.clock import Moment
from lesson.look import Look
from lesson.model import Kind, Role, SourceSpec
from lesson.records import FaultRaised
from lesson.signal import FLAW_KINDS
from lesson.source_state import SourceState
from process.logs import without_addresses

TESTED_S = 60.0
"""An older look says nothing of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRoom:
    """What is known of it beside its faults.

    `able`: the sources that can stand by; `standing`: those that are to now.
    """

    sources: tuple[SourceSpec, ...]
    able: Set[str] = frozenset()
    standing: Set[str] = frozenset()
    looks: Mapping[str, Look] = field(default_factory=dict)

    def hears(self, spec: SourceSpec) -> bool:
        """Whether its sound is wanted: that of a camera only in a room without a microphone."""
        return spec.role is Role.MIC or all(other.role is not Role.MIC for other in self.sources)


def idle_health(room: IdleRoom, now: Moment, faults: Iterable[FaultRaised] = ()) -> RoomHealth:
    """Health of a room in which nothing is recorded.

    `trouble` with any fault in `BLOCKING`, and while a source that is needed (every source, if none is required) does
    not stand by, or delivers nothing of use.
    """
    faults = tuple(faults)
    sources = tuple(_between_lessons(spec, room, now, faults) for spec in room.sources)
    needed = [source for source in sources if source.required] or list(sources)
    away = any(source.state is SourceStatus.LOST or source.useless for source in needed)
    blocked = not BLOCKING.isdisjoint(fault.code for fault in faults)
    return RoomHealth(
        status=RoomStatus.TROUBLE if away or blocked else RoomStatus.IDLE,
        lesson_id=None,
        elapsed_s=None,
        sources=sources,
        faults=faults,
    )


def _between_lessons(spec: SourceSpec, room: IdleRoom, now: Moment, faults: Iterable[FaultRaised]) -> SourceHealth:
    """Health of a source: lost where it should stand by and does not, else with its flaws and its newest look."""
    found, name = source_health(SourceState(spec), started=None, now=now), standing_by(spec.id)
    able = spec.id in room.able
    found = replace(found, able=able, untested=able, rests=spec.id in room.able - room.standing)
    for fault in faults:
        if fault.code == Fault.CAPTURE_FAILS and fault.about == name:
            return replace(found, state=SourceStatus.LOST, reason=without_addresses(fault.detail))
        flaw = fault.about.removeprefix(f"{name}/") if fault.code == Fault.SOURCE_FLAWED else fault.about
        if flaw != fault.about and (room.hears(spec) or FLAW_KINDS.get(flaw) is not Kind.AUDIO):
            found = replace(found, flaws=(*found.flaws, flaw), measured=True)
    look = room.looks.get(spec.id)
    age_s = look.age_s(now.monotonic_ns) if look else None
    if look is None or age_s is None or age_s > TESTED_S:
        return found
    untested = able and not look.was_well(now.monotonic_ns, TESTED_S)
    return replace(
        found, look=look, tested_s=age_s, untested=untested, measured=True, peak_db=look.peak_db, rms_db=look.rms_db,
        has_picture=look.width > 0, has_sound=look.rms_db is not None,
    )  # fmt: skip
