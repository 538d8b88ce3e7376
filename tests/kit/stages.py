"""The stages of a lesson one after the other in this process: with media, or instantly without.

without_workers(monkeypatch)        # real chunks, made here and now
make_instant(monkeypatch)           # no media at all: the bytes of a chunk say what it was made of
work(folder, store)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from encode.chunk import EncodedChunk, run
from encode.inputs import chunk_inputs
from encode.jobs import ChunkJob, Slot
from encode.ready import chunk_span, ready_chunks
from encode.rendition_writer import RenditionWriter
from encode.stage import EncodeStage
from encode.voice import BEYOND, voice_inputs
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Layout, Rendition
from lesson.overrides import OverrideShot
from lesson.records import FrozenUntil, Mapped, Origin, Record, Shot
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from lesson.view import load_state
from publish.protocol import ObjectStore
from publish.uploader import Uploader
from tests.kit.lessons import HIGH, LOW, VOICE, make_lesson, moment, record_all, source
from tracking.__main__ import plan

S = TICKS_PER_SECOND
SOURCES = (source("teacher"), source("board"), source("mic", uri="test:tone"))
LADDER = (VOICE, LOW, HIGH)

coded: list[tuple[str, int]] = []
"""Rendition and number of every chunk that was coded."""


class OwnPool:
    """Makes the chunks of a job in the process that asks for them, one job at a time."""

    def __init__(self, workers: int, farm: str | None = None) -> None:
        assert farm is None
        self.workers, self.busy, self.alone = workers, set[Slot](), set[Slot]()
        self._made: list[EncodedChunk] = []

    @property
    def full(self) -> bool:
        return bool(self._made)

    def submit(self, job: ChunkJob) -> None:
        coded.extend((rendition.name, index) for rendition in job.renditions for index in job.indices)
        self._made += self.make(job)

    def make(self, job: ChunkJob) -> Iterable[EncodedChunk]:
        return run(job)

    def finished(self) -> Iterator[EncodedChunk]:
        made, self._made = self._made, []
        yield from made

    def close(self) -> None:
        self._made.clear()


class InstantPool(OwnPool):
    """Makes at once chunks whose bytes say what they were made of."""

    def make(self, job: ChunkJob) -> Iterator[EncodedChunk]:
        for rendition in job.renditions:
            for index, span, inputs in zip(job.indices, job.spans, job.inputs, strict=True):
                data = f"{rendition.name} {index} {inputs}".encode()
                yield EncodedChunk(rendition, index, span, data, inputs, job.edition)


class InstantSound:
    """Codes the voice in the same way."""

    def __init__(self, _folder: LessonFolder, rendition: Rendition) -> None:
        self.rendition = rendition

    def step(self, state: LessonState, store: RenditionWriter) -> bool:
        progress = state.renditions[self.rendition.name]
        index = progress.due
        if progress.started is None or index >= ready_chunks(state, beyond=BEYOND):
            return False
        span = chunk_span(state, index)
        inputs = chunk_inputs(self.rendition, progress.started.init_sha256, voice_inputs(state, span))
        coded.append((self.rendition.name, index))  # before the commit, which may be the death of it
        store.commit(state.edition.number, self.rendition, index, span, f"voice {index} {inputs}".encode(), inputs)
        return True


def without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the encode stage of this process make chunks by itself, and nothing wait for the disk."""
    monkeypatch.setattr("encode.stage.Pool", OwnPool)
    monkeypatch.setattr(os, "fsync", lambda _fd: None)  # thousands of files, and no power cut
    coded.clear()


def make_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without media, to be had at once."""
    without_workers(monkeypatch)
    monkeypatch.setattr("encode.stage.Pool", InstantPool)
    monkeypatch.setattr("encode.stage.SoundEncoder", InstantSound)


def work(folder: LessonFolder, store: ObjectStore, *, blind: bool = True) -> None:
    """What the box does of a lesson: its three stages, one after the other. `blind`: without any analysis."""
    if not load_state(folder).final:
        plan(folder, blind=blind)
    with EncodeStage(folder, 1) as stage:
        while not stage.done:
            stage.step()
    Uploader(folder, store).run()


def recorded(root: Path, seconds: int) -> LessonFolder:
    """A lesson of cameras and a microphone, its plan in shots of 12 s."""
    folder = make_lesson(root, sources=SOURCES, ladder=LADDER)
    record_all(folder, segments=-(-seconds // 4))
    plan_by_turns(folder, seconds)
    return folder


def plan_by_turns(folder: LessonFolder, seconds: int) -> None:
    """A final plan that shows teacher and board by turns, 12 s each; every source's clock is the lesson's."""
    end: Ticks = seconds * S
    records: list[Record] = [Origin(at=moment())]
    records += [Mapped(map=ClockMap(spec.id, 0, Span(0, end), 0)) for spec in folder.header.sources]
    for start in range(0, seconds, 12):
        span = Span(start * S, min(end, (start + 12) * S))
        records.append(Shot(span=span, layout=Layout.FULL, sources=(("teacher", "board")[start // 12 % 2],), reason=""))
    append_records(folder.plan_journal(), [*records, FrozenUntil(at=end, final=True)])


def shot(start_s: float, end_s: float, *sources: str, layout: Layout = Layout.FULL) -> OverrideShot:
    """What a curator wants shown from one second to another."""
    return OverrideShot(span=Span(round(start_s * S), round(end_s * S)), layout=layout, sources=sources)
