"""What the programme shows when: the plan's shots, with sources that deliver nothing replaced by ones that do.

Pure: from the state of a lesson to pieces of the programme, one decision for each frame of the output grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from lesson.model import Kind, Layout
from lesson.records import Shot
from lesson.roles import picture_order
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import Span, Ticks

HOLD: Ticks = MIN_GAP
"""A last picture stands this long after its coverage ended, before another source takes its place: shorter holes are
late frames, not losses, and a cut to another camera for a few frames disturbs more than a still picture."""


@dataclass(frozen=True, slots=True, order=True)
class EpochRef:
    """Names one epoch of one source: what one decoder can read through."""

    source: str
    number: int


@dataclass(frozen=True, slots=True)
class Composition:
    """What a frame is composed of. `main`: for the large picture, best first: the others if it cannot be decoded."""

    layout: Layout
    main: tuple[EpochRef, ...] = ()
    inset: EpochRef | None = None


SLATE = Composition(Layout.SLATE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive frames of the programme with one composition; `span` in lesson ticks, on the frame grid."""

    span: Span
    composition: Composition

    @property
    def epochs(self) -> frozenset[EpochRef]:
        made_of = (*self.composition.main, self.composition.inset)
        return frozenset(epoch for epoch in made_of if epoch is not None)


class EpochIndex:
    """Which epoch of a source has a picture, or sound, at a lesson tick; with a `window`, only at ticks in it."""

    def __init__(self, state: LessonState, kind: Kind, window: Span | None = None) -> None:
        near = None if window is None else Span(window.start - HOLD, window.end + HOLD + 1)
        self._spans = {
            source_id: [(EpochRef(source_id, stretch.epoch), stretch.span) for stretch in source.stretches(kind, near)]
            for source_id, source in state.sources.items()
        }

    def covering(self, source: str, at: Ticks) -> EpochRef | None:
        """The epoch that covers `at`, if need be with a picture at most `HOLD` old."""
        spans = self._spans.get(source, [])
        held = None
        for epoch, span in spans:
            if at in span:
                return epoch
            if span.end <= at < span.end + HOLD:
                held = epoch
        return held

    def soon(self, source: str, at: Ticks) -> EpochRef | None:
        """The epoch that begins within `HOLD` after `at`."""
        return next((epoch for epoch, span in self._spans.get(source, []) if at < span.start <= at + HOLD), None)

    def edges(self) -> set[Ticks]:
        return {edge for spans in self._spans.values() for _, span in spans for edge in (span.start, span.end)}

    def exact(self, source: str, at: Ticks) -> EpochRef | None:
        """The epoch that covers `at` itself."""
        return next((epoch for epoch, span in self._spans.get(source, []) if at in span), None)


def programme(state: LessonState, span: Span) -> list[Piece]:
    """The pieces of the programme over `span`, without a hole."""
    chooser = _Chooser(state, span)
    frame = state.header.grid.frame
    pieces = []
    for composition, run in groupby(range(span.start, span.end, frame), key=chooser.composition):
        ticks = list(run)
        pieces.append(Piece(Span(ticks[0], min(ticks[-1] + frame, span.end)), composition))
    return pieces


class _Chooser:
    """What each frame of `span` shows."""

    def __init__(self, state: LessonState, span: Span) -> None:
        self._index = EpochIndex(state, Kind.VIDEO, span)
        self._shots = state.shots_over(span)
        self._safe = picture_order(state)

    def composition(self, at: Ticks) -> Composition:
        shot = self._shot(at)
        if shot is not None and shot.layout is Layout.SLATE:
            return SLATE
        wanted = list(shot.sources) if shot else []
        order = list(dict.fromkeys([*wanted, *self._safe]))
        main = tuple(filter(None, (self._index.covering(source, at) for source in order)))
        if not main:
            main = tuple(filter(None, (self._index.soon(source, at) for source in order)))
            return Composition(Layout.FULL, main[:1]) if main else SLATE
        if shot is not None and shot.layout is Layout.PIP and len(wanted) > 1:
            inset = self._index.covering(wanted[1], at)
            if main[0].source == wanted[0] and inset is not None:
                return Composition(Layout.PIP, main, inset)
        return Composition(Layout.FULL, main)

    def _shot(self, at: Ticks) -> Shot | None:
        """The newest shot planned for `at`."""
        return next((shot for shot in reversed(self._shots) if at in shot.span), None)
