"""At the start: what a predecessor that was killed has left behind."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from capture.recorder import segment_record
from lesson.durable import sync_file, sync_folder
from lesson.errors import MediaError
from lesson.folder import LessonFolder
from lesson.model import Anchor, PtsRange, SegmentRecord
from lesson.records import EpochStarted
from lesson.state import SourceState
from media.segment import StoredSegment, file_digest, inspect_segment

_log = structlog.get_logger()


def salvage_tail(folder: LessonFolder, state: SourceState) -> SegmentRecord | None:
    """The record of the segment file that was being written when the last recording process died.

    None when there is no such file or nothing in it can be read. The file is durable as it is when this returns.
    Raises `StorageError`.
    """
    if not state.epochs:
        return None
    source, epoch = state.spec.id, state.epochs[-1]
    path = folder.segment_path(source, epoch.epoch, state.next_seq)
    if not path.is_file():
        return None
    try:
        found = inspect_segment(path)
    except MediaError as error:
        _log.warning("torn segment cannot be read", reason=str(error))
        return None
    if not found.ranges:
        return None
    sync_file(path)
    sync_folder(path.parent)
    size, digest = file_digest(path)
    first_of_epoch = all(segment.epoch != epoch.epoch for segment in state.segments)
    anchors = (_anchor(epoch, found.ranges.values()),) if first_of_epoch and epoch.start is None else ()
    stored = StoredSegment(size, digest, found.ranges, anchors)
    _log.info("torn segment salvaged", seq=state.next_seq, bytes=size)
    return segment_record(folder, source, epoch.epoch, state.next_seq, stored, "recovered")


def _anchor(epoch: EpochStarted, ranges: Iterable[PtsRange]) -> Anchor:
    """Arrivals died with the process, but the first packet had arrived when the epoch was journaled."""
    return Anchor(pts=min(found.first for found in ranges), monotonic_ns=epoch.at.monotonic_ns)
