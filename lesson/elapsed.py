"""How long a lesson has run: by what was recorded, on clocks that can be trusted for it.

| between | counts |
|---|---|
| two moments of one boot | the monotonic clock, whatever the wall clock does meanwhile |
| first and last sign of an earlier boot | the same: a sign is the start, an epoch, a loss, the end of a segment |
| the last sign of one boot and the first of the next: the box was off | the wall clock's difference, if it can be \
trusted; else nothing, for nobody knows |

The wall clock is trusted across a boot when it stood at a possible date both times and went forward. What it says
later, once a time server is reached, changes nothing: a lesson that has gone on is not judged again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from lesson.clock import Moment
from lesson.model import Kind, SegmentRecord
from lesson.records import EpochStarted
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND, Span, Ticks, ticks_from_pts

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this program was written: a wall clock that says so has lost its battery."""


@dataclass(frozen=True, slots=True)
class _Stay:
    """What is known of one boot of the box within a lesson: its first sign and its last."""

    first: Moment
    last: Moment

    @property
    def seconds(self) -> float:
        return self.last.seconds_since(self.first)


def elapsed_s(state: LessonState, since: Moment, now: Moment) -> float:
    """Seconds of the lesson from `since`, one of its own moments, to `now`; never negative."""
    if since.boot == now.boot:
        return max(0.0, now.seconds_since(since))
    total, before = 0.0, None
    for stay in _until(_stays(state), now):
        if before is not None:
            total += (_off_s(before.last, stay.first) or 0.0) + stay.seconds
        elif stay.first.boot == since.boot:
            total = stay.last.seconds_since(since)
        else:
            continue
        before = stay
    return max(0.0, total)


def _until(stays: list[_Stay], now: Moment) -> Iterator[_Stay]:
    """The stays before this boot, and this one as it is so far."""
    for stay in stays:
        if stay.first.boot == now.boot:
            yield _Stay(stay.first, now)
            return
        yield stay
    yield _Stay(now, now)


def off_s(state: LessonState, now: Moment) -> float | None:
    """How long the box was off until this boot, whose first sign of the lesson is still to come; else None.

    None, too, where the wall clock cannot be trusted to say.
    """
    if state.start is None or state.start.at.boot == now.boot:
        return None
    stays = _stays(state)
    if any(stay.first.boot == now.boot for stay in stays):
        return None
    known = [off for stay in stays if (off := _off_s(stay.last, now)) is not None]
    return None if _off_s(stays[-1].last, now) is None else min(known)


def boots_after_unknown_time(state: LessonState) -> list[str]:
    """Boots before which the box was off for a time that nobody knows: the lesson goes on there as if it were none."""
    return [after.first.boot for before, after in pairwise(_stays(state)) if _off_s(before.last, after.first) is None]


def unrecorded_end_s(state: LessonState) -> float | None:
    """Seconds between the last live sample of a lesson and its Stop, or the end of its window if that came first.

    0 where nothing was recorded, or nobody noted when; None where the box was off meanwhile and its clock was wrong.
    """
    ends = [
        _later(epoch.at, end)
        for source in state.sources.values()
        for epoch in source.epochs
        if (end := _epoch_end_ns(source, epoch))
    ]
    if state.start is None or state.stop is None or not ends:
        return 0.0
    order = _boots(state.start.at, state.sources.values())
    last = max(ends, key=lambda at: (order.index(at.boot), at.monotonic_ns))
    lacking = seconds_between(last, state.stop.at)
    if lacking is None or state.start.for_s is None:
        return lacking
    return min(lacking, state.start.for_s - elapsed_s(state, state.start.at, last))


def seconds_between(earlier: Moment, later: Moment) -> float | None:
    """Seconds between two moments; None where a reboot lies between and the wall clock cannot be trusted to say."""
    ns = later.ns_since(earlier)
    return _off_s(earlier, later) if ns is None else ns / NANOSECONDS_PER_SECOND


def _off_s(last: Moment, first: Moment) -> float | None:
    before, after = _wall(last), _wall(first)
    if before is None or after is None or not EARLIEST <= before <= after:
        return None
    return (after - before).total_seconds()


def _wall(moment: Moment) -> datetime | None:
    try:
        wall = moment.wall_time
    except ValueError:
        return None
    return wall if wall.tzinfo else wall.replace(tzinfo=UTC)


