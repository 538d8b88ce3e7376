"""The state of a lesson: a fold over its journals, and nothing else. No file stores a status. Pure."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields, replace

from lesson.edition_state import EditionState
from lesson.gaps import Gap, source_gaps
from lesson.model import Kind, LessonHeader, Rendition
from lesson.phase import Phase, phase_of
from lesson.records import (
    BackupHeard,
    ChunkEncoded,
    ChunksKept,
    CropPath,
    EditionStarted,
    EpochStarted,
    FileDamaged,
    FrozenUntil,
    LessonPinned,
    Mapped,
    ObjectStored,
    Origin,
    PlaylistPublished,
    PublishStarted,
    RawReclaimed,
    Record,
    RenditionStarted,
    RungSkipped,
    SegmentCommitted,
    SegmentDamaged,
    SegmentJoined,
    SegmentMeasured,
    SegmentUnheard,
    SegmentUnseen,
    Shot,
    SourceFinished,
    SourceLost,
    Start,
    Stop,
    StreamAccount,
    Verified,
)
from lesson.rendition_state import RenditionState
from lesson.source_state import SourceState
from lesson.stretches import MIN_GAP
from lesson.time import Span, Ticks

MEDIA_SUFFIX = ".m4s"
"""Of the objects in the store, the chunks."""


@dataclass(slots=True)
class LessonState:
    """Everything the journals of a lesson say. `apply` is the fold; everything else is derived.

    Plan, renditions and what follows from them are those of one edition: the newest, or that of `seen_as`.
    """

    header: LessonHeader
    start: Start | None = None
    stop: Stop | None = None
    sources: dict[str, SourceState] = field(default_factory=dict)
    origin: Origin | None = None
    editions: dict[int, EditionState] = field(default_factory=dict)
    publish_url: str | None = None
    objects: dict[str, ObjectStored] = field(default_factory=dict)
    playlists: dict[str, PlaylistPublished] = field(default_factory=dict)
    strays: set[Record] = field(default_factory=set)
    stored_chunks: int = 0
    """How many of the `objects` are chunks."""
    pinned: bool = False
    """Whether all that was recorded is to be kept."""
    raw_reclaimed: RawReclaimed | None = None
    """How the raw segments went to make room; None while they are here."""
    _seen_as: int | None = None

    def __post_init__(self) -> None:
        self.sources = {spec.id: SourceState(spec) for spec in self.header.sources}
        self.editions = {0: EditionState(self.header)}

    def clear(self) -> None:
        """Forget every record, in place: others hold on to this state."""
        fresh = LessonState(self.header)
        for part in fields(self):
            setattr(self, part.name, getattr(fresh, part.name))

    def seen_as(self, number: int) -> LessonState:
        """The lesson as one of its editions has it. Nothing is copied; to be read only, and only until more is folded.

        Raises `KeyError` for an edition that was not started.
        """
        view = copy(self)
        view._seen_as = self.editions[number].number
        return view

    def unplanned(self) -> LessonState:
        """The lesson with its clock and nothing else planned, to plan it anew; what was recorded is shared."""
        view = copy(self)
        view.editions, view._seen_as = {0: EditionState(self.header)}, None
        return view

    @property
    def newest(self) -> int:
        """Number of the newest edition."""
        return max(self.editions)

    @property
    def shown(self) -> int:
        """Number of the edition to play: the newest that is verified, failing that encoded, failing that there."""
        numbers = sorted(self.editions, reverse=True)
        verified = next((number for number in numbers if self.editions[number].verified), None)
        encoded = next((number for number in numbers if self.editions[number].encoded), None)
        found = encoded if verified is None else verified
        return self.newest if found is None else found

    @property
    def edition(self) -> EditionState:
        return self.editions[self.newest if self._seen_as is None else self._seen_as]

    @property
    def ladder(self) -> tuple[Rendition, ...]:
        """The renditions wanted."""
        return self.edition.ladder

    @property
    def shots(self) -> list[Shot]:
        return self.edition.shots

    @property
    def crops(self) -> list[CropPath]:
        return self.edition.crops

    @property
    def frozen_until(self) -> Ticks:
        return self.edition.frozen_until

    @property
    def final(self) -> bool:
        return self.edition.final

    @property
    def renditions(self) -> dict[str, RenditionState]:
        return self.edition.renditions

    @property
    def verified(self) -> Verified | None:
        return self.edition.verified

    @property
    def running(self) -> Shot | None:
        return self.edition.running

    @property
    def last_crops(self) -> dict[str, CropPath]:
        return self.edition.last_crops

    def apply(self, record: Record, edition: int = 0) -> None:
        """Fold one record in; one of a plan belongs to `edition`. Repeating a record changes nothing.

        Records of a source or rendition that the header does not name, or of an edition not started, become `strays`.
        """
        try:
            self._apply(record, edition)
        except KeyError:
            self.strays.add(record)

    def _apply(self, record: Record, edition: int) -> None:
        match record:
            case EpochStarted() | SegmentCommitted() | SourceLost() | StreamAccount() | SourceFinished():
                self._apply_raw(record)
            case SegmentDamaged() | SegmentUnseen() | SegmentUnheard() | SegmentJoined() | SegmentMeasured():
                self.sources[record.source].add_look(record)
            case Origin() | Mapped():
                self._apply_clock(record)
            case Shot() | CropPath() | BackupHeard() | FrozenUntil():
                self.editions[edition].apply_plan(record)
            case RenditionStarted() | ChunkEncoded():
                self.editions[record.edition].apply_encoded(record)
            case ChunksKept():
                self.editions[record.edition].keep(record, self.editions[record.of])
            case Start() | Stop() | EditionStarted() | RungSkipped() | LessonPinned() | RawReclaimed():
                self._apply_control(record)
            case _:
                self._apply_published(record)

    def _apply_control(self, record: Start | Stop | EditionStarted | RungSkipped | LessonPinned | RawReclaimed) -> None:
        match record:
            case LessonPinned():
                self.pinned = record.pinned
            case RawReclaimed():
                self.raw_reclaimed = self.raw_reclaimed or record
            case Start():
                self.start = self.start or record
            case Stop():
                self.stop = self.stop or record
            case EditionStarted() if record.number > 0 and record.number not in self.editions:
                started = self.editions[record.number] = EditionState(self.header, record.number, record)
                for name, progress in self.editions[0].renditions.items():
                    started.renditions[name].damaged = progress.damaged  # files are the lesson's
            case RungSkipped():
                self.editions[record.edition].skipped.setdefault(record.rendition, record)

    def _apply_raw(self, record: EpochStarted | SegmentCommitted | SourceLost | StreamAccount | SourceFinished) -> None:
        source_id = record.segment.source if isinstance(record, SegmentCommitted) else record.source
        source = self.sources[source_id]
        match record:
            case EpochStarted():
                source.add_epoch(record)
            case SegmentCommitted():
                source.add_segment(record.segment)
            case SourceLost():
                source.add_loss(record)
            case StreamAccount():
                source.accounts[record.epoch, record.stream] = record
            case SourceFinished():
                source.finished, source.finished_at = True, record.at

    def _apply_clock(self, record: Origin | Mapped) -> None:
        if isinstance(record, Origin):
            self.origin = record
        else:
            self.sources[record.map.source].add_map(record.map)

    def _apply_published(self, record: Record) -> None:
        match record:
            case PublishStarted():
                if record.url != self.publish_url:  # another store knows nothing of what the first one holds
                    self.objects.clear()
                    self.stored_chunks = 0
                    self.playlists.clear()
                    for edition in self.editions.values():
                        edition.verified = None
                self.publish_url = record.url
            case ObjectStored():
                self.stored_chunks += record.key.endswith(MEDIA_SUFFIX) and record.key not in self.objects
                self.objects[record.key] = record
            case PlaylistPublished():
                self.playlists[record.key] = record
            case FileDamaged():
                self.editions[0].renditions[record.rendition].damaged[record.path] = record.chunk
            case Verified():
                self.editions[record.edition].verified = record

    @property
    def phase(self) -> Phase:
        return phase_of(self.start, self.stop, verified=self.verified is not None, empty=self.empty)

    @property
    def empty(self) -> bool:
        """Whether the lesson is over and holds nothing: then nothing more is to be done about it."""
        return self.final and self.frozen_until == 0

    @property
    def captured(self) -> bool:
        """Whether nothing more will be recorded."""
        return self.stop is not None and all(source.finished for source in self.sources.values())

    @property
    def duration(self) -> Ticks:
        """Length of the lesson once final; before that, how far any source reaches."""
        if self.final:
            return self.edition.window.duration
        ends = (source.reach(kind) for source in self.sources.values() for kind in Kind)
        return max([self.frozen_until, *(end for end in ends if end is not None)])

    @property
    def window(self) -> Span:
        """What of the lesson clock the newest edition shows, as far as is known."""
        return Span(self.edition.start, self.edition.start + self.duration)

    @property
    def encoded(self) -> bool:
        """Whether every chunk of every wanted rendition of the finished plan is there, and none known to be damaged."""
        return self.edition.encoded

    def gaps(self) -> list[Gap]:
        """Stretches in which a source that should have delivered did not, counted from where the edition begins."""
        start = self.edition.start
        window = Span(start, start + self.duration)
        recording = self.start is not None and not (self.captured or self.final)
        over = self.editions[0].final
        sources = self.sources.values()
        gaps = [gap for one in sources for gap in source_gaps(one, window, recording=recording, over=over)]
        if not self.edition.overrides:
            return gaps
        left = [(gap, span) for gap in gaps if (span := gap.span.intersection(window)) and span.duration >= MIN_GAP]
        return [replace(gap, span=span.shifted(-start)) for gap, span in left]

    def shots_over(self, span: Span) -> list[Shot]:
        """The shots planned for any of `span`, in the order they were planned."""
        return self.edition.shots_over(span)

    def crops_over(self, span: Span) -> list[CropPath]:
        """The crops planned for any of `span`, in the order they were planned."""
        return self.edition.crops_over(span)
