"""What a decoder made of the packets it was given: where pictures came out whole, and where it gave up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lesson.time import Span, Ticks


@dataclass(slots=True)
class DecodingAccount:
    """Times in ticks of the source. `intact`: of whole pictures; `failed`: of packets that were refused, and of
    pictures that the decoder says it has made up in part.
    """

    intact: set[Ticks] = field(default_factory=set)
    failed: set[Ticks] = field(default_factory=set)

    def undecoded(self, within: Span, at_least: Ticks) -> list[Span]:
        """Stretches of `within` of this length and longer in which packets came and no whole picture: each from the
        first failure after a whole picture to the next whole one. Where no packets came a picture stands: that is none.
        """
        failed = sorted(at for at in self.failed - self.intact if at in within)
        intact = sorted(at for at in self.intact if at in within)
        return [span for span in _between(failed, intact, within) if span.duration >= at_least]


def _between(failed: list[Ticks], intact: list[Ticks], within: Span) -> Iterable[Span]:
    while failed:
        start = failed[0] if intact and intact[0] < failed[0] else within.start
        end = next((at for at in intact if at > failed[0]), within.end)
        yield Span(start, end)
        failed = [at for at in failed if at >= end]