def _stays(state: LessonState) -> list[_Stay]:
    """The boots that saw something of the lesson, in order."""
    if state.start is None:
        return []
    order = _boots(state.start.at, state.sources.values())
    seen: dict[str, list[Moment]] = {boot: [] for boot in order}
    seen[state.start.at.boot].append(state.start.at)
    for source in state.sources.values():
        for moment in _moments(source):
            seen[moment.boot].append(moment)
    stays = []
    for boot, moments in seen.items():
        first, last = (pick(moments, key=lambda at: at.monotonic_ns) for pick in (min, max))
        end = max((_media_end_ns(source, boot) for source in state.sources.values()), default=0)
        stays.append(_Stay(first, _later(last, end)))
    return stays


def _moments(source: SourceState) -> list[Moment]:
    """What a source noted, in order: a loss names the epoch after which it came."""
    noted = [((epoch.epoch, 0), epoch.at) for epoch in source.epochs]
    noted += [((loss.epoch, 1), loss.at) for loss in source.losses]
    return [at for _, at in sorted(noted, key=lambda one: one[0])]


def _boots(start: Moment, sources: Iterable[SourceState]) -> list[str]:
    """Boots in order: each source saw its own in order, maybe none saw all. What that leaves open, the wall decides."""
    rank: dict[str, int] = {}
    wall: dict[str, str] = {start.boot: start.wall}
    for source in sources:
        firsts = {start.boot: start}
        for at in _moments(source):
            firsts.setdefault(at.boot, at)
        for index, (boot, first) in enumerate(firsts.items()):
            rank[boot] = max(rank.get(boot, 0), index)
            wall.setdefault(boot, first.wall)
    return sorted(wall, key=lambda boot: (rank.get(boot, 0), wall[boot]))


def _media_end_ns(source: SourceState, boot: str) -> int:
    """Monotonic time at which the newest media of a source in this boot ended; 0 without any."""
    epochs = [epoch for epoch in source.epochs if epoch.at.boot == boot]
    return max((_epoch_end_ns(source, epoch) for epoch in epochs), default=0)


def _epoch_end_ns(source: SourceState, epoch: EpochStarted) -> int:
    """Monotonic time at which the newest media of an epoch ended; 0 without any.

    A segment that was salvaged after a kill has no arrivals: those of one before it are carried on, without any the
    start of the epoch is.
    """
    segments, number = source.segments, epoch.epoch
    first, after = (find(segments, number, key=lambda segment: segment.epoch) for find in (bisect_left, bisect_right))
    reach = _span(segments[after - 1]) if first < after else None
    if reach is None:
        return 0
    for position in range(after - 1, first - 1, -1):
        at, span = segment_end_ns(segments[position]), _span(segments[position])
        if at is not None and span is not None:
            return at + _ns(reach.end - span.end)
    begins = _span(segments[first]) or reach
    return epoch.at.monotonic_ns + _ns(reach.end - begins.start)


def _span(segment: SegmentRecord) -> Span | None:
    """Of its pictures, failing those of its sound."""
    return segment.span(Kind.VIDEO) or segment.span(Kind.AUDIO)


def _ns(ticks: Ticks) -> int:
    return ticks * NANOSECONDS_PER_SECOND // TICKS_PER_SECOND


def segment_end_ns(segment: SegmentRecord) -> int | None:
    """Monotonic time at which the last sample of a live segment was there; None where no arrival is recorded."""
    span = _span(segment)
    if span is None or not segment.anchors:
        return None
    return min(
        anchor.monotonic_ns + _ns(span.end - ticks_from_pts(anchor.pts, segment.time_base))
        for anchor in segment.anchors
    )


def _later(moment: Moment, monotonic_ns: int) -> Moment:
    """`moment` carried on to a later monotonic time of the same boot."""
    if monotonic_ns <= moment.monotonic_ns:
        return moment
    later = _wall(moment)
    if later is not None:
        later += timedelta(seconds=(monotonic_ns - moment.monotonic_ns) / NANOSECONDS_PER_SECOND)
    return Moment(moment.boot, monotonic_ns, later.isoformat(timespec="milliseconds") if later else moment.wall)
