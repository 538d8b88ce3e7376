"""The encode stage of one lesson: follow the journals, make what is ready, commit it, until nothing is missing."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import structlog

from encode.chunk import EncodedChunk
from encode.inputs import chunk_inputs
from encode.inspection import Inspector
from encode.jobs import make_job
from encode.kept import Keeper
from encode.pool import Pool
from encode.ready import Batch, chunk_span, multiples, next_batch
from encode.rendition_writer import RenditionWriter
from encode.sound import SoundEncoder, next_span
from lesson.errors import LessonFormatError, StorageError
from lesson.folder import LessonFolder
from lesson.model import Kind
from lesson.rendition_state import MAX_REMADE
from lesson.sparing import Rank, Sparing
from lesson.time import Span
from lesson.view import LessonView
from process.disk import space_for

SPACE_LOOK_S = 1.0
NOT_AGAIN = "what is missing of it cannot be encoded again: its recording was removed to make room on the disk"

_log = structlog.get_logger()


class EncodeStage:
    """Encodes one lesson; killed and started anew it goes on with the first missing chunk."""

    def __init__(self, folder: LessonFolder, workers: int, farm: str | None = None) -> None:
        self._folder = folder
        self.view = LessonView(folder, needs=("raw", "plan", "enc"))
        self._store = RenditionWriter(folder)
        self._pool = Pool(workers, farm)
        self._sounds = [SoundEncoder(folder, r) for r in folder.header.ladder if r.kind is Kind.AUDIO]
        self._keeper = Keeper(folder)
        self._inspector = Inspector(folder)
        self._sparing = Sparing(Rank.NEEDED)
        self._next_look = 0.0
        self._started: int | None = None  # the edition that was begun

    @property
    def done(self) -> bool:
        return self.view.state.encoded

    def step(self) -> bool:
        """Do what can be done now; whether there was anything. Raises `MediaError`, `StorageError`."""
        moved = self.view.poll()
        state = self.view.state
        if state.raw_reclaimed is not None and not state.encoded:
            raise LessonFormatError(f"{state.header.id}: {NOT_AGAIN}")
        if state.frozen_until and (self._started != state.newest or self._spoilt_init()):
            self._store.start(state)
            self._started = state.newest
            self.view.poll()
            moved = True
        if not self._spares():
            moved = self._make() or moved
        for chunk in self._pool.finished():
            self._commit(chunk)
            moved = True
        if not (moved or self._pool.busy):
            self._say_what_is_given_up()
        return moved

    def _make(self) -> bool:
        """Begin what is ready; whether there was anything."""
        moved = self._keep()
        moved = self._submit() or moved
        for sound in self._sounds:  # one chunk a step, so that finished pictures never wait long
            moved = self._sound(sound) or moved
        return moved

    def _spares(self) -> bool:
        """Whether the disk's last space is left to what is being recorded: a lesson can be encoded later."""
        state, now = self.view.state, time.monotonic()
        if state.stop is not None or state.header.imported:
            return False
        if now >= self._next_look:
            self._next_look = now + SPACE_LOOK_S
            space = space_for(self._folder.path)
            self._sparing.look(space.free, space.total)
        return self._sparing.rests

    def _spoilt_init(self) -> bool:
        """Whether an initialisation segment is to be made again."""
        progresses = [self.view.state.renditions[rung.name] for rung in self.view.state.ladder]
        return any(progress.init_spoilt and not progress.given_up(None) for progress in progresses)

    def _say_what_is_given_up(self) -> None:
        """Raises `StorageError` if nothing is left to be done but what the disk damages again and again."""
        state = self.view.state
        for rung in state.ladder if state.edition.made else ():
            progress = state.renditions[rung.name]
            lost = [*sorted(progress.spoilt), *([None] if progress.init_spoilt else [])]
            if lost and all(progress.given_up(one) for one in lost):
                what = "the initialisation segment" if lost[0] is None else f"chunk {lost[0]}"
                raise StorageError(
                    f"{self._folder.rendition_folder(rung.name)}: this disk has damaged {what} {MAX_REMADE + 1} times; "
                    "replace the disk"
                )

    def _keep(self) -> bool:
        kept = self._keeper.kept(self.view.state, self._pool.busy)
        if kept:
            self._store.keep(kept)
            self.view.poll()
            _log.info("chunks_reused", edition=self.view.state.newest, chunks=sum(record.count for record in kept))
        return bool(kept)

    def _submit(self) -> bool:
        state, submitted = self.view.state, False
        while not self._pool.full:
            batch = next(filter(None, map(self._next_batch, multiples(state))), None)
            if batch is None:
                break
            spans = {index: chunk_span(state, index, batch.multiple) for index in batch.indices}
            if self._inspect(Span(spans[batch.first].start, max(span.end for span in spans.values()))):
                continue  # what is ready, and of what, may be another thing now
            renditions = [r for r in self._folder.header.ladder if r.name in batch.renditions]
            self._pool.submit(make_job(self._folder, state, spans, renditions))
            submitted = True
        return submitted

    def _sound(self, sound: SoundEncoder) -> bool:
        span = next_span(self.view.state, sound.rendition)
        if span is None:
            return False
        if not self._inspect(span):
            sound.step(self.view.state, self._store)
        return True

    def _inspect(self, span: Span) -> bool:
        """Whether damaged segments were found that a chunk would be made of; the state knows of them from then on."""
        damaged = self._inspector.damaged(self.view.state, span)
        if damaged:
            self._store.note(damaged)
            self.view.poll()
        return bool(damaged)

    def _next_batch(self, multiple: int) -> Batch | None:
        busy = {index for length, index in self._pool.busy if length == multiple}
        alone = {index for length, index in self._pool.alone if length == multiple}
        return next_batch(self.view.state, busy, workers=self._pool.workers, alone=alone, multiple=multiple)

    def _commit(self, chunk: EncodedChunk) -> None:
        started = self.view.state.editions[chunk.edition].renditions[chunk.rendition.name].started
        inputs = chunk_inputs(chunk.rendition, started.init_sha256 if started else "", chunk.inputs)
        self._store.commit(chunk.edition, chunk.rendition, chunk.index, chunk.span, chunk.data, inputs)
        _log.info("chunk_encoded", rendition=chunk.rendition.name, index=chunk.index, bytes=len(chunk.data))

    def close(self) -> None:
        self._pool.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
