"""Turns packets into committed segments of one source: the only writer of its raw folder and journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from capture.background_sync import BackgroundSync
from capture.rules import Continuity, Cutter
from lesson.clock import Moment
from lesson.durable import make_folder
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.records import EpochStarted, SegmentCommitted, SourceFinished, SourceLost, StreamAccount
from lesson.state import SourceState
from lesson.time import Ticks
from media.packets import Announced, FeedPacket, Track
from media.segment import TIME_BASE, SegmentWriter, StoredSegment

_log = structlog.get_logger()


def segment_record(
    folder: LessonFolder, source: str, epoch: int, seq: int, stored: StoredSegment, closed_by: str
) -> SegmentRecord:
    """The record that commits a finished segment file."""
    return SegmentRecord(
        source=source,
        epoch=epoch,
        seq=seq,
        path=folder.relative(folder.segment_path(source, epoch, seq)),
        bytes=stored.bytes,
        sha256=stored.sha256,
        time_base=TIME_BASE,
        video=stored.ranges.get(Kind.VIDEO),
        audio=stored.ranges.get(Kind.AUDIO),
        anchors=stored.anchors,
        closed_by=closed_by,
    )


@dataclass(slots=True)
class _Epoch:
    """The epoch being recorded; `origin` and `start` as in `EpochStarted`, `reach` the greatest end seen."""

    number: int
    tracks: Mapping[Kind, Track]
    cutter: Cutter
    continuity: Continuity
    origin: Ticks
    start: Ticks | None
    reach: Ticks


class Recorder:
    """Records one source of one lesson, epoch after epoch.

    An imported source that was interrupted reads its files anew from the beginning: the same packets make the same
    segments, and those that are committed already are not written again. A live one goes on in a new epoch.
    """

    def __init__(
        self, folder: LessonFolder, spec: SourceSpec, state: SourceState, journal: JournalWriter, sync: BackgroundSync
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._journal = journal
        self._sync = sync
        self._journaled_epochs = state.last_epoch + 1
        self._committed = state.next_seq
        self._next_epoch = 0 if spec.imported else self._journaled_epochs
        self._seq = 0 if spec.imported else self._committed
        self._epoch: _Epoch | None = None
        self._writer: SegmentWriter | None = None
        self._dropped = 0
        self._part_start = self._end = spec.start  # lesson ticks, of a file

    @property
    def recording(self) -> bool:
        """Whether an epoch is open."""
        return self._epoch is not None

    @property
    def recorded_anything(self) -> bool:
        return self._committed > 0

    def start_epoch(self, tracks: Mapping[Kind, Track], origin: Ticks, reason: str = "start") -> None:
        """A new uninterrupted timeline begins, with these streams; of a file where the one before ended."""
        self._part_start = self._end
        self._begin(tracks, origin, self._end, Continuity(live=not self._spec.imported), reason)

    def _begin(
        self, tracks: Mapping[Kind, Track], origin: Ticks, start: Ticks, continuity: Continuity, reason: str
    ) -> None:
        number, self._next_epoch = self._next_epoch, self._next_epoch + 1
        lesson_start = start if self._spec.imported else None
        self._epoch = _Epoch(number, tracks, Cutter(tracks.keys()), continuity, origin, lesson_start, origin)
        if number >= self._journaled_epochs:
            self._journal.append(
                EpochStarted(
                    source=self._spec.id,
                    epoch=number,
                    at=Moment.now(),
                    streams=tuple(track.info for track in tracks.values()),
                    start=lesson_start,
                    origin=origin,
                    reason=reason,
                )
            )
            self._journaled_epochs = number + 1
        _log.info("epoch started", epoch=number, reason=reason, streams=[str(kind) for kind in tracks])

    def write(self, packet: FeedPacket) -> None:
        """Store a packet, ending segments and epochs as the rules say. Raises `StorageError`, `MediaError`."""
        epoch = self._epoch
        if epoch is None or packet.kind not in epoch.tracks or epoch.continuity.straggler(packet):
            return
        broken = epoch.continuity.broken_by(packet)
        if broken:
            epoch = self._broken(epoch, packet, broken)
        if epoch.cutter.useless(packet):
            return
        if epoch.cutter.due(packet):
            self.end_segment("cut")
        if not epoch.cutter.started:
            epoch.cutter.start(packet)
            self._open_segment(epoch)
        epoch.reach = max(epoch.reach, packet.end)
        self._end = (epoch.start or 0) + epoch.reach - epoch.origin
        if self._writer is not None and not self._writer.write(packet):
            self._dropped += 1

    def _broken(self, epoch: _Epoch, packet: FeedPacket, reason: str) -> _Epoch:
        self.end_segment("break")
        self._begin(epoch.tracks, packet.pts, self._end, epoch.continuity.next_epoch(), reason)
        assert self._epoch is not None  # noqa: S101 - just begun
        self._epoch.continuity.broken_by(packet)
        return self._epoch

    def _open_segment(self, epoch: _Epoch) -> None:
        if self._seq < self._committed:
            return  # an interrupted import comes past what is there already
        path = self._folder.segment_path(self._spec.id, epoch.number, self._seq)
        make_folder(path.parent)
        self._writer = SegmentWriter(path, epoch.tracks)
        self._sync.watch(path)

    def end_segment(self, closed_by: str) -> None:
        """Commit the segment being written, if there is one. Raises `StorageError`, `MediaError`."""
        epoch, writer, self._writer = self._epoch, self._writer, None
        self._sync.watch(None)
        if epoch is None or not epoch.cutter.started:
            return
        if writer is not None:
            self._commit(epoch, writer, closed_by)
        epoch.cutter.stop()
        self._seq += 1

    def _commit(self, epoch: _Epoch, writer: SegmentWriter, closed_by: str) -> None:
        try:
            stored = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        if self._spec.imported:  # when a file was read says nothing about when it was recorded
            stored = replace(stored, anchors=())
        record = segment_record(self._folder, self._spec.id, epoch.number, self._seq, stored, closed_by)
        self._journal.append(SegmentCommitted(segment=record))
        self._committed = self._seq + 1
        if self._dropped:
            _log.warning("packets out of order were dropped", packets=self._dropped)
            self._dropped = 0

    def lost(self, reason: str) -> None:
        """The feed is gone: commit what there is of it and say so in the journal."""
        self.end_segment("lost")
        self._epoch = None
        epoch = max(0, self._journaled_epochs - 1)
        self._journal.append(SourceLost(source=self._spec.id, epoch=epoch, at=Moment.now(), reason=reason))

    def account(self, announced: Iterable[Announced]) -> None:
        """Say what became of the streams of the file that was recorded; what follows it begins after its length."""
        epoch = self._epoch
        if epoch is None:
            return
        before = (epoch.start or 0) - self._part_start  # what of the file lies in earlier epochs
        for stream in announced:
            self._journal.append(
                StreamAccount(
                    source=self._spec.id, epoch=epoch.number, stream=stream.stream, kind=stream.kind,
                    codec=stream.codec, used=stream.used, code=stream.code,
                    stated=None if stream.stated is None else stream.stated - before,
                )
            )  # fmt: skip
            if stream.used and stream.stated is not None:
                self._end = max(self._end, self._part_start + stream.stated)

    def finished(self) -> None:
        """Nothing more will come from this source."""
        self.end_segment("finish")
        self._journal.append(SourceFinished(source=self._spec.id, at=Moment.now()))

    def abandon(self) -> None:
        """Give up the segment being written without committing it; the next start salvages what can be read."""
        self._sync.watch(None)
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
