"""Where nothing can be heard of a source though it delivers: folded from what was measured of its segments. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lesson.model import Kind, SegmentRecord
from lesson.signal_record_types import SegmentMeasured
from lesson.spans import SpanIndex
from lesson.time import TICKS_PER_SECOND, Span, Ticks

SLACK: Ticks = TICKS_PER_SECOND // 25
"""A click between two silences, or the border of two segments, is nothing that anybody wanted to be heard."""


@dataclass(slots=True)
class MuteState:
    """Mute stretches of one source (source ticks), joined through the borders of its segments."""

    _stretches: dict[int, SpanIndex[None]] = field(default_factory=dict)
    _until: dict[int, Ticks] = field(default_factory=dict)

    def add(self, measured: SegmentMeasured, segment: SegmentRecord, *, useless: bool) -> None:
        """Fold in what was found in a segment, in their order; of a `useless` one nothing can be heard at all."""
        whole = segment.span(Kind.AUDIO)
        if whole is None:
            return
        self._until[measured.epoch] = whole.end
        found = (whole,) if useless else measured.sound.mute if measured.sound else ()
        for span in found:
            self._join(measured.epoch, span)

    def _join(self, epoch: int, span: Span) -> None:
        known = self._stretches.setdefault(epoch, SpanIndex())
        last = known.entries[-1][0] if len(known) else None
        if last is not None and last.start <= span.start <= last.end + SLACK:
            known.cut(len(known) - 1)
            span = Span(last.start, max(last.end, span.end))
        known.append(span, None)

    def until(self, epoch: int) -> Ticks | None:
        """Up to where somebody listened to an epoch; None where nobody did yet."""
        return self._until.get(epoch)

    def over(self, epoch: int, window: Span) -> Iterable[Span]:
        """The mute stretches of an epoch that reach into a window, whole."""
        return [span for span, _ in self._stretches.get(epoch, SpanIndex[None]()).overlapping(window)]
