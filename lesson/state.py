"""The state of a lesson: a fold over its journals, and nothing else. No file stores a status."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lesson.folder import LessonFolder
from lesson.journal import JournalReader
from lesson.model import ChunkRecord, Kind, LessonHeader, SegmentRecord, SourceSpec
from lesson.records import (
    ChunkEncoded,
    CropPath,
    EpochStarted,
    FrozenUntil,
    Mapped,
    ObjectStored,
    Origin,
    PlaylistPublished,
    PublishStarted,
    Record,
    RenditionStarted,
    SegmentCommitted,
    Shot,
    SourceFinished,
    SourceLost,
    Start,
    Stop,
    Verified,
)
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks, lesson_tick, ruling_map, uncovered

MIN_GAP: Ticks = TICKS_PER_SECOND // 2
"""Shorter holes (start-up skew, one late frame) are not reported as gaps."""


class Phase(StrEnum):
    """How far a lesson has come."""

    CREATED = "created"
    RECORDING = "recording"
    PROCESSING = "processing"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of the lesson (lesson ticks) in which a source delivered nothing."""

    source: str
    span: Span
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
        stretches: list[Coverage] = []
        for segment in self.segments:
            span = segment.span(kind)
            if span is None:
                continue
            last = stretches[-1] if stretches else None
            if last and last.epoch == segment.epoch and last.segments[-1].seq + 1 == segment.seq:
                whole = Span(last.span.start, max(last.span.end, span.end))
                stretches[-1] = Coverage(segment.epoch, whole, (*last.segments, segment))
            else:
                stretches.append(Coverage(segment.epoch, span, (segment,)))
        return stretches

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


@dataclass(slots=True)
class RenditionState:
    """Chunks of one rendition, by index."""

    started: RenditionStarted | None = None
    chunks: dict[int, ChunkRecord] = field(default_factory=dict)

    @property
    def leading(self) -> int:
        """How many chunks from the first on are there without a hole: what a playlist may name."""
        count = 0
        while count in self.chunks:
            count += 1
        return count


