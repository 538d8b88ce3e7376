"""From segments to observation journals: decode thinly, look, write one line a segment. Stateless but for warm-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import structlog

from lesson.errors import ClassreelError, MediaError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import Observation, Role, SegmentRecord
from lesson.records import SegmentObserved
from lesson.state import LessonView
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode import Picture, pictures
from process.memory import give_back
from process.stage import repeat
from tracking.analysis import DETECTOR, SIZE, FaceFinder, MotionMeter, brightness
from tracking.evidence_reader import EvidenceReader
from tracking.ink import INK_SIZE, InkMeter
from tracking.observe_order import Pending, first_pending, pending_ticks

SAMPLE: Ticks = TICKS_PER_SECOND // 4
THIN_BACKLOG: Ticks = 24 * TICKS_PER_SECOND
"""While recording, more pictures than this waiting for analysis: only key frames are looked at."""

_INK_ROLES = frozenset({Role.BOARD, Role.SCREEN})
_KEY_ROLES = frozenset({Role.STUDENTS, Role.STUDENTS_CLOSEUP})
_FACE_ROLES = frozenset({Role.TEACHER, Role.TEACHER_CLOSEUP, Role.STUDENTS, Role.STUDENTS_CLOSEUP})


@dataclass(slots=True)
class _Eye:
    """The meters of one source, and the last segment they were fed."""

    role: Role
    epoch: int = -1
    seq: int = -1
    motion: MotionMeter = field(default_factory=MotionMeter)
    ink: InkMeter | None = None
    faces: FaceFinder | None = None
    fed: int = 0

    def look(self, picture: Picture) -> Observation:
        grey = picture.gray(*SIZE)
        motion, level = self.motion.feed(grey)
        ink = self.ink.feed(picture.gray(*INK_SIZE)) if self.ink is not None else 0.0
        faces = self.faces.find(picture.bgr(*SIZE)) if self.faces is not None and self.fed % 2 == 0 else ()
        self.fed += 1
        return Observation(
            at=picture.at,
            faces=faces,
            motion=motion,
            motion_level=round(level, 5),
            board_activity=round(ink, 7),
            brightness=round(brightness(grey), 3),
        )


class Observer:
    """Observes the segments of one lesson, one after the other. Not for use from several threads."""

    def __init__(self, folder: LessonFolder) -> None:
        cv2.setNumThreads(1)  # two threads on a busy box sometimes tripled the time of a frame
        self._log = structlog.get_logger()
        self._view = LessonView(folder)
        self._evidence = EvidenceReader(folder, keep_observations=False)
        self._journals = {spec.id: JournalWriter(folder.observe_journal(spec.id)) for spec in folder.header.sources}
        self._eyes: dict[str, _Eye] = {}
        self._faces = FaceFinder()

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
        record = self._observed(pending, thin)
        self._journals[record.source].append(record)
        self._evidence.poll()
        give_back()
        return True

    def _observed(self, pending: Pending, thin: bool) -> SegmentObserved:
        segment = pending.segment
        observations: tuple[Observation, ...] = ()
        problem: str | None = None
        try:
            observations = tuple(self._look_through(pending, thin))
            problem = None if observations else "no picture could be decoded"
        except ClassreelError as error:
            problem = str(error)
        if problem is not None:
            self._log.warning("segment_skipped", path=segment.path, error=problem)
        return SegmentObserved(
            source=pending.source,
            epoch=segment.epoch,
            seq=segment.seq,
            detector=DETECTOR + ("-thin" if thin else ""),
            observations=observations,
            problem=problem,
        )

    def _look_through(self, pending: Pending, thin: bool) -> list[Observation]:
        eye = self._eye(pending)
        segment = pending.segment
        keys_only = thin or eye.role in _KEY_ROLES
        path = self._path(segment)
        found = [eye.look(picture) for picture in pictures([path], min_interval=SAMPLE, keys_only=keys_only)]
        eye.epoch, eye.seq = segment.epoch, segment.seq
        return found

    def _path(self, segment: SegmentRecord) -> Path:
        return self._view.folder.absolute(segment.path)

    def _eye(self, pending: Pending) -> _Eye:
        """The meters to look with: those of the segment before, or new ones that were shown its pictures."""
        segment = pending.segment
        eye = self._eyes.get(pending.source)
        if eye is not None and (eye.epoch, eye.seq) == (segment.epoch, segment.seq - 1):
            return eye
        source = self._view.state.sources[pending.source]
        role = source.spec.role
        ink = InkMeter(screen=role is Role.SCREEN) if role in _INK_ROLES else None
        eye = _Eye(role, ink=ink, faces=self._faces if role in _FACE_ROLES else None)
        before = source.segment(segment.epoch, segment.seq - 1)
        if before is not None:
            try:
                for picture in pictures([self._path(before)], min_interval=SAMPLE):
                    eye.look(picture)
            except MediaError:
                self._log.warning("warm_up_failed", path=before.path)
        self._eyes[pending.source] = eye
        return eye
