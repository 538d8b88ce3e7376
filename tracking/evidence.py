"""What detectors found, kept by (detector, segment) and asked for by lesson time.

A detector goes by the name of its file; its version stands in the journal. So a second look is nothing special: a
detector that is new in the table has not looked at any segment yet, and what the others found stays.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from operator import attrgetter

from lesson.model import Kind, Observation, SegmentRecord
from lesson.records import SegmentObserved
from lesson.source_state import SourceState
from lesson.time import Span, Ticks, merged
from tracking.detector import together
from tracking.detectors import DETECTORS

_SLACK: Ticks = 4_800
"""Maps of one epoch differ by a few milliseconds, and pictures of neighbouring segments by a frame."""
GIVEN_UP = "none"
"""Stands for every detector: nobody can look at this segment."""
NO_PICTURE = "no picture could be decoded"
"""The problem of a segment that can be opened and shows nothing."""
_ALL_IN_ONE = {"diff-ink-yunet": ("motion", "ink", "faces")}
"""Until version 0.1 one line held what all detectors had found."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation placed on the lesson clock."""

    at: Ticks
    what: Observation


@dataclass(slots=True)
class _SegmentEvidence:
    """What was found in one segment: by the name of the detector, its name with its version and its observations."""

    found: dict[str, tuple[str, tuple[Observation, ...]]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    observations: list[Observation] | None = None

    def add(self, record: SegmentObserved, *, keep: bool) -> None:
        """Of lines that say the same detector the first counts; a line of another version of it takes its place."""
        name = record.detector.partition("/")[0]
        if name in self.found and self.found[name][0] == record.detector:
            return
        names = _ALL_IN_ONE.get(name, (name,))
        self.found[name] = (record.detector, record.observations if keep else ())
        self.done.update(names)
        self.failed.difference_update(names)
        if record.problem is not None:
            self.failed.update(names)
        self.observations = None

    @property
    def holds_observations(self) -> bool:
        return any(observations for _, observations in self.found.values())

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return () if GIVEN_UP in self.done else tuple(name for name in names if name not in self.done)

    def all_worked(self, names: tuple[str, ...]) -> bool:
        return GIVEN_UP not in self.done and self.done.issuperset(names) and self.failed.isdisjoint(names)

    def together(self) -> list[Observation]:
        if self.observations is None:
            self.observations = together(one for _, found in self.found.values() for one in found)
        return self.observations

    def forget(self) -> None:
        self.found = {name: (detector, ()) for name, (detector, _) in self.found.items()}
        self.observations = None


_NOTHING = _SegmentEvidence()


@dataclass(slots=True)
class _EpochEvidence:
    """`kept`: numbers of the segments whose observations are not forgotten, in the order they came."""

    segments: defaultdict[int, _SegmentEvidence] = field(default_factory=lambda: defaultdict(_SegmentEvidence))
    kept: deque[int] = field(default_factory=deque)

    def forget(self, before: Ticks) -> None:
        """Let go of the segments that end before a source tick."""
        while self.kept and all(one.at < before for one in self.segments[self.kept[0]].together()[-1:]):
            self.segments[self.kept.popleft()].forget()


@dataclass(slots=True)
class Waiting:
    """The picture segments of a source that are still to be observed, in order; `ticks`: their length together.

    A segment that was observed out of turn is let go of when its turn comes.
    """

    source: SourceState
    segments: deque[tuple[Span, SegmentRecord]] = field(default_factory=deque)
    ticks: Ticks = 0
    read: int = 0

    def refresh(self, evidence: Evidence) -> None:
        """Take in what is newly committed, let go of what is newly observed."""
        for position in range(self.read, len(self.source.segments)):
            segment = self.source.segments[position]
            span = segment.span(Kind.VIDEO)
            if span is not None:
                self.segments.append((span, segment))
                self.ticks += span.duration
        self.read = len(self.source.segments)
        while self.segments:
            span, segment = self.segments[0]
            if evidence.missing(self.source, segment):
                return
            self.segments.popleft()
            self.ticks -= span.duration


class Evidence:
    """The observation journals of a lesson, folded. Records may come in any order and more than once.

    `keep_observations` False: only which segments were observed.
    """

    def __init__(self, *, keep_observations: bool = True) -> None:
        self._epochs: defaultdict[tuple[str, int], _EpochEvidence] = defaultdict(_EpochEvidence)
        self._keep = keep_observations
        self._waiting: dict[str, Waiting] = {}
        self.unseen: set[tuple[str, int, int]] = set()
        """Source, epoch and number of the segments of which no picture could be decoded."""
        self.joined: set[tuple[str, int, int]] = set()
        """Of those that could be decoded only with the segment before."""
        self.undecoded: dict[Kind, set[tuple[str, int, int, Span]]] = {kind: set() for kind in Kind}
        """Of those that could be decoded in part, with the parts (source ticks) that could not."""

    def add(self, record: SegmentObserved) -> None:
        place = record.source, record.epoch, record.seq
        if record.problem == NO_PICTURE:
            self.unseen.add(place)
        if record.joined:
            self.joined.add(place)
        for kind, parts in ((Kind.VIDEO, record.undecoded), (Kind.AUDIO, record.unheard)):
            self.undecoded[kind] |= {(*place, Span(start, end)) for start, end in parts or ()}
        epoch = self._epochs[record.source, record.epoch]
        segment = epoch.segments[record.seq]
        held = segment.holds_observations
        segment.add(record, keep=self._keep)
        if segment.holds_observations and not held:
            epoch.kept.append(record.seq)

    def missing(self, source: SourceState, segment: SegmentRecord) -> tuple[str, ...]:
        """The detectors of this source's role that have still to look at a segment."""
        return self._of(source, segment).missing(DETECTORS[source.spec.role])

    def given_up(self, source: SourceState, segment: SegmentRecord) -> bool:
        """Whether a segment kills whoever looks at it."""
        return GIVEN_UP in self._of(source, segment).done

    def waiting(self, source: SourceState) -> Waiting:
        """What of a source is still to be observed."""
        waiting = self._waiting.get(source.spec.id)
        if waiting is None or waiting.source is not source:  # the state of the lesson was folded anew
            waiting = self._waiting[source.spec.id] = Waiting(source)
        waiting.refresh(self)
        return waiting

    def observed_until(self, source: SourceState) -> Ticks | None:
        """Lesson tick where the first segment starts that still has to be observed; None when there is none."""
        waiting = self.waiting(source).segments
        return source.to_lesson(waiting[0][1].epoch, waiting[0][0].start) if waiting else None

    def forget(self, source: SourceState, before: Ticks) -> None:
        """Let go of observations that lie before a lesson tick: nobody will ask for them any more."""
        for (name, epoch), known in self._epochs.items():
            if name == source.spec.id and known.kept and (ruling := source.map_at(epoch, before)) is not None:
                known.forget(ruling.to_source(before) - _SLACK)

    def seen(self, source: SourceState, window: Span) -> list[Seen]:
        """Observations of a source within a window of lesson time, in order."""
        found: list[Seen] = []
        for epoch, _, segment in _segments_in(source, window):
            for observation in self._of(source, segment).together():
                at = source.to_lesson(epoch, observation.at)
                if at is not None and at in window:
                    found.append(Seen(at, observation))
        return sorted(found, key=attrgetter("at"))

    def observed_spans(self, source: SourceState, window: Span) -> list[Span]:
        """The parts of a window (lesson ticks) in which all detectors of the source looked without a problem."""
        names = DETECTORS[source.spec.role]
        spans: list[Span] = []
        for epoch, span, segment in _segments_in(source, window):
            start, end = source.to_lesson(epoch, span.start), source.to_lesson(epoch, span.end)
            if start is None or end is None or not self._of(source, segment).all_worked(names):
                continue
            if start < end and Span(start, end).overlaps(window):
                spans.append(Span(start, end))
        return merged(spans, slack=_SLACK)

    def _of(self, source: SourceState, segment: SegmentRecord) -> _SegmentEvidence:
        epoch = self._epochs.get((source.spec.id, segment.epoch))
        return _NOTHING if epoch is None else epoch.segments.get(segment.seq, _NOTHING)


def _segments_in(source: SourceState, window: Span) -> list[tuple[int, Span, SegmentRecord]]:
    """The segments with pictures in or near a window (lesson ticks), with their epochs and spans (source ticks)."""
    near = Span(window.start - _SLACK, window.end + _SLACK)
    epochs = sorted({stretch.epoch for stretch in source.stretches(Kind.VIDEO, near)})
    return [
        (epoch, span, segment)
        for epoch in epochs
        for span, segment in source.segments_of(Kind.VIDEO, epoch).overlapping(_source_window(source, epoch, window))
    ]


def _source_window(source: SourceState, epoch: int, window: Span) -> Span:
    """Source ticks from before a window (lesson ticks) to after it."""
    first, last = source.map_at(epoch, window.start), source.map_at(epoch, window.end)
    start = window.start if first is None else first.to_source(window.start)
    end = window.end if last is None else last.to_source(window.end)
    return Span(start - _SLACK, max(start, end) + _SLACK)
