"""`ChunkJob`: all that is needed to make some consecutive chunks of video, as data that any executor can carry."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from encode.inputs import digest_of
from encode.programme import Composition, EpochRef, Piece, programme
from lesson.folder import LessonFolder
from lesson.model import Kind, Rendition, SegmentRecord
from lesson.records import CropPath, encode_line
from lesson.state import LessonState
from lesson.time import ClockMap, Grid, Span, Ticks, merged, source_tick, ticks_from_pts

Slot: TypeAlias = tuple[int, int]
"""A chunk: how long it is, in chunks of the lesson's grid, and its number among those."""
BRIDGE: Ticks = 4 * 48_000
"""A source that is away for less than this is decoded through; else its decoder is opened anew where it returns."""


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """A segment file and the digest of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A stretch of one epoch to be decoded: pictures for lesson ticks `span`, from consecutive `segments`."""

    epoch: EpochRef
    span: Span
    maps: tuple[ClockMap, ...]
    segments: tuple[SegmentRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkJob:
    """Consecutive chunks of an edition to be made by `encode.chunk.run`: frozen, picklable, safe to repeat.

    `canvas`: size the programme is composed at. `inputs`: for each chunk the digest of everything that decides its
    pictures, but for the rendition.
    """

    grid: Grid
    first: int
    spans: tuple[Span, ...]
    inputs: tuple[str, ...]
    canvas: tuple[int, int]
    renditions: tuple[Rendition, ...]
    pieces: tuple[Piece, ...]
    clips: tuple[Clip, ...]
    crops: tuple[CropPath, ...]
    edition: int = 0
    multiple: int = 1

    @property
    def indices(self) -> range:
        return range(self.first, self.first + len(self.spans))

    @property
    def slots(self) -> set[Slot]:
        """Which chunks these are."""
        return {(self.multiple, index) for index in self.indices}


def make_job(
    folder: LessonFolder, state: LessonState, spans: dict[int, Span], renditions: Sequence[Rendition]
) -> ChunkJob:
    """The job for consecutive chunks, by index, all of one length; the plan must be frozen over them."""
    whole = Span(min(s.start for s in spans.values()), max(s.end for s in spans.values()))
    plan = programme(state, whole)
    pieces, clips, crops = _material(folder, state, plan, whole)
    canvas, multiple = canvas_of(state.header.ladder), renditions[0].grid_multiple
    return ChunkJob(
        grid=state.header.grid_of(multiple),
        first=min(spans),
        spans=tuple(spans[index] for index in sorted(spans)),
        inputs=tuple(_digest(canvas, *_material(folder, state, plan, spans[index])) for index in sorted(spans)),
        canvas=canvas,
        renditions=tuple(renditions),
        pieces=pieces,
        clips=clips,
        crops=crops,
        edition=state.edition.number,
        multiple=multiple,
    )


def picture_inputs(folder: LessonFolder, state: LessonState, span: Span) -> str:
    """The digest of everything that decides the pictures of a chunk, but for the rendition."""
    return _digest(canvas_of(state.header.ladder), *_material(folder, state, programme(state, span), span))


def canvas_of(ladder: Iterable[Rendition]) -> tuple[int, int]:
    """The size of the largest rung."""
    return max(((r.width, r.height) for r in ladder if r.kind is Kind.VIDEO), key=lambda size: size[0] * size[1])


def _material(
    folder: LessonFolder, state: LessonState, plan: Iterable[Piece], span: Span
) -> tuple[tuple[Piece, ...], tuple[Clip, ...], tuple[CropPath, ...]]:
    pieces = tuple(Piece(part, piece.composition) for piece in plan if (part := piece.span.intersection(span)))
    clips = tuple(clip for epoch in _epochs(pieces) for clip in _clips(folder, state, pieces, epoch))
    sources = {clip.epoch.source for clip in clips}
    crops = tuple(crop for crop in state.crops_over(span) if crop.source in sources)
    return pieces, clips, crops


def _epochs(pieces: Iterable[Piece]) -> list[EpochRef]:
    return sorted({epoch for piece in pieces for epoch in piece.epochs})


def _clips(folder: LessonFolder, state: LessonState, pieces: Iterable[Piece], epoch: EpochRef) -> Iterable[Clip]:
    source = state.sources[epoch.source]
    maps = tuple(source.maps.get(epoch.number, ()))
    uses = merged((piece.span for piece in pieces if epoch in piece.epochs), slack=BRIDGE)
    for span in uses:
        start = source_tick(maps, span.start)
        decoded = Span(start, max(start, source_tick(maps, span.end)))
        needed = source.segments_of(Kind.VIDEO, epoch.number).decoded_for(decoded)
        refs = tuple(SegmentRef(folder.absolute(segment.path), segment.sha256) for segment in needed)
        ruling = tuple(m for m in maps if m is maps[0] or m.span.start < span.end)
        yield Clip(epoch=epoch, span=span, maps=ruling, segments=refs)


def segments_from(segments: Sequence[SegmentRecord], start: Ticks, kind: Kind) -> Sequence[SegmentRecord]:
    """Of the segments of one epoch, in order, those in which a decoder finds everything from source tick `start` on.

    Begins with the last one whose first decodable packet is not after `start`. All must hold this kind.
    """
    first = bisect_right(segments, start, key=lambda segment: _decodable_from(segment, kind))
    return segments[max(0, first - 1) :]


def _decodable_from(segment: SegmentRecord, kind: Kind) -> Ticks:
    packets = segment.range(kind)
    assert packets is not None  # noqa: S101 asked of segments with this kind only
    return ticks_from_pts(packets.key, segment.time_base)


def _digest(
    canvas: tuple[int, int], pieces: tuple[Piece, ...], clips: tuple[Clip, ...], crops: tuple[CropPath, ...]
) -> str:
    """Names the inputs of a chunk without naming places on this machine."""
    return digest_of(
        canvas,
        [(p.span.start, p.span.end, *_named(p.composition)) for p in pieces],
        [(c.epoch.source, [(m.offset, m.ppm) for m in c.maps], [s.sha256 for s in c.segments]) for c in clips],
        [encode_line(crop).decode() for crop in crops],
    )


def _named(composition: Composition) -> tuple[object, ...]:
    """A composition as digests of every version have it: they must not change with a word of ours."""
    inset = composition.inset
    named = f"Feed(source={inset.source!r}, epoch={inset.number})" if inset else None
    return composition.layout, [epoch.source for epoch in composition.main], named
