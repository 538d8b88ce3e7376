"""From segments to observation journals: decode thinly, let the detectors look, write one line for each of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import cv2
import structlog

from lesson.errors import ClassreelError, MediaError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import Kind, Observation, SegmentRecord
from lesson.records import SegmentObserved
from lesson.stretches import MIN_GAP
from lesson.time import Ticks
from lesson.view import LessonView
from media.decode.account import DecodingAccount
from media.decode.chain import Chain
from media.decode.pictures import pictures
from process.memory import give_back
from process.stage import repeat
from tracking.detector import Detector, Picture
from tracking.detectors import make_detector
from tracking.evidence import NO_PICTURE
from tracking.evidence_reader import EvidenceReader
from tracking.observe_order import Pending, first_pending, pending_ticks
from tracking.rules import RARE_SAMPLE, SAMPLE, THIN_BACKLOG


@dataclass(slots=True)
class _Detectors:
    """The detectors that look at one source, by their files, and the last segment they were shown."""

    by_name: dict[str, Detector]
    epoch: int = -1
    seq: int = -1
    found: dict[str, list[Observation]] = field(default_factory=dict)
    _shown: dict[str, Ticks] = field(default_factory=dict)

    @property
    def keys_only(self) -> bool:
        """Whether no detector wants more pictures than there are key frames."""
        return all(detector.interval >= RARE_SAMPLE for detector in self.by_name.values())

    def go_on_with(self, pending: Pending) -> bool:
        """Whether these are the detectors to look with, and were last shown the segment before."""
        before = (self.epoch, self.seq + 1)
        return tuple(self.by_name) == pending.detectors and before == (pending.segment.epoch, pending.segment.seq)

    def look_through(self, segment: SegmentRecord, shown: Iterator[Picture]) -> None:
        """Show every detector the pictures of a segment, its first one and then one each interval, and note what it
        finds. That depends on nothing but the segment and the one before: it is the same wherever a kill falls.
        """
        self.found = {name: [] for name in self.by_name}
        self._shown = {}
        for picture in shown:
            for name, detector in self.by_name.items():
                if name in self._shown and picture.at - self._shown[name] < detector.interval - SAMPLE // 2:
                    continue
                self._shown[name] = picture.at
                self.found[name].append(detector.feed(picture))
        self.epoch, self.seq = segment.epoch, segment.seq


def _undecoded(segment: SegmentRecord, kind: Kind, account: DecodingAccount) -> tuple[tuple[int, int], ...] | None:
    """The parts of a segment that are missing in the lesson because no decoder makes anything of them."""
    found = [part for span in segment.spans(kind) for part in account.undecoded(span, MIN_GAP)]
    return tuple((part.start, part.end) for part in found) or None


def _begins_intact(segment: SegmentRecord, detectors: _Detectors, account: DecodingAccount) -> bool:
    """Whether a decoder could begin with the segment alone."""
    span, undecoded = segment.span(Kind.VIDEO), _undecoded(segment, Kind.VIDEO, account)
    starts = span is None or not undecoded or undecoded[0][0] > span.start
    return starts and any(detectors.found.values())


class Observer:
    """Observes the segments of one lesson, one after the other. Not for use from several threads."""

    def __init__(self, folder: LessonFolder) -> None:
        cv2.setNumThreads(1)  # two threads on a busy box sometimes tripled the time of a frame
        self._log = structlog.get_logger()
        self._view = LessonView(folder, needs=("raw", "plan"))
        self._evidence = EvidenceReader(folder, keep_observations=False)
        self._journals = {spec.id: JournalWriter(folder.observe_journal(spec.id)) for spec in folder.header.sources}
        self._by_source: dict[str, _Detectors] = {}

    def close(self) -> None:
        for journal in self._journals.values():
            journal.close()

    def run(self) -> None:
        """Until everything that was recorded is observed."""
        repeat(self.step, lambda: self._view.state.captured and self._next() is None)

    def _next(self) -> Pending | None:
        return first_pending(self._view.state, self._evidence.evidence)

    def step(self) -> bool:
        """Observe the oldest segment; whether there was one."""
        self._view.poll()
        self._evidence.poll()
        pending = self._next()
        if pending is None:
            return False
        state = self._view.state
        live = not state.header.imported and state.stop is None
        thin = live and pending_ticks(state, self._evidence.evidence) > THIN_BACKLOG * len(state.sources)
        self._journals[pending.source].append(*self._observed(pending, thin))
        self._evidence.poll()
        give_back()
        return True

    def _observed(self, pending: Pending, thin: bool) -> list[SegmentObserved]:
        segment = pending.segment
        detectors = self._detectors_for(pending)
        problem: str | None = None
        joined, undecoded, unheard = False, None, self._unheard(segment)
        try:
            joined, account = self._look_through(detectors, segment, thin)
            undecoded = _undecoded(segment, Kind.VIDEO, account)
            problem = None if any(detectors.found.values()) else NO_PICTURE
        except ClassreelError as error:
            problem = str(error)
        if problem is not None:
            self._log.warning("segment_skipped", path=segment.path, error=problem)
        return [
            SegmentObserved(
                source=pending.source,
                epoch=segment.epoch,
                seq=segment.seq,
                detector=detectors.by_name[name].name + ("-thin" if thin else ""),
                observations=() if problem else tuple(detectors.found[name]),
                problem=problem,
                joined=joined,
                undecoded=None if problem else undecoded,
                unheard=unheard,
            )
            for name in pending.detectors
        ]

    def _look_through(self, detectors: _Detectors, segment: SegmentRecord, thin: bool) -> tuple[bool, DecodingAccount]:
        """Show the pictures of a segment; whether there were any only with the segment before it, and what else the
        decoder made of its packets.
        """
        keys_only = thin or detectors.keys_only
        path, account = self._view.folder.absolute(segment.path), DecodingAccount()
        detectors.look_through(segment, pictures([path], min_interval=SAMPLE, keys_only=keys_only, account=account))
        before, span = self._before(segment), segment.span(Kind.VIDEO)
        if before is not None and span is not None and not _begins_intact(segment, detectors, account):
            # its key frame may be one that only a decoder can begin with which has seen what came before
            both, more = [self._view.folder.absolute(before.path), path], DecodingAccount()
            shown = pictures(both, start=span.start, min_interval=SAMPLE, account=more)
            detectors.look_through(segment, (picture for picture in shown if picture.at >= span.start))
            more.intact |= account.intact
            return any(detectors.found.values()) and len(more.intact) > len(account.intact), more
        return False, account

    def _unheard(self, segment: SegmentRecord) -> tuple[tuple[int, int], ...] | None:
        """The parts of a segment with sound that nobody can decode. Decoding it costs a hundredth of looking at it."""
        account = DecodingAccount()
        if segment.range(Kind.AUDIO) is None:
            return None
        with suppress(MediaError):
            deque(Chain([self._view.folder.absolute(segment.path)], Kind.AUDIO, account=account), maxlen=0)
        return _undecoded(segment, Kind.AUDIO, account)

    def _before(self, segment: SegmentRecord) -> SegmentRecord | None:
        """The segment before, unless it kills whoever looks at it."""
        source = self._view.state.sources[segment.source]
        before = source.segment(segment.epoch, segment.seq - 1)
        return None if before is None or self._evidence.evidence.given_up(source, before) else before

    def _detectors_for(self, pending: Pending) -> _Detectors:
        """The detectors to look with: those of the segment before, or new ones that were shown its pictures."""
        segment = pending.segment
        detectors = self._by_source.get(pending.source)
        if detectors is not None and detectors.go_on_with(pending):
            return detectors
        source = self._view.state.sources[pending.source]
        detectors = _Detectors({name: make_detector(name, source.spec.role) for name in pending.detectors})
        before = self._before(segment)
        if before is not None:
            try:
                self._look_through(detectors, before, thin=False)
            except MediaError as error:
                self._log.warning("warm_up_failed", path=before.path, error=str(error))
        self._by_source[pending.source] = detectors
        return detectors
