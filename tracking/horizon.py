"""How far the plan may be frozen: what is waited for, and for how long. Pure rules over the folded journals.

A stretch of the lesson can be decided once it is known what every source shows in it. A source that is lost shows
nothing until it is back; one that merely lags is waited for, but not for ever: a class goes on without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lesson.clock import Moment
from lesson.loss import Loss
from lesson.model import Kind
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import Ticks
from tracking.clocks import LessonClock
from tracking.rules import PATIENCE, RECENT_SEGMENTS, REOPENED, SEGMENT_SLACK, STALL


@dataclass(frozen=True, slots=True)
class Reach:
    """It is known what a source shows until lesson tick `until`; it may be `patience` behind the others."""

    source: str
    until: Ticks
    patience: Ticks


def reaches(state: LessonState, clock: LessonClock) -> list[Reach]:
    """One entry for each stream that may still deliver; lost and finished sources have nothing to wait for."""
    found: list[Reach] = []
    backups = {source.spec.id: source.spec.backup for source in state.sources.values() if source.spec.backup}
    for name, source in state.sources.items():
        if not source.finished and source.epochs and not _is_lost(source):
            found += _source_reaches(source, clock, listened=name in backups or name in backups.values())
    return found


def _is_lost(source: SourceState) -> bool:
    """Whether nothing more comes of its newest epoch. What a disk refused lags: the next start finds a part of it."""
    loss = source.loss_of(source.last_epoch)
    return loss is not None and loss.code != Loss.DISK


def _source_reaches(source: SourceState, clock: LessonClock, *, listened: bool) -> list[Reach]:
    """`listened`: of its sound it must be known, too, whether there is anything to be heard in it."""
    epoch = source.epoch(source.last_epoch)
    if epoch is None:
        return []
    found: list[Reach] = []
    for kind in sorted({stream.kind for stream in epoch.streams}):
        newest = [span for span, _ in source.segments_of(kind, epoch.epoch).newest(RECENT_SEGMENTS)]
        end = newest[-1].end if newest else None
        if listened and kind is Kind.AUDIO and end is not None:
            end = source.signal.mute.until(epoch.epoch)
        until = None if end is None else source.to_lesson(epoch.epoch, end)
        if until is None:
            until = epoch.start if epoch.start is not None else clock.lesson_time(epoch.at)
        longest = max((span.duration for span in newest), default=0)
        if until is not None:
            found.append(Reach(source.spec.id, until, max(PATIENCE, 2 * longest + SEGMENT_SLACK)))
    return found


def known_until(state: LessonState, clock: LessonClock, now: Moment) -> Ticks | None:
    """Up to which lesson tick it is known, or no longer waited for, what the sources show; None: nothing is known.

    Imported files are waited for until they are read.
    """
    found = reaches(state, clock)
    imported = [reach.until for reach in found if state.sources[reach.source].spec.imported]
    waiting = [s for s in state.sources.values() if s.spec.imported and not s.finished and not s.epochs]
    if waiting:
        return None
    live = [reach for reach in found if not state.sources[reach.source].spec.imported]
    present = clock.lesson_time(now)
    if not live:
        if imported or state.header.imported:
            return min(imported, default=state.duration)
        return None if present is None else present - REOPENED
    lead = max(reach.until for reach in live)
    if present is not None:
        lead = max(lead, present - STALL)
    awaited = [reach.until for reach in live if reach.until >= lead - reach.patience]
    return min([*awaited, *imported], default=lead)
