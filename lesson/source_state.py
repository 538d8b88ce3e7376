"""What one source recorded: its epochs and segments, where they lie on the lesson clock, and where they are missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.loss import Loss, loss_words
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.records import EpochStarted, SourceLost, StreamAccount
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks, lesson_tick, ruling_map, uncovered

MIN_GAP: Ticks = TICKS_PER_SECOND // 2
"""Shorter holes (start-up skew, one late frame) are not reported as gaps."""


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


@dataclass(frozen=True, slots=True)
class Coverage:
    """A stretch of one epoch that is on disk without a hole. `span` and `segments` are on the source's timeline."""

    epoch: int
    span: Span
    segments: tuple[SegmentRecord, ...]


@dataclass(slots=True)
class SourceState:
    """What the journal of one source, and the plan's clock maps for it, amount to."""

    spec: SourceSpec
    epochs: list[EpochStarted] = field(default_factory=list)
    segments: list[SegmentRecord] = field(default_factory=list)
    losses: list[SourceLost] = field(default_factory=list)
    accounts: dict[tuple[int, int], StreamAccount] = field(default_factory=dict)
    finished: bool = False
    maps: dict[int, list[ClockMap]] = field(default_factory=dict)

    @property
    def last_epoch(self) -> int:
        """Number of the newest epoch; -1 before the first."""
        return max((e.epoch for e in self.epochs), default=-1)

    @property
    def next_seq(self) -> int:
        return max((s.seq for s in self.segments), default=-1) + 1

    def has(self, kind: Kind) -> bool:
        """Whether any epoch so far carries such a stream."""
        return any(stream.kind is kind for epoch in self.epochs for stream in epoch.streams)

    def coverage(self, kind: Kind) -> list[Coverage]:
        """Unbroken stretches in order. Within an epoch a segment reaches until the next one starts."""
        runs: list[list[tuple[SegmentRecord, Span]]] = []
        for segment in self.segments:
            span = segment.span(kind)
            if span is None:
                continue
            last = runs[-1][-1][0] if runs else None
            if last and last.epoch == segment.epoch and last.seq + 1 == segment.seq:
                runs[-1].append((segment, span))
            else:
                runs.append([(segment, span)])
        return [
            Coverage(
                run[0][0].epoch,
                Span(run[0][1].start, max(span.end for _, span in run)),
                tuple(segment for segment, _ in run),
            )
            for run in runs
        ]

    def map_at(self, epoch: int, at: Ticks) -> ClockMap | None:
        """The clock map that rules `epoch` at lesson tick `at`; the first map also rules everything before it."""
        maps = self.maps.get(epoch)
        return ruling_map(maps, at) if maps else None

    def to_lesson(self, epoch: int, at: Ticks) -> Ticks | None:
        """Lesson tick of a source tick, or None while the epoch has no clock map."""
        maps = self.maps.get(epoch)
        return lesson_tick(maps, at) if maps else None

    def lesson_coverage(self, kind: Kind) -> list[Span]:
        """Covered stretches on the lesson clock; epochs without a clock map are left out."""
        spans: list[Span] = []
        for stretch in self.coverage(kind):
            start = self.to_lesson(stretch.epoch, stretch.span.start)
            end = self.to_lesson(stretch.epoch, stretch.span.end)
            if start is not None and end is not None and start < end:
                spans.append(Span(start, end))
        return spans


def source_gaps(source: SourceState, window: Span) -> list[Gap]:
    """Stretches of `window` (lesson ticks) that `source` should have covered and did not."""
    kind = Kind.VIDEO if source.has(Kind.VIDEO) else Kind.AUDIO
    covered = source.lesson_coverage(kind)
    if source.spec.imported and covered:  # files begin and end when they do; only holes inside are losses
        window = Span(min(s.start for s in covered), max(s.end for s in covered))
    holes = [hole for hole in uncovered(window, covered) if hole.duration >= MIN_GAP]
    return [Gap(source.spec.id, kind, hole, *_why_missing(source, kind, hole)) for hole in holes]


def _why_missing(source: SourceState, kind: Kind, hole: Span) -> tuple[str, str]:
    """Code and words recorded when the epoch before `hole` was lost; a killed process leaves none."""
    before = -1
    for stretch in source.coverage(kind):
        end = source.to_lesson(stretch.epoch, stretch.span.end)
        if end is not None and end <= hole.start:
            before = max(before, stretch.epoch)
    for loss in source.losses:
        if loss.epoch == before or (before < 0 and loss.epoch <= 0):
            return loss.code, loss.reason
    code = Loss.NO_SIGNAL if before < 0 else Loss.INTERRUPTED
    return code.value, loss_words(code)
