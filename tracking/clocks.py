"""The lesson clock: where each epoch of each source lies in lesson time. Pure rules over the folded journals.

The lesson clock is the master microphone's sample count: its epoch keeps one offset for ever, and all other sources are
placed through the monotonic clock onto it (`tracking/epoch_clock.py`). Numbers: docs/adr/0005-lesson-clock.md.
"""

from __future__ import annotations

from lesson.clock import Moment
from lesson.elapsed import elapsed_s
from lesson.model import Kind, SegmentRecord
from lesson.records import EpochStarted
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks, ticks_from_ns, ticks_from_seconds
from tracking.epoch_clock import EpochClock

MAP_STEP: Ticks = TICKS_PER_SECOND // 200
"""An epoch gets a new map when its offset has moved by 5 ms: an eighth of a frame, a fifth of what eyes notice."""
LONGEST_OUTAGE: Ticks = 3_600 * TICKS_PER_SECOND
"""How long a reboot may have taken at most when the wall clock is the only witness."""


class LessonClock:
    """Places epochs on the lesson clock. Everything follows from the state; what is kept is a cache of fits."""

    def __init__(self, state: LessonState) -> None:
        self._state = state
        self._clocks: dict[tuple[str, int], EpochClock] = {}
        self._read: dict[str, tuple[SourceState, int]] = {}
        self._boots: dict[str, list[tuple[SourceState, EpochClock]]] = {}

    def _refresh(self) -> None:
        """Take in what is newly committed."""
        sources = self._state.sources
        if any(source is not sources[source_id] for source_id, (source, _) in self._read.items()):
            self._clocks, self._read, self._boots = {}, {}, {}  # the lesson's state was folded anew
        for source_id, source in sources.items():
            done = self._read[source_id][1] if source_id in self._read else 0
            for position in range(done, len(source.segments)):
                self._take(source, source.segments[position])
            self._read[source_id] = source, len(source.segments)

    def _take(self, source: SourceState, segment: SegmentRecord) -> None:
        """Only live epochs have arrivals; the start of one may be on a damaged line: it has no place then."""
        epoch = source.epoch(segment.epoch)
        if epoch is None or epoch.start is not None:
            return
        key = (source.spec.id, segment.epoch)
        clock = self._clocks.get(key)
        if clock is None:
            clock = self._clocks[key] = EpochClock(epoch)
        clock.add(segment)
        if len(clock.spans) == 1:
            boot = self._boots.setdefault(epoch.at.boot, [])
            boot.append((source, clock))
            boot.sort(key=lambda pair: (pair[1].epoch.at.monotonic_ns, pair[0].spec.id))

    def _live(self, boot: str) -> list[tuple[SourceState, EpochClock]]:
        """Live epochs of one boot that have a segment, in the order they started."""
        return self._boots.get(boot, [])

    def first_boot(self) -> Moment | None:
        """When the first live epoch started that has a segment, on the first boot (by the wall clock) of the lesson."""
        self._refresh()
        starts = [clock.epoch.at for live in self._boots.values() for _, clock in live]
        if not starts:
            return None
        boot = min(starts, key=lambda at: at.wall).boot
        return min((at for at in starts if at.boot == boot), key=lambda at: at.monotonic_ns)

    def first_delivery(self, source_id: str, kind: Kind, boot: str) -> Ticks | None:
        """Monotonic time (ticks) of the first decodable sample a live source delivered in a boot."""
        self._refresh()
        for source, clock in self._live(boot):
            if source.spec.id == source_id and kind in clock.first_key:
                return clock.first_key[kind] + clock.first.offset
        return None

    def settling(self, source: SourceState) -> bool:
        """Whether it is not known yet where the newest epoch of a source lies, though something of it is recorded."""
        self._refresh()
        clock = self._clocks.get((source.spec.id, source.last_epoch))
        return clock is not None and self._settling(source, clock)

    def _settling(self, source: SourceState, clock: EpochClock) -> bool:
        over = clock.epoch.epoch != source.last_epoch or source.lost is not None or source.finished
        return clock.settled is None and not over and not self._state.captured

    def _tie(self, boot: str, monotonic: Ticks) -> Ticks | None:
        """What to add to a monotonic time (ticks) to get lesson ticks; None while nothing ties that boot.

        The master microphone's samples are the lesson clock, so the master decides as soon as it has a place. Its map
        never changes, while its fit follows the drift between its crystal and the monotonic clock: the difference of
        both is how far the lesson clock stands from the monotonic one just then. Three witnesses, the best first:
        """
        origin = self._state.origin
        if origin is None:
            return None
        # 1. an epoch of the master on this boot: the latest begun by then; before the first, the first
        tied = [(source, clock) for source, clock in self._live(boot) if source.maps.get(clock.epoch.epoch)]
        masters = [(source, clock) for source, clock in tied if source.spec.id == origin.master]
        begun = [pair for pair in masters if ticks_from_ns(pair[1].epoch.at.monotonic_ns) <= monotonic]
        for source, clock in [*reversed(begun), *masters]:
            return source.maps[clock.epoch.epoch][0].offset - clock.fit_at(monotonic).offset
        # 2. no master yet, or none at all: on the lesson's first boot, tick 0 is the origin's monotonic time
        if boot == origin.at.boot:
            return -ticks_from_ns(origin.at.monotonic_ns)
        # 3. a later boot: the epoch that the wall clock placed (`_tie_by_elapsed`). By its first fit, for the place was
        # found by that one; a later fit knows its drift too, and would move everything else by it
        for source, clock in tied:
            return source.maps[clock.epoch.epoch][0].offset - clock.first.offset
        return None

    def lesson_time(self, moment: Moment) -> Ticks | None:
        """The lesson tick of a moment, or None where its boot is not tied to the lesson clock."""
        self._refresh()
        monotonic = ticks_from_ns(moment.monotonic_ns)
        tie = self._tie(moment.boot, monotonic)
        return None if tie is None else monotonic + tie

    def _tie_by_elapsed(self, first: EpochStarted) -> Ticks:
        """Place the first epoch of another boot by how long the lesson has run (`lesson/elapsed.py`).

        For the time the box was off the wall clock counts, where it can be trusted; but never before the known end, nor
        later than the lesson was to last.
        """
        state = self._state
        known = state.duration
        limit = known + LONGEST_OUTAGE
        if state.start and state.start.for_s is not None:
            limit = max(known, ticks_from_seconds(state.start.for_s))
        run = ticks_from_seconds(elapsed_s(state, state.origin.at, first.at)) if state.origin else 0
        return max(known, min(run, limit)) - ticks_from_ns(first.at.monotonic_ns)

    def due_maps(self) -> list[ClockMap]:
        """Clock maps that the journals now allow and the plan does not hold yet. Apply them before asking again.

        A new map of a mapped epoch starts where the segment starts that showed the drift, and never before what is
        frozen.
        """
        self._refresh()
        if self._state.origin is None:
            return []
        imported = [_imported_map(s, e) for s in self._state.sources.values() for e in s.epochs if e.start is not None]
        due = [m for m in imported if not self._state.sources[m.source].maps.get(m.epoch)]
        for boot in self._boots:
            due += self._boot_maps(boot)
        return due

    def _boot_maps(self, boot: str) -> list[ClockMap]:
        live = self._live(boot)
        for source, clock in live:
            if not source.maps.get(clock.epoch.epoch) and not self._settling(source, clock):
                return [self._first_map(source, clock, live[0][1].epoch)]  # one at a time: it ties what follows
        placed = [(s, c) for s, c in live if s.spec.id != self._master and s.maps.get(c.epoch.epoch)]
        return [m for source, clock in placed for m in self._drift(source, clock)]

    @property
    def _master(self) -> str | None:
        return self._state.origin.master if self._state.origin else None

    def _first_map(self, source: SourceState, clock: EpochClock, first: EpochStarted) -> ClockMap:
        fit, known = clock.first, clock.placed_by
        tie = self._tie(clock.epoch.at.boot, clock.spans[known].end + fit.offset)
        offset = fit.offset + (self._tie_by_elapsed(first) if tie is None else tie)
        clock.checked = known + 1
        span = Span(clock.spans[0].start, clock.spans[known].end).shifted(offset)
        return ClockMap(source.spec.id, clock.epoch.epoch, span, offset, residual=fit.residual)

    def _drift(self, source: SourceState, clock: EpochClock) -> list[ClockMap]:
        """New maps where the clock of an epoch has moved away from the map that rules it by more than `MAP_STEP`.

        Segment by segment, each once and by the fit that was made with it, so that a plan made live and one made
        afterwards find the same maps.
        """
        ruling = source.maps[clock.epoch.epoch][-1]
        due: list[ClockMap] = []
        for index in range(clock.checked, len(clock.spans)):
            clock.checked = index + 1
            fit = clock.fits[index]
            tie = self._tie(clock.epoch.at.boot, clock.spans[index].end + fit.offset)
            start, end = clock.spans[index].start + ruling.offset, clock.spans[index].end + ruling.offset
            # a segment that ends before the ruling map was fitted came late: it knows nothing newer
            if tie is None or end <= ruling.span.end or abs(fit.offset + tie - ruling.offset) <= MAP_STEP:
                continue
            # maps follow each other, and what is frozen keeps the clock it was planned with
            start = max(start, ruling.span.start, self._state.frozen_until)
            offset = fit.offset + tie
            where = Span(start, max(start, end))
            ruling = ClockMap(source.spec.id, clock.epoch.epoch, where, offset, residual=fit.residual)
            due.append(ruling)
        return due


def _imported_map(source: SourceState, epoch: EpochStarted) -> ClockMap:
    start = epoch.start or 0
    return ClockMap(source.spec.id, epoch.epoch, Span(start, start), start - epoch.origin)
