"""A rung and a gap in the words of the outside contract: one shape for command line, API and manifest.

Nothing in it names a device or an address.
"""

from __future__ import annotations

from dataclasses import dataclass

from lesson.gaps import Gap
from lesson.loss import loss_words, public_code
from lesson.model import Kind, Rendition
from lesson.state import LessonState
from lesson.time import Ticks, seconds_from_ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionSummary:
    """What was encoded of a rung so far: bit rates in bit/s as measured; sound has size and frame rate 0."""

    name: str
    kind: str
    codec: str
    codecs: str | None
    width: int
    height: int
    fps: float
    avg_bps: int
    peak_bps: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapSummary:
    """A stretch in which a source delivered nothing of a kind, in seconds of the lesson; `code` is a `Loss`."""

    source: str
    kind: str
    start_s: float
    end_s: float
    code: str
    reason: str


def rounded_s(ticks: Ticks) -> float:
    """Seconds to the millisecond, as every summary gives them."""
    return round(seconds_from_ticks(ticks), 3)


def rendition_summary(state: LessonState, rendition: Rendition) -> RenditionSummary:
    """What was encoded of a rung so far."""
    progress = state.renditions[rendition.name]
    return RenditionSummary(
        name=rendition.name,
        kind=rendition.kind.value,
        codec=rendition.codec,
        codecs=progress.started.codecs if progress.started else None,
        width=rendition.width,
        height=rendition.height,
        fps=float(state.header.grid.fps / rendition.frame_divisor) if rendition.kind is Kind.VIDEO else 0.0,
        avg_bps=progress.rate.average_bps,
        peak_bps=progress.rate.peak_bps,
        bytes=progress.rate.bytes,
    )


def gap_summary(gap: Gap) -> GapSummary:
    """A gap; the journal's own words for it may name a device, so they are left out."""
    return GapSummary(
        source=gap.source,
        kind=gap.kind.value,
        start_s=rounded_s(gap.span.start),
        end_s=rounded_s(gap.span.end),
        code=public_code(gap.code),
        reason=loss_words(gap.code),
    )
