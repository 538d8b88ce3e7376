"""At the start: what this source has recorded so far, and what a predecessor that was killed has left behind."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from capture.recorder import segment_place
from lesson.clock import Moment
from lesson.durable import sync_file, sync_folder
from lesson.errors import LessonFormatError, MediaError
from lesson.folder import LessonFolder
from lesson.journal import read_journal
from lesson.model import Anchor, PtsRange, SourceSpec
from lesson.records import EpochStarted, Record, SegmentCommitted, SourceFinished, decode_line
from lesson.source_state import SourceState
from media.feeds.segment import Contents, Inspection, file_digest, inspect_segment

_SYNCS_AT_ONCE = 4

_log = structlog.get_logger()


def read_source(folder: LessonFolder, spec: SourceSpec) -> SourceState:
    """Epochs and segments of one source, from its own journal and no other. Raises `StorageError`."""
    state = SourceState(spec)
    for record in read_journal(folder.raw_journal(spec.id)):
        _apply(state, record)
    return state


def _apply(state: SourceState, record: Record) -> None:
    match record:
        case EpochStarted():
            state.add_epoch(record)
        case SegmentCommitted():
            state.add_segment(record.segment)
        case SourceFinished():
            state.finished = True


def salvage(folder: LessonFolder, state: SourceState) -> list[Record]:
    """Records for the segment files that were written but not committed when the last recording process died.

    They are folded into `state` too. With a slow disk that may be several, in epochs that no journal knows yet. Files
    in which nothing can be read are left out. The others are durable as they are when this returns. Raises
    `StorageError`.
    """
    records: list[Record] = []
    found = [file for file in folder.segment_files(state.spec.id) if file[1] >= state.numbering.next]
    kept = [(*file, content) for file in found if (content := _content(file[2])) is not None]
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as syncs:
        list(syncs.map(_make_durable, [path for _, _, path, _ in kept]))
    for number, seq, path, content in kept:
        epoch = next((epoch for epoch in state.epochs if epoch.epoch == number), None)
        if epoch is None:
            epoch = _epoch(state.spec, number, content)
            records.append(epoch)
            _apply(state, epoch)
        first = all(segment.epoch != number for segment in state.segments)
        anchors = (_anchor(epoch, content.ranges.values()),) if first and epoch.start is None else ()
        contents = Contents(content.ranges, anchors)
        size, digest = file_digest(path)
        place = segment_place(folder, state.spec.id, number, seq)
        record = SegmentCommitted(segment=place.record(contents, size, digest, "recovered"))
        records.append(record)
        _apply(state, record)
        _log.info("segment_salvaged", epoch=number, seq=seq, bytes=size)
    return records


def _content(path: Path) -> Inspection | None:
    try:
        found = inspect_segment(path)
    except MediaError as error:
        # why this file is empty, not why this process ends: to whom it would be told, the camera is sound
        _log.info("segment_discarded", path=path.name, found=str(error))
        return None
    return found if found.ranges else None


def _make_durable(path: Path) -> None:
    sync_file(path)
    sync_folder(path.parent)
    sync_folder(path.parent.parent)


def _epoch(spec: SourceSpec, number: int, content: Inspection) -> EpochStarted:
    """The beginning of an epoch whose line did not reach the journal, as its segments carry it."""
    try:
        record = decode_line(content.label.encode())
    except LessonFormatError:
        record = None
    if isinstance(record, EpochStarted) and record.epoch == number:
        return record
    return EpochStarted(source=spec.id, epoch=number, at=Moment.now(), streams=content.streams, reason="recovered")


def _anchor(epoch: EpochStarted, ranges: Iterable[PtsRange]) -> Anchor:
    """Arrivals died with the process, but the first packet had arrived when the epoch was journaled."""
    return Anchor(pts=min(found.first for found in ranges), monotonic_ns=epoch.at.monotonic_ns)
