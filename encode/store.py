"""Committing renditions: files first, durable, then the journal line that makes them exist."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Self

from lesson.durable import make_folder, write_atomic
from lesson.errors import LessonFormatError
from lesson.folder import LessonFolder
from lesson.journal import JournalWriter
from lesson.model import ChunkRecord, Kind, Rendition
from lesson.records import ChunkEncoded, RenditionStarted
from lesson.state import LessonState
from lesson.time import Grid, Span
from media.output.audio_encoder import audio_init
from media.output.fmp4 import codecs
from media.output.video_encoder import video_init


class ChunkStore:
    """The one writer of all rendition journals of a lesson.

    Raises `JournalBusyError` when another encode stage works on the lesson.
    """

    def __init__(self, folder: LessonFolder) -> None:
        self._folder = folder
        self._journals: dict[str, JournalWriter] = {}
        try:
            for rendition in folder.header.ladder:
                self._journals[rendition.name] = JournalWriter(folder.rendition_journal(rendition.name))
        except BaseException:
            self.close()
            raise

    def start(self, state: LessonState) -> None:
        """Write the initialisation segment of each rendition that has none.

        Raises:
            LessonFormatError: a rendition was begun by an encoder whose chunks do not go with this one's.
        """
        for rendition in self._folder.header.ladder:
            init = init_segment(rendition, self._folder.header.grid)
            digest = hashlib.sha256(init).hexdigest()
            started = state.renditions[rendition.name].started
            if started is None:
                self._start(rendition, init, digest)
            elif started.init_sha256 != digest:
                raise LessonFormatError(
                    f"{self._folder.id}: {rendition.name} was begun by another version of the encoder; "
                    f"remove {self._folder.rendition_folder(rendition.name)} to encode it anew"
                )

    def _start(self, rendition: Rendition, init: bytes, digest: str) -> None:
        path = self._folder.init_path(rendition.name)
        make_folder(path.parent)
        write_atomic(path, init)
        self._journals[rendition.name].append(
            RenditionStarted(
                rendition=rendition.name,
                digest=rendition.digest,
                codecs=codecs(init),
                init_path=self._folder.relative(path),
                init_bytes=len(init),
                init_sha256=digest,
            )
        )

    def commit(
        self,
        rendition: Rendition,
        index: int,
        span: Span,
        data: bytes,
        inputs: str,
        *,
        peak_db: float | None = None,
    ) -> None:
        """Make one chunk durable, then exist. Raises `DiskFullError`, `StorageError`: earlier chunks stay good."""
        path = self._folder.chunk_path(rendition.name, index)
        write_atomic(path, data)
        chunk = ChunkRecord(
            rendition=rendition.name,
            index=index,
            span=span,
            path=self._folder.relative(path),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            inputs=inputs,
            peak_db=peak_db,
        )
        self._journals[rendition.name].append(ChunkEncoded(chunk=chunk))

    def close(self) -> None:
        for journal in self._journals.values():
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def init_segment(rendition: Rendition, grid: Grid) -> bytes:
    """The initialisation segment of any rendition: a pure function of its parameters. Raises `MediaError`."""
    return video_init(rendition, grid) if rendition.kind is Kind.VIDEO else audio_init(rendition)
