"""Where media of a source is missing in the lesson, by kind of stream, and why."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from lesson.loss import Loss, loss_words
from lesson.lost_lines import lost_parts
from lesson.model import Kind, Role
from lesson.source_state import SourceState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, uncovered

UNCOMMITTED: Ticks = 12 * TICKS_PER_SECOND
"""So much may be recorded and not committed yet while a source delivers: a segment, and a key frame that is late."""
_TOGETHER: Ticks = TICKS_PER_SECOND
"""The streams of a source that is lost end this close to one another."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of the lesson (lesson ticks) in which a source delivered nothing of this kind.

    `code` says why (a `Loss`); `reason` the same for people at this box, where the journal has more words.
    """

    source: str
    kind: Kind
    span: Span
    code: str
    reason: str


def source_gaps(source: SourceState, window: Span, *, recording: bool = False, over: bool = False) -> list[Gap]:
    """Stretches of `window` (lesson ticks) that `source` should have covered and did not, by kind.

    `recording`: more may come, so that what is missing at the end of the window may be on its way. `over`: the lesson
    is planned to its end. What the source's journal lost is damaged: nobody knows what else it may have been.
    """
    delivers = recording and not source.finished and source.loss_of(source.last_epoch) is None
    on_its_way = UNCOMMITTED if delivers else 0
    found: list[Gap] = []
    for kind in _expected(source):
        damaged = merged([*source.damaged(kind), *lost_parts(source, kind, window, over=over)])
        history = _History(source, kind, damaged)
        holes = [hole for hole in history.holes(window) if hole.duration >= MIN_GAP]
        lost = [part for hole in holes for span in damaged if (part := hole.intersection(span))]
        holes = [part for hole in holes for part in uncovered(hole, damaged) if part.duration >= MIN_GAP]
        if holes and holes[-1].end == window.end and holes[-1].duration < on_its_way:
            holes.pop()
        gaps = [Gap(source.spec.id, kind, hole, *history.why(hole)) for hole in holes]
        why = ((part, source.why_damaged(kind, part)) for part in lost)
        gaps += [Gap(source.spec.id, kind, part, code.value, loss_words(code)) for part, code in why]
        found += sorted(gaps, key=lambda gap: gap.span)
    return found


def _expected(source: SourceState) -> list[Kind]:
    """What was ever delivered; and what the role promises, but for a file, which holds what it holds."""
    delivered = [kind for kind in Kind if source.delivered(kind)]
    if source.spec.imported and delivered:
        return delivered
    promised = Kind.AUDIO if source.spec.role is Role.MIC else Kind.VIDEO
    return [kind for kind in Kind if kind in delivered or kind is promised]


class _History:
    """Where a source delivered one kind, and the other one beside it."""

    def __init__(self, source: SourceState, kind: Kind, damaged: list[Span]) -> None:
        self._source = source
        self._damaged = damaged
        self._kind = kind
        self._other = Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO
        stretches = source.stretches(kind)
        self._spans = [stretch.span for stretch in stretches]
        by_end = sorted((stretch.span.end, stretch.epoch) for stretch in stretches)
        self._ends = [end for end, _ in by_end]
        self._newest = list(accumulate((epoch for _, epoch in by_end), max))
        self._epoch_ends: dict[int, Ticks] = {}
        for stretch in [*stretches, *source.stretches(self._other)]:
            end = stretch.span.end
            self._epoch_ends[stretch.epoch] = max(end, self._epoch_ends.get(stretch.epoch, end))

    def holes(self, window: Span) -> list[Span]:
        """What is missing in `window`. Files begin and end when they do: of those, only holes inside are losses."""
        recorded = [*self._spans, *self._damaged]
        if self._source.spec.imported and recorded:
            window = Span(min(span.start for span in recorded), max(span.end for span in recorded))
        return uncovered(window, self._spans)

    def why(self, hole: Span) -> tuple[str, str]:
        """Code and words for a hole: as recorded when the epoch before it was lost; a killed process leaves none."""
        position = bisect_right(self._ends, hole.start)
        epoch = self._newest[position - 1] if position else -1
        goes_on = self._epoch_ends.get(epoch, hole.start) > hole.start + _TOGETHER
        beside = self._other_beside(hole)
        loss = None
        if epoch >= 0 and not goes_on:
            loss = self._source.loss_of(epoch)
        elif epoch < 0 and not beside:
            loss = next((loss for loss in self._source.losses if loss.epoch <= 0), None)
        if loss is not None:
            return loss.code, loss.reason
        if beside and (said := self._accounted(hole)) is not None:
            return said, loss_words(said)
        if beside or (goes_on and self._source.spec.imported):
            code = Loss.ABSENT
        elif epoch < 0:
            code = Loss.NO_SIGNAL
        else:
            code = Loss.STALLED if goes_on else Loss.INTERRUPTED
        return code.value, loss_words(code)

    def _accounted(self, hole: Span) -> str | None:
        """What the ledger says of the epochs that had the other kind meanwhile and not this one, if it says why."""
        epochs = {stretch.epoch for stretch in self._source.stretches(self._other, hole)}
        accounts = self._source.accounts.values()
        away = [a for a in accounts if a.epoch in epochs and a.kind is self._kind and not a.used]
        return next((a.code for a in away if a.code and a.code != Loss.LEFT_OUT), None)

    def _other_beside(self, hole: Span) -> bool:
        """Whether the source went on with its other kind as this one went away, and for most of the time until it came.

        Where both went away, that is why: a key frame may be awaited while the other is back already.
        """
        found = [stretch.span for stretch in self._source.stretches(self._other, hole)]
        together = sum(part.duration for span in found if (part := hole.intersection(span)))
        went_on = max((span.end - hole.start for span in found if span.start <= hole.start), default=0)
        goes_on = hole.start <= 0 or went_on >= min(_TOGETHER, hole.duration)
        return goes_on and together >= max(MIN_GAP, hole.duration // 2)
