"""The plan of a lesson: one round from what the journals say to the records that are due. Pure; the shell is `run`.

A round gives at most one kind of news (the origin, clock maps, or one frozen stretch); it is journaled and folded
before the next. So a kill at any instant costs nothing but the round. A plan is frozen by whole chunks: nobody could
use less, and what is decided later is decided better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lesson.clock import Moment
from lesson.edition_state import same_picture
from lesson.model import Kind, Role
from lesson.records import CropPath, FrozenUntil, Mapped, Record, SegmentJoined, SegmentUnheard, SegmentUnseen, Shot
from lesson.roles import picture_order
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import Span, Ticks, merged
from tracking.backups import backups_heard
from tracking.clocks import LessonClock
from tracking.crops import crop_path
from tracking.director import direct
from tracking.evidence import Evidence
from tracking.horizon import known_until
from tracking.origin import choose_origin
from tracking.rules import ANALYSIS_LAG, MOST_CHUNKS, RAGGED, CropRules, Rules
from tracking.situation import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """The rules of one lesson's plan. `blind`: no analysis at all, the safe wide shot throughout.

    `end`: where the lesson ends, if that was found before.
    """

    state: LessonState
    clock: LessonClock
    evidence: Evidence
    blind: bool = False
    end: Ticks | None = None

    @property
    def rules(self) -> Rules:
        return Rules(grid=self.state.header.grid)

    def due(self, now: Moment) -> list[Record]:
        """The records to append now; empty while there is something to wait for, or the plan is final."""
        state = self.state
        if state.final:
            return []
        if state.origin is None:
            origin = choose_origin(state, self.clock, now)
            if origin is not None:
                return [origin]
            nothing = state.captured and not any(source.segments for source in state.sources.values())
            return [FrozenUntil(at=0, final=True)] if nothing else []
        maps = self.clock.due_maps()
        if maps:
            return [Mapped(map=found) for found in maps]
        looked = [*self._unseen(), *self._undecoded(), *self._joined()]
        if looked:
            return looked
        return self.frozen_stretch(now)

    def _unseen(self) -> list[Record]:
        """What nobody can see, as far as it is not journaled: from then on it is as if it were not there."""
        return [
            SegmentUnseen(source=name, epoch=epoch, seq=seq)
            for name, epoch, seq in sorted(self.evidence.unseen)
            if (source := self.state.sources.get(name)) and source.segment(epoch, seq) and source.seen(epoch, seq)
        ]

    def _undecoded(self) -> list[Record]:
        """The same of parts of segments, and of sound."""
        return [
            _missing(kind)(source=name, epoch=epoch, seq=seq, start=part.start, end=part.end)
            for kind in Kind
            for name, epoch, seq, part in sorted(self.evidence.undecoded[kind])
            if (source := self.state.sources.get(name))
            and source.segment(epoch, seq)
            and source.decoded(kind, epoch, part)
        ]

    def _joined(self) -> list[Record]:
        """What can be decoded only with what came before, as far as it is not journaled: who decodes begins earlier."""
        return [
            SegmentJoined(source=name, epoch=epoch, seq=seq)
            for name, epoch, seq in sorted(self.evidence.joined)
            if (source := self.state.sources.get(name)) and source.segment(epoch, seq) and not source.joined(epoch, seq)
        ]

    def frozen_stretch(self, now: Moment) -> list[Record]:
        """Shots, crops and backups of the next chunks that can be decided, and that they are frozen; empty for none."""
        state, rules, chunk = self.state, self.rules, self.state.header.grid.chunk
        end = (self.end or lesson_end(state, self.clock)) if state.captured else None
        observed = None if self.blind else self._observed_until()
        # three ticks bound it: the end of the lesson, once all is recorded; where detectors have looked (None:
        # everywhere); and, while it is recorded, until where it is certain what the sources show
        if end is not None and (observed is None or observed >= end):
            target = end  # nothing is awaited any more: the last chunk may be shorter, and needs no look-ahead
        else:
            known = end if end is not None else known_until(state, self.clock, now)
            if known is None:
                return []
            # a class does not wait for the analysis; files do, and so does what is left of a lesson after Stop
            live = end is None and not state.header.imported
            analysed = known if observed is None else min(known, observed)
            target = max(analysed, known - ANALYSIS_LAG) if live else analysed
            # the director decides with this much future, and encoding wants whole chunks
            target = (target - rules.look_ahead) // chunk * chunk
        reached = min(target, (state.frozen_until // chunk + MOST_CHUNKS) * chunk)
        final = end is not None and reached == end
        # the end is frozen even where nothing lies between: a lesson may end with the last frozen chunk
        if reached <= state.frozen_until and not final:
            return []
        span = Span(state.frozen_until, max(reached, state.frozen_until))
        return [*self._shots(span, end), *backups_heard(state, span), FrozenUntil(at=span.end, final=final)]

    def _observed_until(self) -> Ticks | None:
        """Lesson tick of the first picture that is still to be analysed."""
        found = [self.evidence.observed_until(source) for source in self.state.sources.values()]
        return min((at for at in found if at is not None), default=None)

    @property
    def needed_from(self) -> Ticks:
        """The lesson tick before which no observation will be asked for any more."""
        return self.state.frozen_until - max(self.rules.memory, CropRules().memory)

    def _shots(self, span: Span, end: Ticks | None) -> list[Record]:
        if span.empty:
            return []
        running = self.state.running
        shots = direct(self._candidates(span), self.rules, span, running, end=end)
        return [*shots, *self.crops(shots, running)]

    def _candidates(self, span: Span) -> list[Candidate]:
        rules = self.rules
        window = Span(max(0, span.start - rules.memory), span.end + rules.look_ahead)
        candidates: list[Candidate] = []
        for source_id in picture_order(self.state):
            source = self.state.sources[source_id]
            spans = (stretch.span for stretch in source.stretches(Kind.VIDEO, window))
            covered = tuple(merged(spans, slack=MIN_GAP - 1))  # over a shorter hole the last picture stands
            candidate = Candidate(id=source_id, role=source.spec.role, covered=covered)
            if not self.blind:
                observed = tuple(self.evidence.observed_spans(source, window))
                candidate = replace(candidate, observed=observed, seen=tuple(self.evidence.seen(source, window)))
            candidates.append(candidate)
        return candidates

    def crops(self, shots: list[Shot], running: Shot | None) -> list[CropPath]:
        """The virtual cameras of `shots`, the first of which may go on with `running`."""
        if self.blind:
            return []
        found: list[CropPath] = []
        for index, shot in enumerate(shots):
            goes_on = index == 0 and running is not None and same_picture(running, shot)
            for source_id in shot.sources:
                path = self._crop(shot, self.state.sources[source_id], goes_on)
                if path is not None:
                    found.append(path)
        return found

    def _crop(self, shot: Shot, source: SourceState, goes_on: bool) -> CropPath | None:
        rules = self._crop_rules(source)
        if source.spec.role is not Role.TEACHER or rules is None:
            return None
        window = Span(max(0, shot.span.start - rules.memory), shot.span.end + rules.ahead)
        seen = self.evidence.seen(source, window)
        before = self.state.last_crops.get(source.spec.id)
        return crop_path(seen, rules, source.spec.id, shot.span, cut=not goes_on, before=before)

    def _crop_rules(self, source: SourceState) -> CropRules | None:
        """The rules for a crop of the canvas's shape, or None where a crop of that shape makes no sense."""
        canvas = max(
            (r for r in self.state.header.ladder if r.kind is Kind.VIDEO),
            key=lambda r: r.width * r.height,
            default=None,
        )
        streams = (s for e in reversed(source.epochs) for s in reversed(e.streams) if s.kind is Kind.VIDEO)
        newest = next(streams, None)
        if canvas is None or newest is None or min(newest.width, newest.height) <= 0 or newest.width < newest.height:
            return None
        aspect = (canvas.width / canvas.height) / (newest.width / newest.height)
        return CropRules(aspect=1.0 if abs(aspect - 1.0) < CropRules().same_shape else aspect)


def lesson_end(state: LessonState, clock: LessonClock) -> Ticks:
    """The end of a captured lesson, in whole frames: imported, where the last file ends; live, the Stop moment."""
    kinds = [(source, kind) for source in state.sources.values() for kind in Kind]
    reaches = ([source.reach(kind), *(span.end for span in source.damaged(kind)[-1:])] for source, kind in kinds)
    ends = [max(known) for reach in reaches if (known := [end for end in reach if end is not None])]
    end = max(ends, default=0)
    if state.stop is not None and not state.header.imported:
        stopped = clock.lesson_time(state.stop.at)
        end = end if stopped is None else min(end, stopped)
    end = min([end, *(e for e in ends if e >= end - RAGGED)])
    frame = state.header.grid.frame
    return max(state.frozen_until, end // frame * frame)


def _missing(kind: Kind) -> type[SegmentUnseen | SegmentUnheard]:
    return SegmentUnseen if kind is Kind.VIDEO else SegmentUnheard
