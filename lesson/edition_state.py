"""One edition of a lesson: what is wanted of it, its plan, and what was encoded for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from lesson.left_out import LeftOut, left_out
from lesson.model import LessonHeader, Rendition
from lesson.overrides import Override
from lesson.records import (
    BackupHeard,
    ChunkEncoded,
    ChunksKept,
    CropPath,
    EditionStarted,
    FrozenUntil,
    Planning,
    RenditionStarted,
    RungSkipped,
    Shot,
    Verified,
)
from lesson.rendition_state import RenditionState
from lesson.spans import SpanIndex
from lesson.time import TICKS_PER_SECOND, Span, Ticks

AAC_FRAME: Ticks = 1_024
_WHOLE: Ticks = 1 << 62


@dataclass(slots=True)
class EditionState:
    """The fold over everything that is one edition's own. `started`: None for edition 0."""

    header: LessonHeader
    number: int = 0
    started: EditionStarted | None = None
    skipped: dict[str, RungSkipped] = field(default_factory=dict)
    shots: list[Shot] = field(default_factory=list)
    crops: list[CropPath] = field(default_factory=list)
    backups: list[BackupHeard] = field(default_factory=list)
    frozen_until: Ticks = 0
    final: bool = False
    renditions: dict[str, RenditionState] = field(default_factory=dict)
    verified: Verified | None = None
    running: Shot | None = None
    """The last shot, the pieces joined in which it was planned."""
    last_crops: dict[str, CropPath] = field(default_factory=dict)
    """The newest of each source."""
    _planned: set[Shot | CropPath | BackupHeard] = field(default_factory=set, repr=False, compare=False)
    _shots_by_time: SpanIndex[Shot] = field(default_factory=SpanIndex, repr=False, compare=False)
    _crops_by_time: SpanIndex[CropPath] = field(default_factory=SpanIndex, repr=False, compare=False)
    _backups_by_time: SpanIndex[BackupHeard] = field(default_factory=SpanIndex, repr=False, compare=False)

    def __post_init__(self) -> None:
        target_s, start = target_duration(self.header), self.start
        for rung in self.header.ladder:
            first = self.header.grid_of(rung.grid_multiple).index(start)
            self.renditions[rung.name] = RenditionState(target_s, first)

    @property
    def overrides(self) -> tuple[Override, ...]:
        return self.started.overrides if self.started else ()

    @property
    def planning(self) -> Planning:
        return self.started.planning if self.started else Planning.LIVE

    @property
    def ladder(self) -> tuple[Rendition, ...]:
        """The renditions that are wanted."""
        without = {one.name for one in self.left_out}
        return tuple(rung for rung in self.header.ladder if rung.name not in without)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The renditions that are not."""
        return left_out(self.header, self.started, self.skipped.values())

    def kept(self, lesson: Span) -> Span:
        """What the overrides leave of a stretch, from a multiple of `trim_step` to a frame: nothing else of it."""
        left = lesson
        for override in self.overrides:
            left = override.kept(left)
        step, frame = trim_step(self.header), self.header.grid.frame
        start = lesson.start if left.start == lesson.start else -(-left.start // step) * step
        end = lesson.end if left.end == lesson.end else left.end // frame * frame
        return Span(start, max(start, end))

    @property
    def start(self) -> Ticks:
        """The lesson tick it begins with."""
        return self.kept(Span(0, _WHOLE)).start if self.overrides else 0

    @property
    def window(self) -> Span:
        """The lesson ticks it shows, as far as they are planned."""
        start = self.start
        return Span(start, max(start, self.frozen_until))

    def chunks_of(self, rendition: Rendition) -> range:
        """Numbers of the chunks of a rendition that cover `window`."""
        grid, window = self.header.grid_of(rendition.grid_multiple), self.window
        return range(grid.index(window.start), grid.chunks(window.end) if not window.empty else 0)

    @property
    def encoded(self) -> bool:
        """Whether every chunk of every wanted rendition of the finished plan is there, and none known to be damaged."""
        progresses = [self.renditions[rung.name] for rung in self.ladder]
        return self.made and not any(progress.spoilt or progress.init_spoilt for progress in progresses)

    @property
    def made(self) -> bool:
        """Whether every chunk was made once, whatever became of it since."""
        return self.final and all(
            self.renditions[rung.name].leading >= len(self.chunks_of(rung)) for rung in self.ladder
        )

    def apply_plan(self, record: Shot | CropPath | BackupHeard | FrozenUntil) -> None:
        """Fold one line of its plan in. Repeating it changes nothing."""
        if isinstance(record, FrozenUntil):
            self.frozen_until = max(self.frozen_until, record.at)
            self.final = self.final or record.final
        elif record not in self._planned:
            self._planned.add(record)
            if isinstance(record, Shot):
                self.shots.append(record)
                self._shots_by_time.append(record.span, record)
                self.running = prolonged(self.running, record)
            elif isinstance(record, BackupHeard):
                self.backups.append(record)
                self._backups_by_time.append(record.span, record)
            else:
                self.crops.append(record)
                self._crops_by_time.append(record.span, record)
                self.last_crops[record.source] = record

    def apply_encoded(self, record: RenditionStarted | ChunkEncoded) -> None:
        """Fold in what was made for it. Raises `KeyError` for a rendition the header does not name."""
        if isinstance(record, RenditionStarted):
            self.renditions[record.rendition].started = record
        else:
            self.renditions[record.chunk.rendition].add(record.chunk)

    def keep(self, record: ChunksKept, other: EditionState) -> None:
        """Fold in that chunks of another edition are its own. Raises `KeyError` as `apply_encoded`."""
        mine, theirs = self.renditions[record.rendition], other.renditions[record.rendition].chunks
        for index in [index for index in theirs if record.first <= index < record.first + record.count]:
            mine.add(theirs[index])

    def shots_over(self, span: Span) -> list[Shot]:
        """The shots planned for any of `span`, in the order they were planned."""
        return [shot for _, shot in self._shots_by_time.overlapping(span)]

    def crops_over(self, span: Span) -> list[CropPath]:
        """The crops planned for any of `span`, in the order they were planned."""
        return [crop for _, crop in self._crops_by_time.overlapping(span)]

    def backups_over(self, span: Span) -> list[BackupHeard]:
        """Where a backup is heard within any of `span`."""
        return [one for _, one in self._backups_by_time.overlapping(span)]


def target_duration(header: LessonHeader) -> int:
    """EXT-X-TARGETDURATION of every media playlist of a lesson, in whole seconds: its longest chunk rounded up.

    All have the same, as RFC 8216 section 6.2.4 wants it.
    """
    longest = max((header.grid_of(rung.grid_multiple).chunk for rung in header.ladder), default=header.grid.chunk)
    return -(-longest // TICKS_PER_SECOND)


def trim_step(header: LessonHeader) -> Ticks:
    """Where a lesson may begin: where a frame of every rung and an AAC frame end together, each 0.32 s as a rule."""
    return math.lcm(AAC_FRAME, *(rung.frame_divisor * header.grid.frame for rung in header.ladder))


def same_picture(a: Shot, b: Shot) -> bool:
    """Whether two shots show the same: the journal holds one shot in as many pieces as it took to freeze."""
    return (a.layout, a.sources) == (b.layout, b.sources)


def prolonged(running: Shot | None, piece: Shot) -> Shot:
    """The shot that runs at the end of `piece`: `running` if the piece goes on with it, else the piece itself."""
    if running is None or not same_picture(running, piece) or piece.span.end < running.span.end:
        return piece
    return replace(running, span=Span(running.span.start, piece.span.end))
