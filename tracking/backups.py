"""Which source is heard where another delivers nothing that can be heard. Pure.

A source that delivers nothing at all needs no decision: the next that has sound is heard from that sample on
(`lesson.roles.voice_order`). One that is switched off, or unplugged behind its sound card, goes on delivering silence.
"""

from __future__ import annotations

from lesson.model import Kind
from lesson.records import BackupHeard
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, source_tick, uncovered

LEAST_MUTE: Ticks = 3 * TICKS_PER_SECOND
"""A microphone with a noise gate is silent for a second or two while somebody thinks: in every pause another one would
be heard, with the tone of another place."""


def backups_heard(state: LessonState, span: Span) -> list[BackupHeard]:
    """Where, over a stretch of the lesson, the backup of a source is heard in its place."""
    return [
        BackupHeard(source=name, backup=backup.spec.id, span=part)
        for name, source in state.sources.items()
        if (backup := state.sources.get(source.spec.backup or "")) is not None
        for part in _instead(source, backup, span)
    ]


def _instead(source: SourceState, backup: SourceState, span: Span) -> list[Span]:
    """Where nothing is heard of a source, and its backup delivers something; or could ask a backup of its own."""
    mute = _mute(source, span)
    if not mute:
        return []
    has = merged(part for one in backup.lesson_coverage(Kind.AUDIO) if (part := one.intersection(span)))
    can = has if backup.spec.backup else [part for one in has for part in uncovered(one, _mute(backup, one))]
    return [part for one in mute for other in can if (part := one.intersection(other))]


def _mute(source: SourceState, window: Span) -> list[Span]:
    """The mute stretches of a source that are long enough, as far as they lie in a stretch of the lesson."""
    found: list[Span] = []
    for epoch in {stretch.epoch for stretch in source.stretches(Kind.AUDIO, window)}:
        start, end = (source_tick(source.maps[epoch], at) for at in (window.start, window.end))
        for mute in source.signal.mute.over(epoch, Span(start, max(start, end))):
            placed = source.span_to_lesson(epoch, mute) if mute.duration >= LEAST_MUTE else None
            if placed is not None and (part := placed.intersection(window)):
                found.append(part)
    return merged(found)
