"""Committing renditions: files first, durable, then the journal line that makes them exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from lesson.durable import make_folder, write_atomic
from lesson.errors import LessonFormatError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.package import NAME_DIGITS
from lesson.records import ChunkEncoded, ChunksKept, RenditionStarted, SegmentDamaged
from lesson.state import LessonState
from lesson.time import Grid, Span
from media.output.audio_encoder import audio_init
from media.output.fmp4 import codecs
from media.output.video_encoder import video_init


class RenditionWriter:
    """The one writer of all rendition journals of a lesson.

    Raises `JournalBusyError` when another encode stage works on the lesson.
    """

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._journals: dict[str, JournalWriter] = {}
        self._paths: dict[str, str] = {}  # of chunks, to their inputs
        self._state = LessonState(folder.header)
        try:
            for rendition in folder.header.ladder:
                self._journals[rendition.name] = JournalWriter(folder.rendition_journal(rendition.name))
        except BaseException:
            self.close()
            raise

    def start(self, state: LessonState) -> None:
        """Begin each wanted rendition of the newest edition that is not begun: with its initialisation segment.

        One that is damaged is made again. `state` is looked at later, too: which files are damaged.

        Raises:
            LessonFormatError: a rendition was begun by an encoder whose chunks do not go with this one's.
        """
        self._paths, self._state = _paths(state), state
        for rendition in state.ladder:
            init = init_segment(rendition, self._folder.header.grid_of(rendition.grid_multiple))
            digest = hashlib.sha256(init).hexdigest()
            started = state.renditions[rendition.name].started
            if started is None:
                self._start(state, rendition, init, digest)
            elif started.init_sha256 != digest:
                raise LessonFormatError(
                    f"{self._folder.id}: {rendition.name} was begun by another version of the encoder; "
                    f"remove {self._folder.rendition_folder(rendition.name)} to encode it anew"
                )
            elif (progress := state.renditions[rendition.name]).init_spoilt and not progress.given_up(None):
                self._start(state, rendition, init, digest)

    def _start(self, state: LessonState, rendition: Rendition, init: bytes, digest: str) -> None:
        before = {number: edition.renditions[rendition.name] for number, edition in state.editions.items()}
        path = next(
            (one.started.init_path for one in before.values()
             if one.started and one.started.init_sha256 == digest and not one.init_spoilt),
            None,
        )  # fmt: skip
        if path is None:
            file = self._sound_path(rendition, digest)
            make_folder(file.parent)
            write_atomic(file, init)
            path = self._folder.relative(file)
        spoilt = (
            n for n, one in before.items() if one.init_spoilt and one.started and one.started.init_sha256 == digest
        )
        self._journals[rendition.name].append(
            *(
                RenditionStarted(
                    rendition=rendition.name,
                    digest=rendition.digest,
                    codecs=codecs(init),
                    init_path=path,
                    init_bytes=len(init),
                    init_sha256=digest,
                    edition=number,
                )
                for number in sorted({state.edition.number, *spoilt})
            )
        )

    def _sound_path(self, rendition: Rendition, digest: str) -> Path:
        """Where an initialisation segment goes: not where one was damaged."""
        damaged = self._state.renditions[rendition.name].damaged
        paths = (self._folder.init_path(rendition.name, digest[:n]) for n in range(NAME_DIGITS, len(digest) + 1))
        return next(path for path in paths if self._folder.relative(path) not in damaged)

    def note(self, damaged: Iterable[SegmentDamaged]) -> None:
        """Nothing is made of these segments. Raises `StorageError`."""
        self._journals[self._folder.header.ladder[0].name].append(*damaged)

    def keep(self, records: Iterable[ChunksKept]) -> None:
        """Chunks of earlier editions are the newest one's, too. Raises `StorageError`."""
        for name, of_rendition in groupby(records, attrgetter("rendition")):
            self._journals[name].append(*of_rendition)

    def commit(
        self,
        edition: int,
        rendition: Rendition,
        index: int,
        span: Span,
        data: bytes,
        inputs: str,
        *,
        peak_db: float | None = None,
    ) -> None:
        """Make one chunk durable, then exist. Raises `DiskFullError`, `StorageError`: earlier chunks stay good."""
        path = self._path(rendition, index, inputs)
        write_atomic(self._folder.absolute(path), data)
        chunk = ChunkRecord(
            rendition=rendition.name,
            index=index,
            span=span,
            path=path,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            inputs=inputs,
            peak_db=peak_db,
        )
        others = (n for n in self._with_damaged(chunk) if n != edition)
        self._journals[rendition.name].append(
            ChunkEncoded(chunk=chunk, edition=edition),
            *(ChunksKept(rendition=rendition.name, edition=n, of=edition, first=index, count=1) for n in others),
        )

    def _with_damaged(self, made: ChunkRecord) -> Iterator[int]:
        """The editions that have, damaged, what was made just now."""
        for number, edition in self._state.editions.items():
            progress = edition.renditions[made.rendition]
            chunk = progress.chunks.get(made.index)
            if chunk and chunk.path in progress.damaged and (chunk.inputs, chunk.span) == (made.inputs, made.span):
                yield number

    def _path(self, rendition: Rendition, index: int, inputs: str) -> str:
        """Where a chunk goes: named by the first digits of its inputs, more where they name another one already, or one
        that is damaged: what players and caches know under a name never becomes something else.
        """
        damaged = self._state.renditions[rendition.name].damaged
        for digits in range(NAME_DIGITS, len(inputs)):
            path = self._folder.relative(self._folder.chunk_path(rendition.name, index, inputs[:digits]))
            if path not in damaged and self._paths.setdefault(path, inputs) == inputs:
                return path
        return self._folder.relative(self._folder.chunk_path(rendition.name, index, inputs))

    def close(self) -> None:
        for journal in self._journals.values():
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _paths(state: LessonState) -> dict[str, str]:
    """The chunk files there are, to what they are made of."""
    return {
        chunk.path: chunk.inputs
        for edition in state.editions.values()
        for progress in edition.renditions.values()
        for chunk in progress.chunks.values()
    }


def init_segment(rendition: Rendition, grid: Grid) -> bytes:
    """The initialisation segment of any rendition: a pure function of its parameters. Raises `MediaError`."""
    return video_init(rendition, grid) if rendition.kind is Kind.VIDEO else audio_init(rendition)
