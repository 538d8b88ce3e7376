"""Which chunks of an edition are those of an earlier one: what is made of the same is not made again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from encode.inputs import chunk_inputs
from encode.jobs import Slot, picture_inputs
from encode.ready import chunk_span, ready_chunks
from encode.voice import voice_inputs
from lesson.folder import LessonFolder
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.records import ChunksKept
from lesson.state import LessonState
from lesson.time import Span


class Keeper:
    """Looks at each chunk of an edition once; those being made (`busy`) it looks at when they are not any more."""

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._edition = 0
        self._looked: set[tuple[str, int]] = set()
        self._pictures: dict[tuple[int, Span], str] = {}  # edition and span to the digest of what is shown

    def kept(self, state: LessonState, busy: Collection[Slot]) -> list[ChunksKept]:
        """What the newest edition takes over, as far as it was not looked at before."""
        number = state.edition.number
        if number == 0:
            return []
        if number != self._edition:
            self._edition, self._looked, self._pictures = number, set(), {}
        return [record for rung in state.ladder for record in self._runs(rung, self._of_rung(state, rung, busy))]

    def _of_rung(self, state: LessonState, rung: Rendition, busy: Collection[Slot]) -> Iterator[tuple[int, int]]:
        """Numbers of chunks to be kept, each with the edition that has it."""
        progress = state.renditions[rung.name]
        for index in range(progress.next, ready_chunks(state, rung.grid_multiple)):
            made = index in progress.chunks or (rung.grid_multiple, index) in busy
            if made or (rung.name, index) in self._looked:
                continue
            self._looked.add((rung.name, index))
            if (of := self._holder(state, rung, index)) is not None:
                yield index, of

    def _runs(self, rung: Rendition, kept: Iterator[tuple[int, int]]) -> list[ChunksKept]:
        """One record for consecutive chunks of one edition."""
        runs: list[ChunksKept] = []
        for index, of in kept:
            first, count = index, 1
            if runs and runs[-1].of == of and runs[-1].first + runs[-1].count == index:
                last = runs.pop()
                first, count = last.first, last.count + 1
            runs.append(ChunksKept(rendition=rung.name, edition=self._edition, of=of, first=first, count=count))
        return runs

    def _holder(self, state: LessonState, rung: Rendition, index: int) -> int | None:
        """The newest earlier edition that has this chunk."""
        wanted = None
        for number in sorted((n for n in state.editions if n < self._edition), reverse=True):
            held = state.editions[number].renditions[rung.name]
            chunk = None if index in held.spoilt else held.chunks.get(index)
            if chunk is not None and chunk.span == chunk_span(state, index, rung.grid_multiple):
                wanted = wanted or self._inputs(state, rung, index)
                if self._held(state.seen_as(number), rung, chunk) == wanted:
                    return number
        return None

    def _held(self, state: LessonState, rung: Rendition, chunk: ChunkRecord) -> str:
        """What a chunk is made of; for one left by schema 1, which did not digest all of it, that is computed anew."""
        if "-" in PurePosixPath(chunk.path).name:
            return chunk.inputs
        return self._inputs(state, rung, chunk.index)

    def _inputs(self, state: LessonState, rung: Rendition, index: int) -> str:
        started, span = state.renditions[rung.name].started, chunk_span(state, index, rung.grid_multiple)
        init = started.init_sha256 if started else ""
        if rung.kind is Kind.AUDIO:
            return chunk_inputs(rung, init, voice_inputs(state, span))
        key = state.edition.number, span
        if key not in self._pictures:
            self._pictures[key] = picture_inputs(self._folder, state, span)
        return chunk_inputs(rung, init, self._pictures[key])
