"""What was encoded of one rendition: its chunks, how many a playlist may name, and their bit rates."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.bitrate import BitRate
from lesson.model import ChunkRecord
from lesson.records import RenditionStarted
from lesson.time import TICKS_PER_SECOND, Grid


@dataclass(slots=True)
class RenditionState:
    """Chunks of one rendition, by index. Leading are those from the first on without a hole: a playlist may name them.

    `target_s`: the target duration of its playlist in seconds, by which RFC 8216 measures the peak bit rate.
    """

    target_s: int
    started: RenditionStarted | None = None
    chunks: dict[int, ChunkRecord] = field(default_factory=dict)
    leading: int = 0
    rate: BitRate = field(init=False, compare=False, repr=False)
    """Of the leading chunks."""

    def __post_init__(self) -> None:
        self.rate = BitRate(self.target_s)

    def add(self, chunk: ChunkRecord) -> None:
        """One more chunk, or a new one in the place of another."""
        replaced = self.chunks.get(chunk.index)
        self.chunks[chunk.index] = chunk
        if replaced is not None and replaced != chunk and chunk.index < self.leading:
            self.leading, self.rate = 0, BitRate(self.target_s)
        while (found := self.chunks.get(self.leading)) is not None:
            self.rate.add(found.bytes, found.span.duration)
            self.leading += 1


def target_duration(grid: Grid) -> int:
    """EXT-X-TARGETDURATION of every media playlist of a lesson, in whole seconds: the grid's chunk rounded up."""
    return -(-grid.chunk // TICKS_PER_SECOND)
