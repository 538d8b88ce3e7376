"""Where media of a source is missing in the lesson, by kind of stream, and why."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from lesson.loss import Loss, loss_words
from lesson.lost_lines import lost_parts
from lesson.model import Kind, Role
from lesson.records import SourceLost
from lesson.source_state import SourceState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, uncovered

UNCOMMITTED: Ticks = 12 * TICKS_PER_SECOND
"""So much may be recorded and not committed yet while a source delivers: a segment, and a key frame that is late."""
_TOGETHER: Ticks = TICKS_PER_SECOND
"""The streams of a source that is lost end this close to one another."""

_ENDED = frozenset({"break", "finish"})
"""How the last segment of an epoch is closed where the process that records it goes on, or ends at Stop."""


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
        self._begins = [(stretch.span.start, stretch.epoch) for stretch in stretches]
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
        loss = self._loss(epoch, hole, alone=not beside) if not goes_on else None
        if loss is not None:
            return loss.code, loss.reason
        code = self._undecodable(hole)
        if beside and code is None:
            code = self._accounted(hole) or Loss.ABSENT
        if code is None and goes_on and self._source.spec.imported:
            code = Loss.ABSENT
        elif code is None and epoch < 0:
            code = Loss.NO_SIGNAL
        elif code is None:
            code = Loss.INTERRUPTED if not goes_on and self._broke_off(epoch, hole) else Loss.STALLED
        return str(code), loss_words(code)

    def _loss(self, epoch: int, hole: Span, *, alone: bool) -> SourceLost | None:
        """How the feed was lost before or in a hole after this epoch (`alone`: the other kind was away, too)."""
        if epoch < 0:
            return next((loss for loss in self._source.losses if loss.epoch <= 0), None) if alone else None
        later = range(epoch + 1, self._next_epoch(hole)) if alone else ()
        found = (self._source.loss_of(number) for number in (epoch, *later))
        return next((loss for loss in found if loss is not None), None)

    def _next_epoch(self, hole: Span) -> int:
        """The one with which this kind came back; if it did not, the one after the last."""
        later = (number for start, number in self._begins if start >= hole.end)
        return min(later, default=self._source.last_epoch + 1)

    def _broke_off(self, epoch: int, hole: Span) -> bool:
        """Whether the recording of an epoch in or before a hole ended without anybody ending it."""
        for number in range(epoch, self._next_epoch(hole)):
            newest = [one for kind in Kind for _, one in self._source.segments_of(kind, number).newest(1)]
            if newest and max(newest, key=lambda one: one.seq).closed_by not in _ENDED:
                return True
        return False

    def _undecodable(self, hole: Span) -> str | None:
        """The code of what came in most of a hole and was of no use."""
        there: dict[str, Ticks] = {}
        for account in self._source.accounts.values():
            if account.kind is self._kind and account.code:
                placed = (self._source.span_to_lesson(account.epoch, run) for run in account.dropped_in)
                parts = (part for span in placed if span and (part := span.intersection(hole)))
                there[account.code] = there.get(account.code, 0) + sum(part.duration for part in parts)
        code = max(there, key=lambda one: there[one], default=None)
        return code if code is not None and 2 * there[code] > hole.duration else None

    def _accounted(self, hole: Span) -> str | None:
        """What the ledger says of the epochs that had the other kind meanwhile and not this one, if it says why.

        Not what became of the few packets that came at the end of a hole: none came in most of it.
        """
        epochs = {stretch.epoch for stretch in self._source.stretches(self._other, hole)}
        accounts = self._source.accounts.values()
        away = [a for a in accounts if a.epoch in epochs and a.kind is self._kind and not a.used]
        away = [a for a in away if not a.dropped or 2 * a.dropped > hole.duration]
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