@dataclass(slots=True)
class LessonState:
    """Everything the journals of a lesson say. `apply` is the fold; everything else is derived."""

    header: LessonHeader
    start: Start | None = None
    stop: Stop | None = None
    sources: dict[str, SourceState] = field(default_factory=dict)
    origin: Origin | None = None
    shots: list[Shot] = field(default_factory=list)
    crops: list[CropPath] = field(default_factory=list)
    frozen_until: Ticks = 0
    final: bool = False
    renditions: dict[str, RenditionState] = field(default_factory=dict)
    publish_url: str | None = None
    objects: dict[str, ObjectStored] = field(default_factory=dict)
    playlists: dict[str, PlaylistPublished] = field(default_factory=dict)
    verified: Verified | None = None

    def __post_init__(self) -> None:
        self.sources = {spec.id: SourceState(spec) for spec in self.header.sources}
        self.renditions = {rendition.name: RenditionState() for rendition in self.header.ladder}

    def apply(self, record: Record) -> None:
        """Fold one record in. Repeating a record changes nothing that matters."""
        match record:
            case EpochStarted() | SegmentCommitted() | SourceLost() | SourceFinished():
                self._apply_raw(record)
            case Origin() | Mapped() | Shot() | CropPath() | FrozenUntil():
                self._apply_plan(record)
            case RenditionStarted() | ChunkEncoded():
                self._apply_encoded(record)
            case Start():
                self.start = self.start or record
            case Stop():
                self.stop = self.stop or record
            case _:
                self._apply_published(record)

    def _apply_raw(self, record: EpochStarted | SegmentCommitted | SourceLost | SourceFinished) -> None:
        source_id = record.segment.source if isinstance(record, SegmentCommitted) else record.source
        source = self.sources[source_id]
        match record:
            case EpochStarted():
                source.epochs.append(record)
            case SegmentCommitted():
                source.segments.append(record.segment)
            case SourceLost():
                source.losses.append(record)
            case SourceFinished():
                source.finished = True

    def _apply_plan(self, record: Origin | Mapped | Shot | CropPath | FrozenUntil) -> None:
        match record:
            case Origin():
                self.origin = record
            case Mapped():
                self.sources[record.map.source].maps.setdefault(record.map.epoch, []).append(record.map)
            case Shot():
                self.shots.append(record)
            case CropPath():
                self.crops.append(record)
            case FrozenUntil():
                self.frozen_until = max(self.frozen_until, record.at)
                self.final = self.final or record.final

    def _apply_encoded(self, record: RenditionStarted | ChunkEncoded) -> None:
        if isinstance(record, RenditionStarted):
            self.renditions[record.rendition].started = record
        else:
            self.renditions[record.chunk.rendition].chunks[record.chunk.index] = record.chunk

    def _apply_published(self, record: Record) -> None:
        match record:
            case PublishStarted():
                if record.url != self.publish_url:  # another store knows nothing of what the first one holds
                    self.objects.clear()
                    self.playlists.clear()
                    self.verified = None
                self.publish_url = record.url
            case ObjectStored():
                self.objects[record.key] = record
            case PlaylistPublished():
                self.playlists[record.key] = record
            case Verified():
                self.verified = record

    @property
    def phase(self) -> Phase:
        if self.verified:
            return Phase.PUBLISHED
        if self.start is None:
            return Phase.CREATED
        return Phase.PROCESSING if self.stop else Phase.RECORDING

    @property
    def captured(self) -> bool:
        """Whether nothing more will be recorded."""
        return self.stop is not None and all(source.finished for source in self.sources.values())

    @property
    def duration(self) -> Ticks:
        """End of the lesson once final; before that, how far any source reaches."""
        if self.final:
            return self.frozen_until
        ends = [
            span.end for source in self.sources.values() for kind in Kind for span in source.lesson_coverage(kind)[-1:]
        ]
        return max([self.frozen_until, *ends])

    @property
    def encoded(self) -> bool:
        """Whether every chunk of every rendition of the finished plan is there."""
        wanted = self.header.grid.chunks(self.frozen_until)
        return self.final and all(rendition.leading >= wanted for rendition in self.renditions.values())

    def gaps(self) -> list[Gap]:
        """Stretches of the lesson in which a source that should have delivered did not."""
        window = Span(0, self.duration)
        return [gap for source in self.sources.values() for gap in _source_gaps(source, window)]


def _source_gaps(source: SourceState, window: Span) -> list[Gap]:
    kind = Kind.VIDEO if source.has(Kind.VIDEO) else Kind.AUDIO
    covered = source.lesson_coverage(kind)
    if source.spec.imported and covered:  # files begin and end when they do; only holes inside are losses
        window = Span(min(s.start for s in covered), max(s.end for s in covered))
    holes = [hole for hole in uncovered(window, covered) if hole.duration >= MIN_GAP]
    reasons = [loss.reason for loss in source.losses]
    return [
        Gap(source.spec.id, hole, reasons[min(i, len(reasons) - 1)] if reasons else "no signal")
        for i, hole in enumerate(holes)
    ]


class LessonView:
    """Follows the journals of one lesson; `poll` folds what is new into `state`."""

    def __init__(self, folder: LessonFolder) -> None:
        self.folder = folder
        self.state = LessonState(folder.header)
        self._readers = [JournalReader(path) for path in folder.state_journals()]

    def poll(self) -> bool:
        """Fold in what was committed since the last poll; whether there was anything. Raises `StorageError`."""
        changed = False
        for reader in self._readers:
            for record in reader.poll():
                self.state.apply(record)
                changed = True
        return changed

    @property
    def damage(self) -> list[str]:
        """One line for every journal line that was lost to damage."""
        return [
            f"{self.folder.relative(reader.path)}: {len(reader.damage)} damaged line(s), first at byte "
            f"{reader.damage[0].offset}"
            for reader in self._readers
            if reader.damage
        ]


def load_state(folder: LessonFolder) -> LessonState:
    """The state of a lesson as its journals give it now."""
    view = LessonView(folder)
    view.poll()
    return view.state
