"""`run`: a `ChunkJob` in, the bytes of its chunks out. The unit of distribution: pure, safe to repeat anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from encode.frames import Compositor
from encode.jobs import ChunkJob
from encode.rungs import LadderEncoder
from lesson.model import Rendition
from lesson.time import Span


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """One chunk of one rendition; `inputs` digests what it shows."""

    rendition: Rendition
    index: int
    span: Span
    data: bytes
    inputs: str
    edition: int = 0


def run(job: ChunkJob) -> tuple[EncodedChunk, ...]:
    """Decode each source once, compose once, code every rung.

    Raises:
        MediaError: the encoder failed. What cannot be decoded is replaced in the picture, never an error.
    """
    programme = Compositor(job)
    with LadderEncoder(job.renditions, job.grid) as ladder:
        for index, span in zip(job.indices, job.spans, strict=True):
            for number, tick in enumerate(range(span.start, span.end, job.grid.frame)):
                ladder.picture(number, programme.at(tick))
            ladder.end_chunk(index, span)
    return tuple(
        EncodedChunk(rung.rendition, index, span, data, inputs, job.edition)
        for rung in ladder.rungs
        for index, span, inputs, data in zip(job.indices, job.spans, job.inputs, rung.chunks, strict=True)
    )
