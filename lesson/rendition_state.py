"""What was encoded of one rendition for an edition: its chunks, how many a playlist may name, and their bit rates."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.bitrate import BitRate
from lesson.model import ChunkRecord
from lesson.records import RenditionStarted

MAX_REMADE = 5
"""How often a file is made again that the disk damages: then the disk is at fault, and somebody has to be told."""


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
    damaged: dict[str, int | None] = field(default_factory=dict)
    """Paths of files that were damaged before the store had them, in any edition, to the number of the chunk (None: the
    initialisation segment). What is made instead has another path, so it counts whichever journal is read first.
    """
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

    @property
    def spoilt(self) -> set[int]:
        """Numbers of the chunks that are damaged and not made again yet."""
        found = ((index, self.chunks.get(index)) for path, index in self.damaged.items() if index is not None)
        return {index for index, chunk in found if chunk is not None and chunk.path in self.damaged}

    @property
    def init_spoilt(self) -> bool:
        """Whether the initialisation segment is damaged and not made again yet."""
        return self.started is not None and self.started.init_path in self.damaged

    def given_up(self, index: int | None) -> bool:
        """Whether this chunk (None: the initialisation segment) was damaged too often to be made once more."""
        return list(self.damaged.values()).count(index) > MAX_REMADE

    def lacks(self, index: int) -> bool:
        """Whether this chunk is to be made, or made again."""
        chunk = self.chunks.get(index)
        return chunk is None or (chunk.path in self.damaged and not self.given_up(index))

    @property
    def due(self) -> int:
        """Number of the first chunk that is to be made, or made again."""
        return min([self.next, *(index for index in self.spoilt if not self.given_up(index))])

    def named(self, count: int) -> list[ChunkRecord]:
        """The first `count` of the leading chunks."""
        return [self.chunks[index] for index in range(self.first, self.first + min(count, self.leading))]

    def leads_with(self, position: int) -> ChunkRecord:
        """The leading chunk at this position; 0 is the first."""
        return self.chunks[self.first + position]
