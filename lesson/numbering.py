"""The numbers of a source's segments, folded as they come: which are skipped, and which came late. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from lesson.model import SegmentRecord


@dataclass(slots=True)
class Numbering:
    """`next`: the number after the highest so far. What is kept beside it grows with what is out of order alone."""

    next: int = 0
    _highest: SegmentRecord | None = None
    _skips: list[tuple[SegmentRecord | None, SegmentRecord]] = field(default_factory=list)
    _late: list[SegmentRecord] = field(default_factory=list)

    def add(self, segment: SegmentRecord) -> None:
        """One more segment, once."""
        if segment.seq < self.next:
            self._late.append(segment)
            return
        if segment.seq > self.next:
            self._skips.append((self._highest, segment))
        self.next, self._highest = segment.seq + 1, segment

    def jumps(self) -> Iterator[tuple[SegmentRecord | None, SegmentRecord]]:
        """Neighbours by number between whose numbers some are missing; None: from the first number on."""
        for before, after in self._skips:
            low = before.seq if before else -1
            between = sorted((one for one in self._late if low < one.seq < after.seq), key=lambda one: one.seq)
            for one, other in pairwise((before, *between, after)):
                if other is not None and other.seq > (one.seq if one else -1) + 1:
                    yield one, other
