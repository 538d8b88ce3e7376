"""The clock of one live epoch: which line through the arrivals of its packets is the least late. Pure.

Every arrival of a packet says `monotonic - pts`: the offset between two clocks plus a delay that is never negative.
The line that touches the arrivals from below is therefore the clock (the least-delay envelope; the edge of the lower
convex hull over the middle of the window is the linear program of Moon, Skelly and Towsley, INFOCOM 1999).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lesson.model import Kind, SegmentRecord
from lesson.records import EpochStarted
from lesson.time import TICKS_PER_SECOND, Span, Ticks, ticks_from_ns, ticks_from_pts

FIT_WINDOW: Ticks = 120 * TICKS_PER_SECOND
MIN_BASE: Ticks = 30 * TICKS_PER_SECOND
"""Arrivals over less time than this say nothing about drift."""
MAX_SLOPE = 300e-6
"""Crystals stay within 100 ppm; what looks steeper is jitter."""
LATE_START: Ticks = TICKS_PER_SECOND // 4
"""How late the first packet of an epoch may be against the promptest: a key frame is large, and takes its time."""
CATCHING_UP: Ticks = TICKS_PER_SECOND // 5
"""What was held up comes in a burst: each packet of it is less late than the one before, the last one the least. Where
that makes more than this at the end of a segment, the next ones may be prompter still: the clock is not known yet."""
LAST_MOMENT: Ticks = TICKS_PER_SECOND // 2
"""The end of a segment: who is still catching up there has its promptest packet in it."""
MOST_UNSETTLED = 4
"""Segments after which an epoch is believed, whatever its arrivals look like."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet: its PTS in source ticks, and monotonic clock minus PTS when it had arrived."""

    pts: Ticks
    delay: Ticks


@dataclass(frozen=True, slots=True)
class Fit:
    """Monotonic clock minus PTS at the newest arrival; `residual`: how far a typical arrival lies above the line."""

    offset: Ticks
    residual: Ticks


def fit_clock(arrivals: Sequence[Arrival]) -> Fit:
    """The least-delay line through the newest `FIT_WINDOW` of arrivals, read at the newest. Needs at least one."""
    newest = max(arrival.pts for arrival in arrivals)
    points = sorted((a.pts - newest, a.delay) for a in arrivals if a.pts > newest - FIT_WINDOW)
    slope = _envelope_slope(points) if points[-1][0] - points[0][0] >= MIN_BASE else 0.0
    slope = max(-MAX_SLOPE, min(MAX_SLOPE, slope))
    heights = sorted(delay - slope * pts for pts, delay in points)
    return Fit(round(heights[0]), round(heights[len(heights) // 2] - heights[0]))


def _envelope_slope(points: Sequence[tuple[Ticks, Ticks]]) -> float:
    """Slope of the lower convex hull of sorted points where it passes their mean time."""
    hull: list[tuple[Ticks, Ticks]] = []
    for x, y in points:
        while len(hull) > 1 and _above(hull[-2], hull[-1], (x, y)):
            hull.pop()
        if hull and hull[-1][0] == x:  # sorted: the lower of two arrivals of one PTS came first
            continue
        hull.append((x, y))
    mean = sum(x for x, _ in points) / len(points)
    for (x0, y0), (x1, y1) in pairwise(hull):
        if x0 <= mean <= x1:
            return (y1 - y0) / (x1 - x0)
    return 0.0


def _above(a: tuple[Ticks, Ticks], b: tuple[Ticks, Ticks], c: tuple[Ticks, Ticks]) -> bool:
    """Whether `b` lies on or above the line from `a` to `c`."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def segment_arrivals(segment: SegmentRecord) -> list[Arrival]:
    """The arrivals a segment's record holds; none for imported and salvaged segments."""
    return [
        Arrival(pts := ticks_from_pts(anchor.pts, segment.time_base), ticks_from_ns(anchor.monotonic_ns) - pts)
        for anchor in segment.anchors
    ]


@dataclass(slots=True)
class EpochClock:
    """Arrivals of one live epoch, segment by segment, and the fits made of them so far.

    `spans`: source ticks of each segment, all its streams together. `made_at`: monotonic time (ticks) at which each fit
    could be made. `first_key`: PTS of the first decodable sample of each kind. `settled`: the first fit that is
    believed, None before there is one.
    """

    epoch: EpochStarted
    spans: list[Span] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)
    made_at: list[Ticks] = field(default_factory=list)
    first_key: dict[Kind, Ticks] = field(default_factory=dict)
    checked: int = 0
    settled: int | None = None

    def add(self, segment: SegmentRecord) -> None:
        found = [span for kind in Kind if (span := segment.span(kind)) is not None]
        if not found:
            return
        span = Span(min(one.start for one in found), max(one.end for one in found))
        before = self.arrivals[-1].delay if self.arrivals else None
        fit = self._fit(segment, span)
        if self.settled is None and (len(self.fits) + 1 >= MOST_UNSETTLED or not self._catches_up(span, before)):
            self.settled = len(self.fits)
        made_at = span.end + fit.offset
        self.spans.append(span)
        self.fits.append(fit)
        self.made_at.append(max(made_at, self.made_at[-1]) if self.made_at else made_at)
        for kind in Kind:
            packets = segment.range(kind)
            if packets is not None and kind not in self.first_key:
                self.first_key[kind] = ticks_from_pts(packets.key, segment.time_base)

    def _catches_up(self, span: Span, before: Ticks | None) -> bool:
        """Whether a segment ends in the midst of a burst of what had been held up.

        `before`: how late the segment before it was; None for the first, which has the moment the epoch was begun.
        """
        if not self.arrivals:  # salvaged: nothing will ever tell
            return False
        newest, allowed = self.arrivals[-1], CATCHING_UP
        if before is None:
            before, allowed = ticks_from_ns(self.epoch.at.monotonic_ns) - span.start, LATE_START
        return before - newest.delay > allowed and newest.pts >= span.end - LAST_MOMENT

    @property
    def placed_by(self) -> int:
        """Position of the fit that places the epoch: the first that is believed, failing that the newest."""
        return len(self.fits) - 1 if self.settled is None else self.settled

    @property
    def first(self) -> Fit:
        """The fit that places the epoch."""
        return self.fits[self.placed_by]

    def _fit(self, segment: SegmentRecord, span: Span) -> Fit:
        self.arrivals += segment_arrivals(segment)
        if not self.arrivals:  # salvaged: its arrivals are lost, the moment the epoch started is what is left
            return Fit(ticks_from_ns(self.epoch.at.monotonic_ns) - span.start, 0)
        newest = self.arrivals[-1].pts
        self.arrivals = [arrival for arrival in self.arrivals if arrival.pts > newest - 2 * FIT_WINDOW]
        return fit_clock(self.arrivals)

    def fit_at(self, monotonic: Ticks) -> Fit:
        """The fit as it was when the monotonic clock showed this; the first that is believed rules all before."""
        return self.fits[max(self.placed_by, bisect_right(self.made_at, monotonic) - 1)]
