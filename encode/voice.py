"""The voice of the lesson: for each instant the best source that has sound, silence where none has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from encode.inputs import digest_of
from encode.jobs import segments_from
from encode.programme import EpochIndex, EpochRef
from lesson.errors import MediaError
from lesson.folder import LessonFolder
from lesson.model import Kind, SegmentRecord
from lesson.roles import voice_order
from lesson.state import LessonState
from lesson.time import Span, Ticks, source_tick
from media.decode.sound import PREROLL, AudioBlock, sound
from media.output.audio_encoder import BLOCK, LOOKAHEAD_BLOCKS, PREROLL_BLOCKS

Pcm = npt.NDArray[np.float32]

FADE: Ticks = 240
"""Sound begins and ends, where a source comes or goes, with 5 ms of fading: a step would be heard as a click."""
BEYOND: Ticks = LOOKAHEAD_BLOCKS * BLOCK + FADE
"""Ticks after a chunk that decide its last packet."""
_BEFORE: Ticks = PREROLL_BLOCKS * BLOCK + FADE
"""Ticks before a chunk that decide its first packet."""
AHEAD: Ticks = 2 * 48_000
"""Of segments that begin this much later nothing is read yet; `media.decode.sound` looks half a second ahead."""
_REOPEN: Ticks = 10 * 48_000
"""Sound further ahead than this is not decoded through but sought."""

_log = structlog.get_logger()


def voice_pieces(state: LessonState, span: Span) -> list[tuple[Span, EpochRef | None]]:
    """Who is heard when over `span`, without a hole; None is silence."""
    index = EpochIndex(state, Kind.AUDIO)
    order, backups = voice_order(state), state.edition.backups_over(span)
    changes = [*index.edges(), *(edge for one in backups for edge in (one.span.start, one.span.end))]
    edges = sorted({span.start, span.end, *(edge for edge in changes if edge in span)})
    pieces: list[tuple[Span, EpochRef | None]] = []
    for start, end in pairwise(edges):
        instead = {one.source: one.backup for one in backups if start in one.span}
        wanted = [name for source in order for name in (*_stand_ins(source, instead), source)] if instead else order
        epoch = next(filter(None, (index.exact(source, start) for source in wanted)), None)
        if pieces and pieces[-1][1] == epoch:
            pieces[-1] = (Span(pieces[-1][0].start, end), epoch)
        else:
            pieces.append((Span(start, end), epoch))
    return pieces


def _stand_ins(source: str, instead: Mapping[str, str]) -> list[str]:
    """The backups of a source that nobody can hear, the one that can be heard first."""
    found: list[str] = []
    while source in instead and instead[source] not in found:
        source = instead[source]
        found.insert(0, source)
    return found


def voice_inputs(state: LessonState, span: Span) -> str:
    """The digest of everything that decides the sound of a chunk over `span`, but for the rendition."""
    window = Span(max(0, span.start - _BEFORE), span.end + BEYOND)
    last = state.final and span.end == state.frozen_until
    heard = [(piece.start, piece.end, *_heard(state, piece, epoch)) for piece, epoch in voice_pieces(state, window)]
    return digest_of(span.start, span.end, last, heard)


def _heard(state: LessonState, piece: Span, epoch: EpochRef | None) -> tuple[object, ...]:
    """Source, ruling clock maps and content of the segments that a piece of the voice is decoded from."""
    if epoch is None:
        return ()
    source = state.sources[epoch.source]
    maps = source.maps[epoch.number]
    start, end = source_tick(maps, piece.start), source_tick(maps, piece.end)
    segments = source.segments_of(Kind.AUDIO, epoch.number).decoded_for(Span(start, max(start, end)))
    ruling = [(m.offset, m.ppm) for m in maps if m is maps[0] or m.span.start < piece.end]
    return epoch.source, ruling, [segment.sha256 for segment in segments]


class VoiceReader:
    """Reads the voice of a lesson from front to back, keeping decoders open from one call to the next.

    Positions are counted in samples through a whole epoch, as Matroska keeps only milliseconds: opening a file anew
    for each stretch would shift it by up to half a millisecond against the one before.
    """

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._sounds: dict[EpochRef, _EpochSound] = {}

    def read(self, state: LessonState, span: Span) -> Pcm:
        """Mono sound (n,) of lesson ticks `span`, one sample a tick. `state` must be frozen over a little more."""
        wide = Span(max(0, span.start - FADE), span.end + FADE)
        pcm = np.zeros(wide.duration, np.float32)
        for piece, epoch in voice_pieces(state, wide):
            if epoch is None:
                continue
            part = self._part(state, epoch, piece)
            _fade(part, opens=piece.start > wide.start, closes=piece.end < wide.end)
            pcm[piece.start - wide.start : piece.end - wide.start] = part
        return np.clip(pcm[span.start - wide.start :][: span.duration], -1.0, 1.0)

    def _part(self, state: LessonState, epoch: EpochRef, span: Span) -> Pcm:
        maps = state.sources[epoch.source].maps[epoch.number]
        start, end = source_tick(maps, span.start), source_tick(maps, span.end)
        source = state.sources[epoch.source]
        near = (s for s in source.segments if s.epoch == epoch.number and _begins_before(s, end + AHEAD))
        segments = [segment for segment in near if source.intact(segment)]
        pcm = self._sounds.setdefault(epoch, _EpochSound()).read(self._folder, segments, start, end)
        if len(pcm) == span.duration:
            return pcm
        # the source's clock runs differently: resample by the few samples it gained or lost
        positions = np.linspace(0, len(pcm), span.duration, endpoint=False)
        return np.interp(positions, np.arange(len(pcm)), pcm).astype(np.float32)


def _begins_before(segment: SegmentRecord, at: Ticks) -> bool:
    span = segment.span(Kind.AUDIO)
    return span is not None and span.start < at


def _fade(pcm: Pcm, *, opens: bool, closes: bool) -> None:
    """Fade the ends of a piece that begins or ends inside what is read, in place."""
    length = min(FADE, len(pcm) // 2)
    ramp = np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)
    if opens:
        pcm[:length] *= ramp
    if closes:
        pcm[len(pcm) - length :] *= ramp[::-1]


class _EpochSound:
    """The sound of one epoch, read forwards; what lies well behind the last read is forgotten."""

    def __init__(self) -> None:
        self._paths: list[Path] = []  # grows while `sound` goes through it: one decoder for the whole epoch
        self._known = -1  # sequence number of the last segment in `_paths`
        self._blocks: Iterator[AudioBlock] | None = None
        self._kept: list[AudioBlock] = []
        self._at: Ticks = 0  # end of the last block

    def read(self, folder: LessonFolder, segments: list[SegmentRecord], start: Ticks, end: Ticks) -> Pcm:
        """Sound of source ticks `[start, end)`; `segments` are those of the epoch until then and a little more."""
        begins = self._kept[0].at if self._kept else self._at
        if self._blocks is None or start < begins or start > self._at + _REOPEN:
            self._kept = []
            self._open(folder, segments, start)
        new = [segment for segment in segments if segment.seq > self._known]
        for segment in new:
            self._paths.append(folder.absolute(segment.path))
            self._known = segment.seq
        self._pull(end)
        if self._blocks is None and new and self._at < end:  # it had looked for more before there was more
            self._open(folder, segments, max(start, self._at))
            self._pull(end)
        pcm = np.zeros(end - start, np.float32)
        for block in self._kept:
            first, last = max(start, block.at), min(end, block.end)
            if first < last:
                pcm[first - start : last - start] = block.pcm[first - block.at : last - block.at]
        self._kept = [block for block in self._kept if block.end > end - 4 * FADE]
        return pcm

    def _open(self, folder: LessonFolder, segments: list[SegmentRecord], start: Ticks) -> None:
        begin = segments_from(segments, start - PREROLL, Kind.AUDIO)
        self._paths = [folder.absolute(segment.path) for segment in begin]
        self._known = begin[-1].seq if begin else -1
        self._blocks = sound(self._paths, start=start - 4 * FADE)
        self._at = start

    def _pull(self, end: Ticks) -> None:
        while self._blocks is not None and self._at < end:
            try:
                block = next(self._blocks, None)
            except MediaError as error:
                _log.warning("sound_read_failed", error=str(error))
                block = None
            if block is None:
                self._blocks = None  # segments that come later need a new start
            else:
                self._kept.append(block)
                self._at = block.end
