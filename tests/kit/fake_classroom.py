"""A recording classroom on a clock of the test's own: capture processes that exist only there, and what they record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lesson.clock import Moment
from lesson.model import Anchor, SegmentRecord, SourceSpec
from lesson.records import Record, SegmentCommitted
from tests.kit.fake_processes import FakeChild, FakeClock, FakeLauncher
from tests.kit.lessons import epoch_started, moment, segment

SEGMENT_S = 4.0


def moment_on(clock: FakeClock) -> Moment:
    """The clock's time on all clocks of a box whose clocks are right."""
    return moment(clock.now - 1_000.0)


@dataclass
class _Recording:
    child: FakeChild
    epoch: int
    began: float
    reached: float


@dataclass
class FakeClassroom:
    """Whatever capture process lives records; `commit` gets every record. `recorded_s`: by source."""

    clock: FakeClock
    launcher: FakeLauncher
    sources: tuple[SourceSpec, ...]
    commit: Callable[[Record], None]
    recorded_s: dict[str, float] = field(default_factory=dict)
    _recordings: dict[str, _Recording] = field(default_factory=dict)
    _seq: dict[str, int] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)

    def live(self) -> None:
        """Record what has become due; call it often."""
        recording = {c.job.source: c for c in self.launcher.alive if c.job.stage == "capture" and c.stirred()}
        for spec in self.sources:
            child = recording.get(spec.id)
            if child is None:
                self._recordings.pop(spec.id, None)
                continue
            known = self._recordings.get(spec.id)
            if known is None or known.child is not child:
                known = self._recordings[spec.id] = self._began(spec, child)
            while self.clock.now - known.reached >= SEGMENT_S:
                self.commit(SegmentCommitted(segment=self._segment(spec, known)))

    def _began(self, spec: SourceSpec, child: FakeChild) -> _Recording:
        epoch = self._epochs[spec.id] = self._epochs.get(spec.id, -1) + 1
        self.commit(epoch_started(spec, epoch, at=moment_on(self.clock)))
        return _Recording(child, epoch, self.clock.now, self.clock.now)

    def _segment(self, spec: SourceSpec, known: _Recording) -> SegmentRecord:
        seq = self._seq[spec.id] = self._seq.get(spec.id, -1) + 1
        first = round(1000 * (known.reached - known.began))
        arrival = moment(known.reached - 1_000.0).monotonic_ns
        known.reached += SEGMENT_S
        self.recorded_s[spec.id] = self.recorded_s.get(spec.id, 0.0) + SEGMENT_S
        made = segment(spec, seq, epoch=known.epoch, start_s=first / 1000, seconds=SEGMENT_S)
        return replace(made, anchors=(Anchor(pts=first, monotonic_ns=arrival),))
