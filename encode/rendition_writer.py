"""Committing renditions: files first, durable, then the journal line that makes them exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from types import TracebackType
from typing import Self

from lesson.durable import make_folder, write_atomic
from lesson.errors import LessonFormatError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.records import ChunkEncoded, ChunksKept, RenditionStarted, SegmentDamaged
from lesson.state import LessonState
from lesson.time import Grid, Span
from media.output.audio_encoder import audio_init
from media.output.fmp4 import codecs
from media.output.video_encoder import video_init

DIGITS = 6
"""Of a digest, in the name of a file."""


class RenditionWriter:
    """The one writer of all rendition journals of a lesson.

    Raises `JournalBusyError` when another encode stage works on the lesson.
    """

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._journals: dict[str, JournalWriter] = {}
        self._paths: dict[str, str] = {}  # of chunks, to their inputs
        try:
            for rendition in folder.header.ladder:
                self._journals[rendition.name] = JournalWriter(folder.rendition_journal(rendition.name))
        except BaseException:
            self.close()
            raise

    def start(self, state: LessonState) -> None:
        """Begin each wanted rendition of the newest edition that is not begun: with its initialisation segment.

        Raises:
            LessonFormatError: a rendition was begun by an encoder whose chunks do not go with this one's.
        """
        self._paths = _paths(state)
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

    def _start(self, state: LessonState, rendition: Rendition, init: bytes, digest: str) -> None:
        before = [edition.renditions[rendition.name].started for edition in state.editions.values()]
        path = next((one.init_path for one in before if one and one.init_sha256 == digest), None)
        if path is None:
            file = self._folder.init_path(rendition.name, digest[:DIGITS])
            make_folder(file.parent)
            write_atomic(file, init)
            path = self._folder.relative(file)
        self._journals[rendition.name].append(
            RenditionStarted(
                rendition=rendition.name,
                digest=rendition.digest,
                codecs=codecs(init),
                init_path=path,
                init_bytes=len(init),
                init_sha256=digest,
                edition=state.edition.number,
            )
        )

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
        self._journals[rendition.name].append(ChunkEncoded(chunk=chunk, edition=edition))

    def _path(self, rendition: Rendition, index: int, inputs: str) -> str:
        """Where a chunk goes: named by the first digits of its inputs, more where they name another one already."""
        for digits in range(DIGITS, len(inputs)):
            path = self._folder.relative(self._folder.chunk_path(rendition.name, index, inputs[:digits]))
            if self._paths.setdefault(path, inputs) == inputs:
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
