"""What was encoded of one rendition for an edition: its chunks, how many a playlist may name, and their bit rates."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.bitrate import BitRate
from lesson.model import ChunkRecord
from lesson.records import RenditionStarted


@dataclass(slots=True)
class RenditionState:
    """Chunks of one rendition, by index. Leading are those from `first` on without a hole: a playlist may name them.

    `target_s`: the target duration of its playlist in seconds, by which RFC 8216 measures the peak bit rate. `first`:
    number of the chunk the edition begins with.
    """

    target_s: int
    first: int = 0
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
        if replaced is not None and replaced != chunk and self.first <= chunk.index < self.next:
            self.leading, self.rate = 0, BitRate(self.target_s)
        while (found := self.chunks.get(self.next)) is not None:
            self.rate.add(found.bytes, found.span.duration)
            self.leading += 1

    @property
    def next(self) -> int:
        """Number of the first chunk that is missing."""
        return self.first + self.leading

    def named(self, count: int) -> list[ChunkRecord]:
        """The first `count` of the leading chunks."""
        return [self.chunks[index] for index in range(self.first, self.first + min(count, self.leading))]

    def leads_with(self, position: int) -> ChunkRecord:
        """The leading chunk at this position; 0 is the first."""
        return self.chunks[self.first + position]
