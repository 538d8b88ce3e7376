"""What one source recorded: its epochs and segments, and where they lie on the lesson clock.

Everything is kept up as records arrive: asking costs the same after five minutes and after three hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lesson.clock import Moment
from lesson.loss import Loss
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.numbering import Numbering
from lesson.records import (
    EpochStarted,
    Looked,
    SegmentDamaged,
    SegmentJoined,
    SegmentMeasured,
    SegmentUnheard,
    SegmentUnseen,
    SourceLost,
    StreamAccount,
)
from lesson.signal import SignalState
from lesson.spans import SpanIndex
from lesson.stretches import MIN_GAP, StreamSegments, Stretch, Stretches, file_picture_stands, live_picture_stands
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks, lesson_tick, merged, ruling_map

_KINDS = (Kind.AUDIO, Kind.VIDEO)  # sound first: it bears witness for pictures that stand still
ROUNDING: Ticks = TICKS_PER_SECOND // 500
"""Segments follow one another to a millisecond, as Matroska counts: nothing is left between two that are lost."""
MEASURED_WITHIN = 3
"""Segments: what was found in older ones says nothing of now."""


@dataclass(slots=True)
class SourceState:
    """What the journal of one source, and the plan's clock maps for it, amount to.

    The `add_…` methods are the fold. What was added before, by its number where it has one, is not added again.
    """

    spec: SourceSpec
    epochs: list[EpochStarted] = field(default_factory=list)
    losses: list[SourceLost] = field(default_factory=list)
    accounts: dict[tuple[int, int], StreamAccount] = field(default_factory=dict)
    finished: bool = False
    finished_at: Moment | None = None
    maps: dict[int, list[ClockMap]] = field(default_factory=dict)
    last_epoch: int = -1
    """Number of the newest epoch; -1 before the first."""
    lost: SourceLost | None = None
    """Why it does not deliver now; None while it does, or was never lost."""
    bytes: int = 0
    """Of all segments together."""
    signal: SignalState = field(default_factory=SignalState)
    numbering: Numbering = field(default_factory=Numbering)
    _segments: dict[tuple[int, int], SegmentRecord] = field(default_factory=dict)
    _damaged: set[tuple[int, int]] = field(default_factory=set)
    _unseen: set[tuple[int, int]] = field(default_factory=set)
    _undecoded: dict[Kind, set[tuple[int, Span]]] = field(default_factory=lambda: {kind: set() for kind in _KINDS})
    _joined: set[tuple[int, int]] = field(default_factory=set)
    _in_order: list[SegmentRecord] = field(default_factory=list)
    _epochs: dict[int, EpochStarted] = field(default_factory=dict, compare=False)
    _first_losses: dict[int, SourceLost] = field(default_factory=dict, compare=False)
    _announced: set[Kind] = field(default_factory=set, compare=False)
    _newest: dict[Kind, SegmentRecord] = field(default_factory=dict, compare=False, repr=False)
    _by_stream: dict[tuple[int, Kind], StreamSegments] = field(default_factory=dict, compare=False, repr=False)
    _stretches: dict[Kind, Stretches] = field(
        default_factory=lambda: {kind: Stretches() for kind in _KINDS}, compare=False, repr=False
    )

    def add_epoch(self, epoch: EpochStarted) -> None:
        """A new uninterrupted timeline began."""
        if epoch.epoch not in self._epochs:
            self._epochs[epoch.epoch] = epoch
            self.epochs.append(epoch)
            self.last_epoch = max(self.last_epoch, epoch.epoch)
            self._announced |= {stream.kind for stream in epoch.streams}
            self.lost = None

    def add_segment(self, segment: SegmentRecord) -> None:
        """One more file is durable."""
        key = segment.epoch, segment.seq
        if key in self._segments:
            return
        self._segments[key] = segment
        self._in_order.append(segment)
        self.numbering.add(segment)
        self.bytes += segment.bytes
        for kind in _KINDS:
            self.segments_of(kind, segment.epoch).add(kind, segment)
            if segment.range(kind) is not None:
                self._newest[kind] = segment
            for span in segment.spans(kind):
                if kind is Kind.VIDEO:
                    self._stand_until(segment.epoch, span)
                self._stretches[kind].add(segment.epoch, span)
        for lost in (key, (segment.epoch, segment.seq - 1)):  # a picture stands until the next segment
            if lost in self._damaged or lost in self._unseen:
                self._lose(*lost)

    def add_look(self, record: Looked) -> None:
        """What somebody who looked found. Raises `KeyError` for levels of a segment that was never committed."""
        match record:
            case SegmentDamaged():
                self.add_damage(record.epoch, record.seq)
            case SegmentUnseen(span=Span() as span):
                self.add_undecoded(Kind.VIDEO, record.epoch, span)
            case SegmentUnseen():
                self.add_unseen(record.epoch, record.seq)
            case SegmentUnheard():
                self.add_undecoded(Kind.AUDIO, record.epoch, record.span)
            case SegmentJoined():
                self.add_joined(record.epoch, record.seq)
            case SegmentMeasured():
                self.signal.add(record, self._segments[record.epoch, record.seq])

    def add_damage(self, epoch: int, seq: int) -> None:
        """A segment is not any more what was committed: nothing of it is in the lesson."""
        if (epoch, seq) not in self._damaged:
            self._damaged.add((epoch, seq))
            self._lose(epoch, seq)

    def add_unseen(self, epoch: int, seq: int) -> None:
        """No picture of a segment can be decoded: none is in the lesson, its sound is."""
        if (epoch, seq) not in self._unseen:
            self._unseen.add((epoch, seq))
            self._lose(epoch, seq)

    def add_undecoded(self, kind: Kind, epoch: int, part: Span) -> None:
        """Of a part of an epoch (source ticks) nothing of this kind can be decoded: it is not in the lesson."""
        if (epoch, part) not in self._undecoded[kind]:
            self._undecoded[kind].add((epoch, part))
            self._stretches[kind].lose(epoch, Span(part.start, part.end + ROUNDING))

    def add_joined(self, epoch: int, seq: int) -> None:
        """Pictures of a segment can be decoded only with those before it."""
        self._joined.add((epoch, seq))
        self.segments_of(Kind.VIDEO, epoch).join(seq)

    @property
    def measured(self) -> bool:
        """Whether it is known what it records: of the newest `MEASURED_WITHIN` segments, one could be looked at."""
        known = self.signal.known
        recent = self._in_order[-MEASURED_WITHIN:]
        return known is not None and any((one.epoch, one.seq) == (known.epoch, known.seq) for one in recent)

    def _lose(self, epoch: int, seq: int) -> None:
        segment, following = self.segment(epoch, seq), self.segment(epoch, seq + 1)
        for kind in _KINDS if (epoch, seq) in self._damaged else (Kind.VIDEO,):
            span = segment.span(kind) if segment else None
            if span is not None:
                after = following.span(kind) if following else None
                self.segments_of(kind, epoch).lose(seq)
                self._stretches[kind].lose(epoch, Span(span.start, max(span.end, after.start if after else span.end)))

    def _stand_until(self, epoch: int, shown: Span) -> None:
        """Between the pictures before `shown` and these: where the last one stands, nothing is missing."""
        runs = self._stretches[Kind.VIDEO].newest_of(epoch)
        if not runs or shown.start < runs[0].end + MIN_GAP:
            return
        hole, segments = Span(runs[0].end, shown.start), self.segments_of(Kind.VIDEO, epoch)
        seen = max(hole.duration, segments.reach - runs[-1].start) - hole.duration
        pictures, spacing = segments.packets, seen / max(1, segments.packets)
        if self.spec.imported:
            heard = self._stretches[Kind.AUDIO].newest_of(epoch)
            stands = file_picture_stands(hole, heard, pictures, spacing)
        else:
            stands = [hole] if live_picture_stands(hole, spacing) else []
        for part in stands:
            self._stretches[Kind.VIDEO].add(epoch, part)

    def add_loss(self, loss: SourceLost) -> None:
        """The feed stopped delivering."""
        if loss not in self.losses:
            self.losses.append(loss)
            self.lost = loss
            if loss.epoch in self._epochs or loss.epoch == self._segment_epoch:  # not one before the first epoch
                self._first_losses.setdefault(loss.epoch, loss)

    def add_map(self, clock_map: ClockMap) -> None:
        """A clock map that rules its epoch from now on."""
        maps = self.maps.setdefault(clock_map.epoch, [])
        if clock_map not in maps:
            maps.append(clock_map)
            for kind in _KINDS:
                self._stretches[kind].map_changed(clock_map.epoch)

    @property
    def segments(self) -> Sequence[SegmentRecord]:
        """In the order they were committed. To be read only: `add_segment` adds one."""
        return self._in_order

    @property
    def _segment_epoch(self) -> int | None:
        return self._in_order[-1].epoch if self._in_order else None

    def delivers(self, kind: Kind) -> bool:
        """Whether it has such a stream now, as far as is known: it was stored, and neither it nor the feed went."""
        newest = self.epoch(self.last_epoch)
        there = newest is not None and any(stream.kind is kind for stream in newest.streams)
        return there and self.lost is None and self.delivered(kind)

    def segment(self, epoch: int, seq: int) -> SegmentRecord | None:
        return self._segments.get((epoch, seq))

    def intact(self, segment: SegmentRecord) -> bool:
        """Whether a segment is what was committed, as far as anybody looked."""
        return (segment.epoch, segment.seq) not in self._damaged

    def seen(self, epoch: int, seq: int) -> bool:
        """Whether pictures of a segment can be decoded, as far as anybody looked."""
        return (epoch, seq) not in self._unseen

    def decoded(self, kind: Kind, epoch: int, part: Span) -> bool:
        """Whether it is not known yet that this part cannot be decoded."""
        return (epoch, part) not in self._undecoded[kind]

    def joined(self, epoch: int, seq: int) -> bool:
        """Whether it is known that pictures of a segment can be decoded only with those before it."""
        return (epoch, seq) in self._joined

    def epoch(self, number: int) -> EpochStarted | None:
        return self._epochs.get(number)

    def loss_of(self, epoch: int) -> SourceLost | None:
        """How an epoch was lost first, if it was."""
        return self._first_losses.get(epoch)

    def segments_of(self, kind: Kind, epoch: int) -> StreamSegments:
        """The segments of an epoch that hold this kind."""
        return self._by_stream.setdefault((epoch, kind), StreamSegments())

    def has(self, kind: Kind) -> bool:
        """Whether any epoch so far carries such a stream."""
        return kind in self._announced

    def delivered(self, kind: Kind) -> bool:
        """Whether a sample of this kind was ever stored."""
        return kind in self._newest

    def newest(self, kind: Kind) -> SegmentRecord | None:
        """The segment committed last of those that hold this kind."""
        return self._newest.get(kind)

    def coverage(self, kind: Kind) -> list[Stretch]:
        """Unbroken stretches in the order they came, in source ticks. Within an epoch a hole of `MIN_GAP` ends one."""
        return self._stretches[kind].intact()

    def map_at(self, epoch: int, at: Ticks) -> ClockMap | None:
        """The clock map that rules `epoch` at lesson tick `at`; the first map also rules everything before it."""
        maps = self.maps.get(epoch)
        return ruling_map(maps, at) if maps else None

    def to_lesson(self, epoch: int, at: Ticks) -> Ticks | None:
        """Lesson tick of a source tick, or None while the epoch has no clock map."""
        maps = self.maps.get(epoch)
        return lesson_tick(maps, at) if maps else None

    def span_to_lesson(self, epoch: int, span: Span) -> Span | None:
        """Where a part of an epoch (source ticks) lies in the lesson; None while that is not known."""
        start, end = self.to_lesson(epoch, span.start), self.to_lesson(epoch, span.end)
        return Span(start, end) if start is not None and end is not None and start < end else None

    def lesson_coverage(self, kind: Kind) -> list[Span]:
        """Covered stretches on the lesson clock; epochs without a clock map are left out."""
        return [span for span, _ in self._placed(kind).entries]

    def stretches(self, kind: Kind, window: Span | None = None) -> list[Stretch]:
        """Covered stretches on the lesson clock with their epochs; with a `window`, those that overlap it."""
        placed = self._placed(kind)
        found = placed.entries if window is None else placed.overlapping(window)
        return [Stretch(epoch, span) for span, epoch in found]

    def damaged(self, kind: Kind) -> list[Span]:
        """Where on the lesson clock this kind was recorded and is damaged, or cannot be decoded."""
        if not self._damaged and not self._unseen and not self._undecoded[kind]:
            return []
        placed = (self.span_to_lesson(lost.epoch, lost.span) for lost in self._stretches[kind].lost())
        return merged([span for span in placed if span is not None])

    def why_damaged(self, kind: Kind, span: Span) -> Loss:
        """Of a part (lesson ticks) of what is damaged: whether the file is, or no decoder makes anything of it."""
        whole = (self.segment(*key) for key in self._unseen - self._damaged if kind is Kind.VIDEO)
        parts = [(one.epoch, shown) for one in whole if one and (shown := one.span(kind)) is not None]
        for epoch, shown in [*parts, *self._undecoded[kind]]:
            start = self.to_lesson(epoch, shown.start)
            if start is not None and Span(start, start + shown.duration).overlaps(span):
                return Loss.UNDECODABLE
        return Loss.DAMAGED

    def reach(self, kind: Kind) -> Ticks | None:
        """The lesson tick at which the last sample of this kind ends; None without one that has a place."""
        return self._placed(kind).reach

    def _placed(self, kind: Kind) -> SpanIndex[int]:
        return self._stretches[kind].on_lesson_clock(self.to_lesson)
