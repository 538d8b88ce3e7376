"""The state of a lesson: a fold over its journals, and nothing else. No file stores a status."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path

from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.following import Journals
from lesson.gaps import Gap, source_gaps
from lesson.model import Kind, LessonHeader
from lesson.presumed import Signs, presumed
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
    StreamAccount,
    Verified,
)
from lesson.rendition_state import RenditionState, target_duration
from lesson.source_state import SourceState
from lesson.spans import SpanIndex
from lesson.stretches import MIN_GAP, Coverage
from lesson.time import Span, Ticks

__all__ = [
    "MIN_GAP",
    "Coverage",
    "Gap",
    "LessonState",
    "LessonView",
    "Phase",
    "RenditionState",
    "SourceState",
    "load_state",
]


class Phase(StrEnum):
    """How far a lesson has come."""

    CREATED = "created"
    RECORDING = "recording"
    PROCESSING = "processing"
    PUBLISHED = "published"
    EMPTY = "empty"  # over, and nothing was recorded: a button pressed by mistake


MEDIA_SUFFIX = ".m4s"
"""Of the objects in the store, the chunks."""


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
    strays: set[Record] = field(default_factory=set)
    stored_chunks: int = 0
    """How many of the `objects` are chunks."""
    running: Shot | None = None
    """The last shot, the pieces joined in which it was planned."""
    last_crops: dict[str, CropPath] = field(default_factory=dict)
    """The newest of each source."""
    _planned: set[Shot | CropPath] = field(default_factory=set, repr=False, compare=False)
    _shots_by_time: SpanIndex[Shot] = field(default_factory=SpanIndex, repr=False, compare=False)
    _crops_by_time: SpanIndex[CropPath] = field(default_factory=SpanIndex, repr=False, compare=False)

    def __post_init__(self) -> None:
        target_s = target_duration(self.header.grid)
        self.sources = {spec.id: SourceState(spec) for spec in self.header.sources}
        self.renditions = {rendition.name: RenditionState(target_s) for rendition in self.header.ladder}

    def clear(self) -> None:
        """Forget every record, in place: others hold on to this state."""
        fresh = LessonState(self.header)
        for part in fields(self):
            setattr(self, part.name, getattr(fresh, part.name))

    def apply(self, record: Record) -> None:
        """Fold one record in. Repeating a record changes nothing.

        Records of a source or rendition that the header does not name become `strays`.
        """
        try:
            self._apply(record)
        except KeyError:
            self.strays.add(record)

    def _apply(self, record: Record) -> None:
        match record:
            case EpochStarted() | SegmentCommitted() | SourceLost() | StreamAccount() | SourceFinished():
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

    def _apply_plan(self, record: Origin | Mapped | Shot | CropPath | FrozenUntil) -> None:
        match record:
            case Origin():
                self.origin = record
            case Mapped():
                self.sources[record.map.source].add_map(record.map)
            case Shot() | CropPath():
                self._apply_planned(record)
            case FrozenUntil():
                self.frozen_until = max(self.frozen_until, record.at)
                self.final = self.final or record.final

    def _apply_planned(self, record: Shot | CropPath) -> None:
        if record in self._planned:
            return
        self._planned.add(record)
        if isinstance(record, Shot):
            self.shots.append(record)
            self._shots_by_time.append(record.span, record)
            self.running = prolonged(self.running, record)
        else:
            self.crops.append(record)
            self._crops_by_time.append(record.span, record)
            self.last_crops[record.source] = record

    def _apply_encoded(self, record: RenditionStarted | ChunkEncoded) -> None:
        if isinstance(record, RenditionStarted):
            self.renditions[record.rendition].started = record
        else:
            self.renditions[record.chunk.rendition].add(record.chunk)

    def _apply_published(self, record: Record) -> None:
        match record:
            case PublishStarted():
                if record.url != self.publish_url:  # another store knows nothing of what the first one holds
                    self.objects.clear()
                    self.stored_chunks = 0
                    self.playlists.clear()
                    self.verified = None
                self.publish_url = record.url
            case ObjectStored():
                self.stored_chunks += record.key.endswith(MEDIA_SUFFIX) and record.key not in self.objects
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
        if self.empty:
            return Phase.EMPTY
        return Phase.PROCESSING if self.stop else Phase.RECORDING

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
        """End of the lesson once final; before that, how far any source reaches."""
        if self.final:
            return self.frozen_until
        ends = (source.reach(kind) for source in self.sources.values() for kind in Kind)
        return max([self.frozen_until, *(end for end in ends if end is not None)])

    @property
    def encoded(self) -> bool:
        """Whether every chunk of every rendition of the finished plan is there."""
        wanted = self.header.grid.chunks(self.frozen_until)
        return self.final and all(rendition.leading >= wanted for rendition in self.renditions.values())

    def gaps(self) -> list[Gap]:
        """Stretches of the lesson in which a source that should have delivered did not."""
        window, recording = Span(0, self.duration), self.start is not None and not (self.captured or self.final)
        sources = self.sources.values()
        return [gap for source in sources for gap in source_gaps(source, window, recording=recording)]

    def shots_over(self, span: Span) -> list[Shot]:
        """The shots planned for any of `span`, in the order they were planned."""
        return [shot for _, shot in self._shots_by_time.overlapping(span)]

    def crops_over(self, span: Span) -> list[CropPath]:
        """The crops planned for any of `span`, in the order they were planned."""
        return [crop for _, crop in self._crops_by_time.overlapping(span)]


def same_picture(a: Shot, b: Shot) -> bool:
    """Whether two shots show the same: the journal holds one shot in as many pieces as it took to freeze."""
    return (a.layout, a.sources) == (b.layout, b.sources)


def prolonged(running: Shot | None, piece: Shot) -> Shot:
    """The shot that runs at the end of `piece`: `running` if the piece goes on with it, else the piece itself."""
    if running is None or not same_picture(running, piece) or piece.span.end < running.span.end:
        return piece
    return replace(running, span=Span(running.span.start, piece.span.end))


class LessonView:
    """Follows the journals of one lesson; `poll` folds what is new into `state`.

    `last_needed`: journals after this one, in the order of the stages, may be unreadable: they are a later stage's
    trouble. None: all are needed.
    """

    def __init__(self, folder: LessonFolder, *, last_needed: Path | None = None) -> None:
        self.folder = folder
        self.state = LessonState(folder.header)
        self._last_needed = last_needed
        self._journals = Journals(folder.state_journals())
        self._lost: tuple[str, ...] = ()

    def poll(self) -> bool:
        """Fold in what was committed since the last poll; whether there was anything.

        A plan frozen over segments that this state does not know would be rendered without them: the error of a
        needed journal that cannot be read is raised, once what the others hold is folded in. Raises `StorageError`.
        """
        begun = self.state.start is None and self.folder.has_raw_journal()  # asked before Start is looked for
        polled = self._journals.poll()
        if self._journals.taken_back:  # a fold cannot be undone, only done again
            self.state.clear()
            self._journals = Journals(self.folder.state_journals())
            self._lost, begun = (), self.folder.has_raw_journal()
            polled = self._journals.poll()
        for records in polled:
            for record in records:
                self.state.apply(record)
        if self.folder.control_journal not in self.unread:
            self._presume(begun=begun)
        self._raise_needed()
        return any(polled)

    def _raise_needed(self) -> None:
        for reader in self._journals.readers:
            if error := self.unread.get(reader.path):
                raise error
            if reader.path == self._last_needed:
                return

    @property
    def unread(self) -> dict[Path, StorageError]:
        """The journals that the last poll could not read."""
        return self._journals.unread

    def _presume(self, *, begun: bool) -> None:
        """A control journal that lost Start or Stop neither ends a recording nor begins one again."""
        state, control, sources = self.state, self._journals.readers[0], self.state.sources.values()
        firsts = [source.epochs[0].at for source in sources if source.epochs]
        signs = Signs(begun, firsts, [source.finished_at for source in sources])
        hurt = bool(self._lost or control.damage or control.torn_bytes)
        found = presumed(state.header, state.start, state.stop, signs, hurt=hurt)
        state.start, state.stop = found.start, found.stop
        self._lost += found.lost

    @property
    def damage(self) -> list[str]:
        """One line for every journal that cannot be read or lost lines, or about what is unknown here."""
        lost = [
            f"{self.folder.relative(reader.path)}: {len(reader.damage)} damaged line(s), first at byte "
            f"{reader.damage[0].offset}"
            for reader in self._journals.readers
            if reader.damage
        ]
        strays = sorted({type(record).__name__ for record in self.state.strays})
        lost += [f"{self.folder.relative(self.folder.control_journal)}: {one}" for one in self._lost]
        lost += [
            f"{self.folder.relative(path)}: {str(error).removeprefix(f'{path}: ')}"
            for path, error in self._journals.unread.items()
        ]
        return lost + [f"{name} of a source or rendition that lesson.json does not name" for name in strays]


def load_state(folder: LessonFolder) -> LessonState:
    """The state of a lesson as its journals give it now."""
    view = LessonView(folder)
    view.poll()
    return view.state
