"""Turns packets into committed segments of one source: the only writer of its raw folder and journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from capture.background_sync import BackgroundSync
from capture.disk import Disk, SegmentFile
from capture.rules import Cutter
from lesson.clock import Moment
from lesson.errors import MediaError
from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.records import EpochStarted, Record, SegmentCommitted, SourceFinished, SourceLost, encode_line
from lesson.source_state import SourceState
from lesson.time import TICKS_PER_SECOND, Ticks
from media.feeds.packets import FeedPacket, FeedStream
from media.feeds.segment import TIME_BASE, Contents, SegmentWriter

TAIL_PATIENCE: Ticks = 30 * TICKS_PER_SECOND
"""How long pictures may go on in the epoch before while the new one waits for a key frame."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """Which segment a file is; `path` is relative to the lesson folder."""

    source: str
    epoch: int
    seq: int
    path: str

    def record(self, contents: Contents, size: int, sha256: str, closed_by: str) -> SegmentRecord:
        """The record that commits the finished file."""
        return SegmentRecord(
            source=self.source,
            epoch=self.epoch,
            seq=self.seq,
            path=self.path,
            bytes=size,
            sha256=sha256,
            time_base=TIME_BASE,
            video=contents.ranges.get(Kind.VIDEO),
            audio=contents.ranges.get(Kind.AUDIO),
            anchors=contents.anchors,
            closed_by=closed_by,
        )


def segment_place(folder: LessonFolder, source: str, epoch: int, seq: int) -> SegmentPlace:
    """Where segment `seq` of a source is."""
    return SegmentPlace(source, epoch, seq, folder.relative(folder.segment_path(source, epoch, seq)))


@dataclass(slots=True)
class _Epoch:
    """The epoch being recorded. `label`: its first line in the journal, which its segments carry too."""

    number: int
    streams: Mapping[Kind, FeedStream]
    cutter: Cutter
    label: str


@dataclass(slots=True)
class _Segment:
    """A segment that is not handed to the disk for good yet; `contents` once it is complete."""

    place: SegmentPlace
    file: SegmentFile
    writer: SegmentWriter
    first: Ticks
    contents: Contents | None = None
    closed_by: str = ""
    kinds: set[Kind] = field(default_factory=set)

    def write(self, packet: FeedPacket) -> bool:
        self.kinds.add(packet.kind)
        return self.writer.write(packet)

    def commit(self, disk: Disk) -> None:
        """Have it made durable and named in the journal."""
        assert self.contents is not None  # noqa: S101 - complete
        place, contents, closed_by = self.place, self.contents, self.closed_by
        disk.commit(
            self.file,
            lambda size, sha256: SegmentCommitted(segment=place.record(contents, size, sha256, closed_by)),
        )


class Recorder:
    """Records one source of one lesson, epoch after epoch. Nothing here waits for the disk.

    An imported source that was interrupted reads its files anew from the beginning: the same packets make the same
    segments, and those that are committed already are not written again. A live one goes on in a new epoch. When a
    live epoch ends between two key frames while its pictures go on, they are stored as its `tail` up to the next key
    frame, beside what the new epoch has already: no picture is lost.
    """

    def __init__(
        self, folder: LessonFolder, spec: SourceSpec, state: SourceState, disk: Disk, sync: BackgroundSync
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._disk = disk
        self._sync = sync
        self._journaled_epochs = state.last_epoch + 1
        self._committed = state.numbering.next
        self._next_epoch = 0 if spec.imported else self._journaled_epochs
        self._seq = 0 if spec.imported else self._committed
        self._epoch: _Epoch | None = None
        self._current: _Segment | None = None
        self._tail: _Segment | None = None
        self._open: deque[_Segment] = deque()
        self.reached: Ticks = spec.start
        """Of an imported source: the lesson tick up to which its files have brought it."""

    @property
    def recording(self) -> bool:
        """Whether an epoch is open."""
        return self._epoch is not None

    @property
    def recorded_anything(self) -> bool:
        return max(self._seq, self._committed) > 0

    @property
    def epoch(self) -> int | None:
        """Number of the epoch that is open."""
        return self._epoch.number if self._epoch else None

    @property
    def last_epoch(self) -> int | None:
        """Number of the newest epoch that there ever was."""
        return self._journaled_epochs - 1 if self._journaled_epochs else None

    def start_epoch(
        self, streams: Mapping[Kind, FeedStream], reason: str, at: Moment, *, start: Ticks | None = None,
        origin: Ticks = 0,
    ) -> None:  # fmt: skip
        """A new uninterrupted timeline begins, with these streams; the others as in `EpochStarted`."""
        self._hand_over(streams)
        number, self._next_epoch = self._next_epoch, self._next_epoch + 1
        started = EpochStarted(
            source=self._spec.id,
            epoch=number,
            at=at,
            streams=tuple(stream.info for stream in streams.values()),
            start=start,
            origin=origin,
            reason=reason,
        )
        label = "" if self._spec.imported else encode_line(started).decode().strip()
        self._epoch = _Epoch(number, streams, Cutter(streams.keys()), label)
        if number >= self._journaled_epochs:
            self._disk.append(started)
            self._journaled_epochs = number + 1
        _log.info("epoch_started", epoch=number, reason=reason, streams=[str(kind) for kind in streams])

    def _hand_over(self, streams: Mapping[Kind, FeedStream]) -> None:
        """End the epoch before; where its pictures can go on, they do so until their next key frame."""
        segment, goes_on = self._current, Kind.VIDEO in streams and not self._spec.imported
        if segment and goes_on and self._tail is None and Kind.VIDEO in segment.kinds:
            self._tail, self._current = segment, None
            if self._epoch is not None:
                self._epoch.cutter.stop()
        self._end_current("break")
        if not goes_on:
            self._end_tail()

    def write(self, packet: FeedPacket) -> bool:
        """Store a packet, ending segments as the rules say; False if it lies before others that are stored.

        Raises `MediaError`.
        """
        epoch, tail = self._epoch, self._tail
        if tail is not None and packet.kind is Kind.VIDEO:
            if not packet.key and packet.pts - tail.first < TAIL_PATIENCE:
                return tail.write(packet)
            self._end_tail()
        if epoch is None:
            return False
        if epoch.cutter.due(packet):
            self._end_current("cut")
        if not epoch.cutter.started:
            epoch.cutter.start(packet)
            self._open_segment(epoch, packet)
        epoch.cutter.add(packet)
        return self._current is None or self._current.write(packet)

    def _open_segment(self, epoch: _Epoch, packet: FeedPacket) -> None:
        seq, self._seq = self._seq, self._seq + 1
        if seq < self._committed:
            return  # an interrupted import comes past what is there already
        place = segment_place(self._folder, self._spec.id, epoch.number, seq)
        file = self._disk.create(self._folder.absolute(place.path))
        writer = SegmentWriter(file.path, file, epoch.streams, label=epoch.label)
        self._current = _Segment(place, file, writer, packet.pts)
        self._open.append(self._current)
        self._watch()

    def _watch(self) -> None:
        self._sync.watch(*(segment.file.path for segment in (self._tail, self._current) if segment))

    def _end_current(self, closed_by: str) -> None:
        segment, self._current = self._current, None
        if self._epoch is not None:
            self._epoch.cutter.stop()
        self._complete(segment, closed_by)

    def _end_tail(self) -> None:
        segment, self._tail = self._tail, None
        self._complete(segment, "break")

    def _complete(self, segment: _Segment | None, closed_by: str) -> None:
        """Complete the file of a segment and hand in all that are complete, in their order."""
        if segment is None:
            return
        try:
            contents = segment.writer.finish()
        except BaseException:
            segment.writer.abandon()
            self._open.remove(segment)
            raise
        finally:
            self._watch()
        # when a file was read says nothing about when it was recorded
        segment.contents = replace(contents, anchors=()) if self._spec.imported else contents
        segment.closed_by = closed_by
        while self._open and self._open[0].contents is not None:
            self._open.popleft().commit(self._disk)

    def end_segment(self, closed_by: str) -> None:
        """Hand in everything being written. Raises `MediaError`."""
        self._end_tail()
        self._end_current(closed_by)

    def append(self, *records: Record) -> None:
        """Journal facts about this source."""
        self._disk.append(*records)

    def lost(self, reason: str, code: str) -> None:
        """The feed is gone: commit what there is of it and say so in the journal."""
        try:
            self.end_segment("lost")
        except MediaError as error:  # what could not be stored may be why it is lost
            _log.warning("segment_failed", error=str(error))
            self.abandon()
        self._epoch = None
        epoch = max(0, self._journaled_epochs - 1)
        lost = SourceLost(source=self._spec.id, epoch=epoch, at=Moment.now(), reason=reason, code=code)
        self._disk.append(lost, regardless=True)

    def finished(self) -> None:
        """Nothing more will come from this source."""
        self.end_segment("finish")
        self._disk.append(SourceFinished(source=self._spec.id, at=Moment.now()))

    def abandon(self) -> None:
        """Give up what is being written without committing it; the next start salvages what can be read."""
        for segment in self._open:
            segment.writer.abandon()
        self._open.clear()
        self._current = self._tail = None
        if self._epoch is not None:
            self._epoch.cutter.stop()
        self._watch()
