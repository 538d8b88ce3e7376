"""What is wrong with what arrives: a picture that is black, a sound that is silent. Folded from measurements. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lesson.model import Kind, SegmentRecord
from lesson.mute import MuteState
from lesson.signal_record_types import SegmentMeasured, SoundLevels
from lesson.time import TICKS_PER_SECOND, Ticks
from lesson.translatable import gettext_noop


class Flaw(StrEnum):
    """Why what a source delivers is worth little, though it arrives."""

    BLACK = "black"
    COVERED = "covered"  # one colour all over, though a camera looks into a room
    UNDECODABLE = "undecodable"  # packets come, and no decoder makes a picture of them
    FROZEN = "frozen"  # the same picture to the last grain, though a camera looks into a room
    SILENT = "silent"  # nothing at all, not even the noise of a room
    FAINT = "faint"  # so little for so long that it may be the wrong microphone
    CLIPPED = "clipped"  # louder than can be stored: distorted
    HUM = "hum"  # the mains and nothing else


FLAW_KINDS: Mapping[str, Kind] = {
    Flaw.BLACK: Kind.VIDEO,
    Flaw.COVERED: Kind.VIDEO,
    Flaw.UNDECODABLE: Kind.VIDEO,
    Flaw.FROZEN: Kind.VIDEO,
    Flaw.SILENT: Kind.AUDIO,
    Flaw.FAINT: Kind.AUDIO,
    Flaw.CLIPPED: Kind.AUDIO,
    Flaw.HUM: Kind.AUDIO,
}
FLAW_WORDS: Mapping[str, str] = {
    Flaw.BLACK: gettext_noop("the picture is black"),
    Flaw.COVERED: gettext_noop("something covers the lens"),
    Flaw.UNDECODABLE: gettext_noop("the picture cannot be decoded"),
    Flaw.FROZEN: gettext_noop("the picture stands still"),
    Flaw.SILENT: gettext_noop("the sound is silent"),
    Flaw.FAINT: gettext_noop("hardly any sound is heard"),
    Flaw.CLIPPED: gettext_noop("the sound is distorted"),
    Flaw.HUM: gettext_noop("only humming is heard"),
}
"""For reports and the self-test, in English."""
FLAW_REMEDIES: Mapping[str, str] = {
    Flaw.BLACK: "take the cap off the lens, or switch the light on; of a screen, wake its computer",
    Flaw.COVERED: "look at the camera: something covers it",
    Flaw.UNDECODABLE: "unplug the camera and plug it in again; if that does not help, choose another codec in it",
    Flaw.FROZEN: "unplug the camera and plug it in again",
    Flaw.SILENT: "switch the microphone on, plug it in, and look whether this is the right one",
    Flaw.FAINT: "say something during the test; if somebody did, look whether this is the right microphone",
    Flaw.CLIPPED: "turn the microphone down",
    Flaw.HUM: "look at the cable of the microphone and where it is plugged in",
}
"""What to do about it, for whoever sets the box up."""
USELESS = frozenset({Flaw.BLACK, Flaw.COVERED, Flaw.UNDECODABLE, Flaw.FROZEN, Flaw.SILENT, Flaw.HUM})
"""What is recorded with one of these is as good as missing; with the others it is worse than it could be."""
_UNHEARD = frozenset(flaw for flaw in USELESS if FLAW_KINDS[flaw] is Kind.AUDIO)

_S = TICKS_PER_SECOND
PATIENCE: Mapping[str, Ticks] = {
    Flaw.BLACK: 7 * _S,
    Flaw.COVERED: 7 * _S,
    Flaw.UNDECODABLE: 7 * _S,
    Flaw.FROZEN: 11 * _S,
    Flaw.SILENT: 7 * _S,
    Flaw.FAINT: 60 * _S,
    Flaw.CLIPPED: 7 * _S,
    Flaw.HUM: 7 * _S,
}
"""Media in a row that must have a flaw before it is said: two or three segments of 4 s; somebody who walks past a lens,
a microphone that is switched on late or a shout is no flaw."""


@dataclass(frozen=True, slots=True)
class FlawStretch:
    """Where a flaw lasted longer than its patience: from one segment to another, both included."""

    flaw: str
    first: SegmentRecord
    last: SegmentRecord


@dataclass(slots=True)
class _Run:
    """Segments in a row with one flaw; `length`: of their media."""

    first: SegmentRecord
    last: SegmentRecord
    length: Ticks


@dataclass(slots=True)
class SignalState:
    """What the measured segments of one source amount to. `sound`: of the newest that has sound."""

    newest: SegmentMeasured | None = None
    known: SegmentMeasured | None = None
    """The newest that could be looked at."""
    sound: SoundLevels | None = None
    past: list[FlawStretch] = field(default_factory=list)
    """What was wrong and is over, in the order it ended."""
    mute: MuteState = field(default_factory=MuteState)
    _runs: dict[str, _Run] = field(default_factory=dict)

    def add(self, measured: SegmentMeasured, segment: SegmentRecord) -> None:
        """Fold one in; `segment` is the one that was measured. Older ones than the newest count no more."""
        if self.newest is not None and (measured.epoch, measured.seq) <= (self.newest.epoch, self.newest.seq):
            return
        self.newest = measured
        self.known = self.known if measured.problem else measured
        self.sound = measured.sound or self.sound
        self.mute.add(measured, segment, useless=not _UNHEARD.isdisjoint(measured.flaws))
        for flaw in [*self._runs]:
            if flaw not in measured.flaws and _tells(measured, flaw):
                self._end(flaw)
        for flaw in measured.flaws:
            self._prolong(flaw, segment)

    def _prolong(self, flaw: str, segment: SegmentRecord) -> None:
        length = max((span.duration for kind in Kind if (span := segment.span(kind))), default=0)
        run = self._runs.setdefault(flaw, _Run(segment, segment, 0))
        run.last, run.length = segment, run.length + length

    def _end(self, flaw: str) -> None:
        run = self._runs.pop(flaw)
        if run.length >= _patience(flaw):
            self.past.append(FlawStretch(flaw, run.first, run.last))

    @property
    def flaws(self) -> tuple[str, ...]:
        """What is wrong now, and has been for longer than its patience."""
        return tuple(flaw for flaw, run in self._runs.items() if run.length >= _patience(flaw))

    @property
    def stretches(self) -> list[FlawStretch]:
        """What was wrong, and what is still."""
        lasting = (FlawStretch(flaw, self._runs[flaw].first, self._runs[flaw].last) for flaw in self.flaws)
        return [*self.past, *lasting]


def _patience(flaw: str) -> Ticks:
    """That of a flaw; one of a later version has waited already."""
    return PATIENCE.get(flaw, 0)


def _tells(measured: SegmentMeasured, flaw: str) -> bool:
    """Whether a measurement without a flaw says that it is gone: it must have looked at that kind of stream."""
    kind = FLAW_KINDS.get(flaw)
    if kind is None:
        return measured.problem is None
    return (measured.picture if kind is Kind.VIDEO else measured.sound) is not None
