"""A box with one camera whose lesson is recorded on faked clocks: boots, power cuts, wall clocks that are wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

from classroom.recording import stop_reason
from lesson.clock import Moment
from lesson.model import Anchor, PtsRange, SegmentRecord
from lesson.records import EpochStarted, SegmentCommitted, Start
from lesson.state import LessonState
from tests.kit.lessons import MILLISECOND, SEGMENT_S, epoch_started, header, source

TEACHER = source("teacher", required=True)


class FakedBox:
    """`record` lets time pass and commits a segment each 4 s; every segment is asked whether the lesson must stop."""

    def __init__(self, wall: datetime, *, for_s: float | None = None, max_lesson_s: float = 4 * 3600.0) -> None:
        self.state = LessonState(header(sources=(TEACHER,)))
        self.max_lesson_s = max_lesson_s
        self._boots = self._epochs = self._segments = 0
        self.boot(wall)
        self.state.apply(Start(at=self.now, for_s=for_s))

    def boot(self, wall: datetime) -> None:
        """The box comes up, its clocks starting anew; nothing is recorded yet."""
        self._boots += 1
        self._monotonic_s = 30.0 + 7 * self._boots
        self._wall = wall
        self._epoch: EpochStarted | None = None

    @property
    def wall(self) -> datetime:
        return self._wall

    def set_clock(self, wall: datetime) -> None:
        """A time server (or a hand) sets the wall clock; the monotonic one goes on."""
        self._wall = wall

    @property
    def now(self) -> Moment:
        return Moment(
            f"boot-{self._boots}", round(self._monotonic_s * 1e9), self._wall.isoformat(timespec="milliseconds")
        )

    def wait(self, seconds: float) -> None:
        """Time passes, nothing is recorded."""
        self._monotonic_s += seconds
        self._wall += timedelta(seconds=seconds)

    def reason(self) -> str | None:
        """Why the lesson must stop now."""
        return stop_reason(self.state, self.now, max_lesson_s=self.max_lesson_s)

    def record(self, seconds: float) -> tuple[float, str | None]:
        """Record for `seconds`, or until the lesson must stop: how long it was, and why it must."""
        recorded = 0.0
        if self._epoch is None:
            if reason := self.reason():
                return 0.0, reason
            self._epoch = epoch_started(TEACHER, self._epochs, at=self.now)
            self._epochs += 1
            self._first_s = self._monotonic_s
            self.state.apply(self._epoch)
        while recorded < seconds:
            self.wait(SEGMENT_S)
            recorded += SEGMENT_S
            self.state.apply(SegmentCommitted(segment=self._segment()))
            if reason := self.reason():
                return recorded, reason
        return recorded, None

    def _segment(self) -> SegmentRecord:
        assert self._epoch is not None
        end = round(1000 * (self._monotonic_s - self._first_s))
        first = end - 1000 * SEGMENT_S
        self._segments += 1
        return SegmentRecord(
            source=TEACHER.id,
            epoch=self._epoch.epoch,
            seq=self._segments - 1,
            path=f"raw/teacher/e{self._epoch.epoch:02d}/{self._segments - 1:06d}.mkv",
            bytes=1,
            sha256="0" * 64,
            time_base=MILLISECOND,
            video=PtsRange(first=first, last=end - 40, end=end, key=first, packets=100),
            anchors=(Anchor(pts=first, monotonic_ns=round((self._monotonic_s - SEGMENT_S) * 1e9)),),
        )
