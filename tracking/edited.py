"""The plan of an edition: that of edition 0, or one directed with hindsight, with a curator's overrides in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lesson.clock import Moment
from lesson.edition_state import EditionState
from lesson.model import FULL_FRAME, CropKey
from lesson.overrides import Replacement
from lesson.records import CropPath, FrozenUntil, Planning, Record, Shot
from lesson.time import Span, Ticks
from tracking.planner import Planner

EDITED = "edited"
"""Why a shot is shown that a curator asked for."""


def edition_plan(planner: Planner, now: Moment) -> list[Record]:
    """All lines of the plan of the edition that `planner.state` is seen as; empty while there is something to wait for.

    It is one whole: nothing of an edition but 0 is decided while a lesson goes on.
    """
    state = planner.state
    first, edition = state.editions[0], state.edition
    if not first.final:
        return []
    base = first if edition.planning is Planning.LIVE else _with_hindsight(planner, first.frozen_until, now)
    if base is None:
        return []
    window, frame = edition.kept(Span(0, base.frozen_until)), state.header.grid.frame
    replacements = [shown for override in edition.overrides if (shown := override.shown())]
    shots = overridden(base.shots, replacements, base.frozen_until, frame)
    crops = [crop for shot in shots if shot.reason == EDITED for crop in _crops(planner, shot, base)]
    return [*shots, *base.crops, *crops, *base.backups, FrozenUntil(at=window.end, final=True)]


def overridden(planned: Sequence[Shot], replacements: Iterable[Replacement], end: Ticks, frame: Ticks) -> list[Shot]:
    """The planned shots with `replacements` in their place, a later one over an earlier; cut on whole frames."""
    shots = list(planned)
    for one in replacements:
        start = max(0, one.span.start // frame * frame)
        span = Span(start, max(start, min(end, -(-one.span.end // frame) * frame)))
        if span.empty:
            continue
        shots = [part for shot in shots for part in _around(shot, span)]
        shots.append(Shot(span=span, layout=one.layout, sources=one.sources, reason=EDITED))
    return sorted(shots, key=lambda shot: shot.span)


def _around(shot: Shot, span: Span) -> list[Shot]:
    """What is left of a shot before and after `span`."""
    if not shot.span.overlaps(span):
        return [shot]
    before, after = (shot.span.start, span.start), (span.end, shot.span.end)
    return [replace(shot, span=Span(start, end)) for start, end in (before, after) if start < end]


def _crops(planner: Planner, shot: Shot, base: EditionState) -> Iterable[CropPath]:
    """How an edited shot is cropped: as the director would, and never by a crop that was planned for another shot."""
    found = {crop.source: crop for crop in planner.crops([shot], running=None)}
    stale = {crop.source for crop in base.crops_over(shot.span)}
    for source in shot.sources:
        if source in found:
            yield found[source]
        elif source in stale:
            yield CropPath(source=source, span=shot.span, keys=(CropKey(at=shot.span.start, box=FULL_FRAME),))


def _with_hindsight(planner: Planner, end: Ticks, now: Moment) -> EditionState | None:
    """The lesson directed once more, from beginning to end; None while not everything is observed."""
    unplanned = planner.state.unplanned()
    again = replace(planner, state=unplanned, end=end)
    while records := again.frozen_stretch(now):
        for record in records:
            unplanned.apply(record)
        if unplanned.final:
            return unplanned.edition
    return None
