"""Is it being recorded, really? Pure rules over the state of a lesson; the teacher's page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from lesson.box import Fault
from lesson.clock import Moment
from lesson.elapsed import elapsed_s
from lesson.look import Look
from lesson.loss import Loss
from lesson.model import Kind, Role
from lesson.records import EpochStarted, FaultRaised
from lesson.roles import voice_order
from lesson.signal import FLAW_KINDS, USELESS, Flaw
from lesson.source_state import MEASURED_WITHIN, SourceState
from lesson.state import LessonState
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Span, seconds_from_ticks, ticks_from_pts
from process.logs import without_addresses

FRESH_S = 15.0
"""Media this old is still 'being recorded': segments close at the first key frame after 4 s, and cameras set one
every 10 s at worst."""

BLOCKING = frozenset({Fault.DISK_REFUSES, Fault.CONDUCTOR_HANGS, Fault.VOICE_LOST})
"""Faults with which nothing can be promised, whatever else is known: the room is in trouble, even without a lesson."""

GRACE_S = 20.0
"""How long a source may take to deliver its first segment before it counts as trouble."""


class RoomStatus(StrEnum):
    """The state of the room in one word."""

    IDLE = "idle"
    STARTING = "starting"
    RECORDING = "recording"
    TROUBLE = "trouble"


class SourceStatus(StrEnum):
    """The state of one source in one word."""

    STANDBY = "standby"  # no lesson is running
    WAITING = "waiting"  # nothing durable yet, and it may still come
    RECORDING = "recording"
    LATE = "late"  # delivered, but nothing durable for too long
    LOST = "lost"  # reported lost, or never came
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """One source: `age_s` is how long ago its newest durable media ended, None before the first segment.

    `code`: a `Loss`, why it is lost. `flaws`: what is wrong with what it records now (`lesson.signal.Flaw`), as far as
    somebody looked (`measured`); `peak_db` and `rms_db`: of its newest sound, below full scale.

    Between lessons: `able`: it can stand by, `rests`: it does not now; `look`: what it was found to deliver `tested_s`
    ago; `untested`: it could have been found well lately, and was not.

    `backup`: the source that is heard instead of a microphone of which nothing can be heard.
    """

    id: str
    role: str
    required: bool
    state: SourceStatus
    age_s: float | None
    segments: int
    bytes: int
    has_picture: bool
    has_sound: bool
    reason: str | None
    code: str | None = None
    flaws: tuple[str, ...] = ()
    measured: bool = False
    peak_db: float | None = None
    rms_db: float | None = None
    able: bool = False
    rests: bool = False
    look: Look | None = None
    tested_s: float | None = None
    untested: bool = False
    backup: str | None = None

    @property
    def unchecked(self) -> bool:
        """Whether it has been recorded for a while and nobody knows what."""
        return self.state is SourceStatus.RECORDING and not self.measured and self.segments > MEASURED_WITHIN

    @property
    def useless(self) -> bool:
        """Whether what it records is as good as missing."""
        return not USELESS.isdisjoint(self.flaws)

    @property
    def sounds(self) -> bool:
        """Whether something can be heard of it, as far as anybody knows."""
        unheard = any(FLAW_KINDS[Flaw(flaw)] is Kind.AUDIO for flaw in USELESS.intersection(self.flaws))
        return self.state is SourceStatus.RECORDING and self.has_sound and not unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomHealth:
    """The room: no lesson means `idle` with all sources on standby. `faults`: of the box, oldest first."""

    status: RoomStatus
    lesson_id: str | None
    elapsed_s: float | None
    sources: tuple[SourceHealth, ...]
    faults: tuple[FaultRaised, ...] = ()

    @property
    def flawed(self) -> bool:
        """Whether something is wrong with what any source records, required or not."""
        return any(source.flaws for source in self.sources)

    @property
    def untested(self) -> bool:
        """Whether the room waits for a lesson and nobody knows of every source that it is well."""
        return self.status is RoomStatus.IDLE and any(source.untested for source in self.sources)


def needed_kind(source: SourceState) -> Kind:
    """What a source is there for: a microphone for sound, all others for pictures."""
    return Kind.AUDIO if source.spec.role is Role.MIC else Kind.VIDEO


def segment_age_s(source: SourceState, now: Moment) -> float | None:
    """Seconds since the newest committed media ended of the kind that the source is there for; None before the first.

    By the arrival anchors within a boot, else by how long ago the segment's epoch started.
    """
    kind = needed_kind(source)
    segment = source.newest(kind)
    span = segment.span(kind) if segment else None
    epoch = source.epoch(segment.epoch) if segment else None
    if segment is None or span is None or epoch is None:
        return None
    if segment.anchors and epoch.at.boot == now.boot:
        ended_ns = min(
            anchor.monotonic_ns + _ns(span.end - ticks_from_pts(anchor.pts, segment.time_base))
            for anchor in segment.anchors
        )
        return max(0.0, (now.monotonic_ns - ended_ns) / NANOSECONDS_PER_SECOND)
    return max(0.0, now.seconds_since(epoch.at) - _recorded_s(source, epoch, kind, span))


def source_health(
    source: SourceState, *, started: Moment | None, now: Moment, disk_refuses: bool = False, heard: bool = True
) -> SourceHealth:
    """Health of one source; `started` None means that no lesson is running. On a disk that refuses none is recorded.

    `heard`: whether its sound is wanted; where another source gives the voice, its own may be as it likes.
    """
    age = segment_age_s(source, now)
    reason, code = _why_lost(source)
    state = _source_status(source, age, lost=reason is not None, started=started, now=now)
    sound = source.signal.sound if source.delivers(Kind.AUDIO) else None
    return SourceHealth(
        id=source.spec.id,
        role=source.spec.role.value,
        required=source.spec.required,
        state=SourceStatus.LATE if disk_refuses and state is SourceStatus.RECORDING else state,
        age_s=age,
        segments=len(source.segments),
        bytes=source.bytes,
        has_picture=source.delivers(Kind.VIDEO),
        has_sound=source.delivers(Kind.AUDIO),
        reason=without_addresses(reason) if reason else None,
        code=code,
        flaws=_flaws(source, heard=heard) if state is SourceStatus.RECORDING else (),
        measured=source.measured,
        peak_db=sound.peak_db if sound else None,
        rms_db=sound.rms_db if sound else None,
    )


def _flaws(source: SourceState, *, heard: bool) -> tuple[str, ...]:
    if not source.measured:
        return ()
    wanted = {Kind.VIDEO, Kind.AUDIO} if heard else {Kind.VIDEO}
    return tuple(flaw for flaw in source.signal.flaws if flaw in FLAW_KINDS and FLAW_KINDS[Flaw(flaw)] in wanted)


def room_health(state: LessonState, now: Moment, *, faults: Iterable[FaultRaised] = ()) -> RoomHealth:
    """Health of the room whose running lesson is `state`; `idle` where it is stopped.

    `recording` only when every required source (every source, if none is required) has committed durable bytes
    recently, with something in them; a source that is not required may fail without trouble. `trouble` with any fault
    in `BLOCKING`.
    """
    faults = tuple(faults)
    codes = {fault.code for fault in faults}
    if state.start is None or state.stop is not None:
        status = RoomStatus.TROUBLE if codes & BLOCKING else RoomStatus.IDLE
        return RoomHealth(status=status, lesson_id=None, elapsed_s=None, sources=(), faults=faults)
    started = state.start.at
    refuses = Fault.DISK_REFUSES in codes
    voice = next((name for name in voice_order(state) if state.sources[name].delivers(Kind.AUDIO)), None)
    sources = tuple(
        source_health(source, started=started, now=now, disk_refuses=refuses, heard=_is_heard(source, voice))
        for source in state.sources.values()
    )
    sources = tuple(_backed(source, state, sources) for source in sources)
    needed = [source for source in sources if source.required] or list(sources)
    return RoomHealth(
        status=RoomStatus.TROUBLE
        if codes & BLOCKING
        else _room_status(needed, starting=now.seconds_since(started) < GRACE_S),
        lesson_id=state.header.id,
        elapsed_s=elapsed_s(state, started, now),
        sources=sources,
        faults=faults,
    )


def _backed(health: SourceHealth, state: LessonState, others: Iterable[SourceHealth]) -> SourceHealth:
    """The same, and where nothing can be heard of a microphone, which source is heard instead: its backup, or of that.

    Then the lesson has its voice, and whoever is asked to mend the microphone has time until the next one.
    """
    found = {one.id: one for one in others}
    if health.role != Role.MIC or health.sounds or health.state is SourceStatus.WAITING:
        return health
    name = state.sources[health.id].spec.backup
    while name is not None and not found[name].sounds:
        name = state.sources[name].spec.backup
    return replace(health, backup=name)


def _is_heard(source: SourceState, voice: str | None) -> bool:
    """Whether the sound of a source matters: that of every microphone, and of the source whose voice is taken."""
    return source.spec.role is Role.MIC or source.spec.id == voice


def _room_status(needed: list[SourceHealth], *, starting: bool) -> RoomStatus:
    """`starting`: the lesson has just begun; a source that is waited for later is one that is missing."""
    needed = [source for source in needed if source.backup is None]
    states = {source.state for source in needed}
    if states <= {SourceStatus.RECORDING}:
        return RoomStatus.TROUBLE if any(source.useless for source in needed) else RoomStatus.RECORDING
    all_may_come = states <= {SourceStatus.RECORDING, SourceStatus.WAITING}
    return RoomStatus.STARTING if starting and all_may_come else RoomStatus.TROUBLE


def _source_status(
    source: SourceState, age: float | None, *, lost: bool, started: Moment | None, now: Moment
) -> SourceStatus:
    if started is None:
        return SourceStatus.STANDBY
    if source.finished:
        return SourceStatus.FINISHED
    if lost:
        return SourceStatus.LOST
    if age is None:
        return SourceStatus.WAITING if now.seconds_since(started) < GRACE_S else SourceStatus.LOST
    newest = source.newest(needed_kind(source))
    resumed = next((epoch for epoch in source.epochs if newest and epoch.epoch > newest.epoch), None)
    if resumed is not None:  # what came before it says nothing of now; all that came to nothing share a time of grace
        return SourceStatus.WAITING if now.seconds_since(resumed.at) < GRACE_S else SourceStatus.LATE
    if age <= _fresh_for_s(source):
        return SourceStatus.RECORDING
    return SourceStatus.LATE


def _why_lost(source: SourceState) -> tuple[str | None, str | None]:
    """Why what the source is there for does not come: the feed is gone, or goes on without that stream; its `Loss`."""
    if source.lost is not None:
        return source.lost.reason, source.lost.code
    kind, newest = needed_kind(source), source.epoch(source.last_epoch)
    if newest is None or not source.delivered(kind) or source.delivers(kind):
        return None, None
    return newest.reason, Loss.ABSENT


def _fresh_for_s(source: SourceState) -> float:
    """A source that cuts long segments (rare key frames) commits rarely; it may be 2.5 of them late."""
    kind = needed_kind(source)
    newest = source.newest(kind)
    span = newest.span(kind) if newest else None
    return max(FRESH_S, 2.5 * seconds_from_ticks(span.duration)) if span else FRESH_S


def _recorded_s(source: SourceState, epoch: EpochStarted, kind: Kind, last: Span) -> float:
    first = source.segments_of(kind, epoch.epoch).first() or last
    return seconds_from_ticks(last.end - first.start)


def _ns(ticks: int) -> int:
    return ticks * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND
