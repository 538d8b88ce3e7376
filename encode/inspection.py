"""Before anything is made of a segment, its bytes are compared with what was committed: disks and people spoil files.

What differs becomes a record (`SegmentDamaged`), and from then on that stretch counts as not recorded: another source
is shown or heard there, and the gap is named.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from encode.voice import AHEAD
from lesson.files import file_problem
from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord
from lesson.records import SegmentDamaged
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Span, Ticks

MARGIN: Ticks = AHEAD + TICKS_PER_SECOND
"""Around a chunk: what its decoders settle on, and the sound that is looked for ahead of it."""

_log = structlog.get_logger()


class Inspector:
    """Looks at each segment once, in the life of this process."""

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._looked: set[tuple[str, int, int]] = set()

    def damaged(self, state: LessonState, span: Span) -> list[SegmentDamaged]:
        """What is newly found damaged of all that a chunk over `span` (lesson ticks) may be made of.

        Raises `StorageError` where that cannot be told.
        """
        near = Span(span.start - MARGIN, span.end + MARGIN)
        found = (self._look(segment) for source in state.sources.values() for segment in _needed(source, near))
        return [record for record in found if record is not None]

    def _look(self, segment: SegmentRecord) -> SegmentDamaged | None:
        key = segment.source, segment.epoch, segment.seq
        if key in self._looked:
            return None
        problem = file_problem(self._folder, segment.path, segment.bytes, segment.sha256)
        self._looked.add(key)
        if problem is None:
            return None
        _log.warning("segment_damaged", path=segment.path, error=problem)
        return SegmentDamaged(source=segment.source, epoch=segment.epoch, seq=segment.seq, problem=problem)


def _needed(source: SourceState, window: Span) -> Iterator[SegmentRecord]:
    """The segments in which decoders find all that a source has of a window (lesson ticks)."""
    for kind in Kind:
        for epoch in sorted({stretch.epoch for stretch in source.stretches(kind, window)}):
            first, last = source.map_at(epoch, window.start), source.map_at(epoch, window.end)
            if first is not None and last is not None:
                start = first.to_source(window.start)
                yield from source.segments_of(kind, epoch).decoded_for(
                    Span(start, max(start, last.to_source(window.end)))
                )
