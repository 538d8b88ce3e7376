"""The director: from what the cameras show to a list of shots. Pure, sequential, and resumable at every shot.

It walks over decision instants (every half second, and where pictures come or go). At each it weighs the situation
in a window reaching a little into the future, and cuts only when the running shot has lasted long enough, or can no
longer be shown. Everything it remembers is the running shot. Rules and numbers: docs/adr/0004-director.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lesson.model import Layout
from lesson.records import Shot
from lesson.time import Span, Ticks, merged
from tracking.rules import Rules
from tracking.situation import Candidate, Situation, assess


@dataclass(frozen=True, slots=True)
class _Choice:
    layout: Layout
    sources: tuple[str, ...]
    reason: str

    def shows_as(self, shot: Shot | None) -> bool:
        return shot is not None and (shot.layout, shot.sources) == (self.layout, self.sources)


def direct(
    candidates: Sequence[Candidate], rules: Rules, span: Span, running: Shot | None, *, end: Ticks | None
) -> list[Shot]:
    """Shots that tile `span` exactly; the first may go on with `running`, the shot before `span`.

    `candidates` come in the order in which to show them when nothing else is known, safest first. They must hold all
    that is known from `span.start - rules.memory` to `span.end + rules.look_ahead`; `end`: the end of the lesson once
    known.
    """
    shots: list[Shot] = []
    candidates = [replace(one, covered=_whole_frames(one.covered, rules.grid.frame)) for one in candidates]
    for piece in _pieces(candidates, rules, span):
        if running is not None and _goes_on(candidates, rules, piece, running, end):
            shown = _Choice(running.layout, running.sources, running.reason)
        else:
            shown = _choose(candidates, rules, piece, running, end)
        if shown.shows_as(running) and running is not None:
            running = replace(running, span=Span(running.span.start, piece.end))
        else:
            if running is not None:
                shots.append(running)
            running = Shot(span=piece, layout=shown.layout, sources=shown.sources, reason=shown.reason)
    if running is not None:
        shots.append(running)
    return [_clipped(shot, span) for shot in shots if shot.span.overlaps(span)]


def _clipped(shot: Shot, span: Span) -> Shot:
    start = max(shot.span.start, span.start)
    return Shot(span=Span(start, shot.span.end), layout=shot.layout, sources=shot.sources, reason=shot.reason)


def _whole_frames(spans: Sequence[Span], frame: Ticks) -> tuple[Span, ...]:
    """The whole programme frames within each span."""
    cut = ((-(-span.start // frame) * frame, span.end // frame * frame) for span in merged(spans))
    return tuple(Span(start, end) for start, end in cut if start < end)


def _pieces(candidates: Sequence[Candidate], rules: Rules, span: Span) -> Iterator[Span]:
    """Stretches over which no decision is due: cut on the step grid and where coverage starts or ends."""
    cuts = {span.start, span.end}
    cuts |= set(range(-(-span.start // rules.step) * rules.step, span.end, rules.step))
    edges = {edge for one in candidates for covered in one.covered for edge in (covered.start, covered.end)}
    cuts |= {edge for edge in edges if span.start < edge < span.end}
    ordered = sorted(cuts)
    return (Span(a, b) for a, b in pairwise(ordered))


def _goes_on(candidates: Sequence[Candidate], rules: Rules, piece: Span, running: Shot, end: Ticks | None) -> bool:
    """Whether the running shot is too young to cut away from (or the next would be), and can still be shown."""
    if running.layout is Layout.SLATE:
        return not any(one.covers(piece) for one in candidates)
    shown = [one for one in candidates if one.id in running.sources]
    young = piece.start - running.span.start < rules.min_shot
    young = young or (end is not None and end - piece.start < rules.min_shot)
    return young and all(one.covers(piece) for one in shown)


def _choose(
    candidates: Sequence[Candidate], rules: Rules, piece: Span, running: Shot | None, end: Ticks | None
) -> _Choice:
    """The best shot that can be shown over `piece`; better still if its sources last for a whole shot."""
    choices = list(_wishes(candidates, rules, piece, running))
    ahead = piece.start + min(rules.look_ahead, rules.min_shot)
    ahead = max(piece.end, ahead if end is None else min(ahead, end))
    by_id = {one.id: one for one in candidates}
    for needed in (Span(piece.start, ahead), piece):
        for rank, choice in enumerate(choices):
            stretch = piece if choice.shows_as(running) else needed  # what is shown may be shown to its end
            if all(by_id[source].covers(stretch) for source in choice.sources):
                lost = rank > 0 and not choice.shows_as(running)
                return _Choice(choice.layout, choice.sources, Situation.GAP) if lost else choice
    return _Choice(Layout.SLATE, (), Situation.NOTHING)


def _wishes(candidates: Sequence[Candidate], rules: Rules, piece: Span, running: Shot | None) -> Iterator[_Choice]:
    """Shots for the situation at `piece`, the best first, then every candidate alone."""
    found = assess(candidates, rules, piece, running)
    board, teacher = found.board, found.teacher
    reason = found.situation.value
    if found.situation is not Situation.UNKNOWN:
        if found.situation in {Situation.WRITING, Situation.SLIDE} and board and teacher and found.in_view:
            yield _Choice(Layout.PIP, (board.id, teacher.id), reason)
        if board and found.situation is not Situation.EXPLAINING:
            yield _Choice(Layout.FULL, (board.id,), reason)
        if teacher:
            yield _Choice(Layout.FULL, (teacher.id,), reason)
    for one in candidates:
        yield _Choice(Layout.FULL, (one.id,), reason)
