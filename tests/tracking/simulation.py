"""A planner following made-up feeds and analyses in simulated time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.simulated_feeds import FIRST_BOOT, SimulatedEpoch, exponential
from lesson.edition_state import prolonged, same_picture
from lesson.model import Kind, Observation, Rectangle, Role, SegmentRecord, SourceSpec
from lesson.records import FrozenUntil, Record, SegmentCommitted, SegmentObserved, Shot, Start, Stop
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.lessons import header, source
from tracking.clocks import LessonClock
from tracking.detectors import DETECTORS
from tracking.evidence import Evidence
from tracking.planner import Planner

S = TICKS_PER_SECOND
TEACHER, BOARD, MIC = source("teacher"), source("board"), source("mic")
AUDIO = (Kind.AUDIO,)
POLL_S = 0.5


@dataclass
class Run:
    """A planner following a lesson in simulated time; `frozen`: (true time, frozen until) of each freeze."""

    state: LessonState
    evidence: Evidence = field(default_factory=Evidence)
    plan: list[Record] = field(default_factory=list)
    frozen: list[tuple[float, Ticks]] = field(default_factory=list)

    def go(
        self,
        entries: list[tuple[float, Record]],
        until_s: float,
        *,
        blind: bool = False,
        killed: Callable[[], bool] = lambda: False,
    ) -> Run:
        clock = LessonClock(self.state)
        waiting = list(entries)
        for tick in range(round(until_s / POLL_S) + 1):
            now = tick * POLL_S
            while waiting and waiting[0][0] <= now:
                self.take(waiting.pop(0)[1])
            if killed():
                clock, self.evidence = LessonClock(self.state), self._evidence_again()
            planner = Planner(state=self.state, clock=clock, evidence=self.evidence, blind=blind)
            while due := planner.due(FIRST_BOOT.moment(now)):
                for record in due:
                    self.plan.append(record)
                    self.state.apply(record)
                    if isinstance(record, FrozenUntil):
                        self.frozen.append((now, record.at))
        return self

    def take(self, record: Record) -> None:
        if isinstance(record, SegmentObserved):
            self.seen.append(record)
            self.evidence.add(record)
        else:
            self.state.apply(record)

    seen: list[SegmentObserved] = field(default_factory=list)

    def _evidence_again(self) -> Evidence:
        evidence = Evidence()
        for record in self.seen:
            evidence.add(record)
        return evidence

    @property
    def shots(self) -> list[Shot]:
        return [record for record in self.plan if isinstance(record, Shot)]


def lesson(*sources: SourceSpec) -> Run:
    state = LessonState(header("plan", sources=sources))
    state.apply(Start(at=FIRST_BOOT.moment(0.0)))
    return Run(state)


def observed(
    entries: list[tuple[float, Record]], *, after_s: float = 1.0, seed: int = 0, boxes: bool = True
) -> list[tuple[float, Record]]:
    """An analysis of every picture segment, `after_s` after its commit, that sees a lecture somehow."""
    out = list(entries)
    for at, record in entries:
        if isinstance(record, SegmentCommitted) and (span := record.segment.span(Kind.VIDEO)):
            rng = random.Random(f"{seed} {record.segment.path}")
            looks = []
            writing, present = rng.random() < 0.4, rng.random() < 0.85
            for tick in range(span.start, span.end, S // 4):
                box = Rectangle(round(rng.uniform(0.1, 0.5), 3), 0.5, 0.1, 0.25)
                looks.append(
                    Observation(
                        at=tick,
                        motion=(box,) if present and boxes else (),
                        motion_level=0.02 if present else 0.0,
                        board_activity=3e-5 if writing and record.segment.source == "board" else 0.0,
                    )
                )
            out += [(at + after_s, line) for line in lines(record.segment, looks)]
    return sorted(out, key=lambda entry: entry[0])


def lines(segment: SegmentRecord, looks: list[Observation]) -> list[SegmentObserved]:
    """What the observer would journal: a line for each detector of the source, with its part of the looks."""
    parts = {
        "motion": [Observation(at=look.at, motion=look.motion, motion_level=look.motion_level) for look in looks],
        "ink": [Observation(at=look.at, board_activity=look.board_activity) for look in looks],
        "faces": [Observation(at=look.at, faces=look.faces) for look in looks[::2]],
    }
    return [
        SegmentObserved(
            source=segment.source,
            epoch=segment.epoch,
            seq=segment.seq,
            detector=f"{name}/1",
            observations=tuple(parts[name]),
        )
        for name in DETECTORS[Role(segment.source)]
    ]


def stop(at_s: float) -> tuple[float, Record]:
    return at_s, Stop(at=FIRST_BOOT.moment(at_s))


def feeds(end_s: float, **fields: object) -> list[SimulatedEpoch]:
    values = {"jitter": exponential(0.01), "finished": True, **fields}
    return [
        SimulatedEpoch(TEACHER, 0.0, end_s + 0.3, **values),  # type: ignore[arg-type]
        SimulatedEpoch(BOARD, 0.4, end_s + 0.2, origin_s=7.4, **values),  # type: ignore[arg-type]
        SimulatedEpoch(MIC, 0.1, end_s + 0.25, kinds=AUDIO, **values),  # type: ignore[arg-type]
    ]


def assert_tiles(shots: list[Shot], end: Ticks) -> None:
    assert shots[0].span.start == 0
    assert shots[-1].span.end == end
    assert all(before.span.end == after.span.start for before, after in pairwise(shots))


def joined(shots: list[Shot]) -> list[Shot]:
    found: list[Shot] = []
    whole: Shot | None = None
    for shot in shots:
        whole = prolonged(whole, shot)
        if found and same_picture(found[-1], shot):
            found.pop()
        found.append(whole)
    return found
