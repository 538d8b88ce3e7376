"""What a decoder made of the packets it was given: where pictures came out whole, and where it gave up."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.time import Span, Ticks

MANY = 4
"""Where one in so many packets fails, what the decoder makes of the others is no picture of anything either."""


@dataclass(slots=True)
class DecodingAccount:
    """Times in ticks of the source. `intact`: of whole pictures, and of sound; `keys`: of those that need no others;
    `failed`: of packets that were refused, and of pictures that the decoder says it has made up in part.
    """

    intact: set[Ticks] = field(default_factory=set)
    keys: set[Ticks] = field(default_factory=set)
    failed: set[Ticks] = field(default_factory=set)

    def undecoded(self, within: Span, at_least: Ticks) -> list[Span]:
        """Stretches of `within` of this length and longer in which packets came and no picture that is any good: each
        from the first failure after a whole picture to the next key frame, as all between are made from what failed.

        A lost packet or two leave a smear, which is better than nothing: so long nothing whole must come, or one packet
        in `MANY` must fail. Where no packets came a picture stands: that is none.
        """
        failed = sorted(at for at in self.failed - self.intact if at in within)
        intact = sorted(at for at in self.intact if at in within)
        found = []
        while failed:
            start = failed[0] if intact and intact[0] < failed[0] else within.start
            end = next((at for at in intact if at > failed[0] and at in self.keys), within.end)
            bad = [at for at in failed if at < end]
            good = [at for at in intact if start <= at < end]
            many = MANY * len(bad) >= len(bad) + len(good)
            if end - start >= at_least and (many or _longest_wait(start, bad, good, end) >= at_least):
                found.append(Span(start, end))
            failed = failed[len(bad) :]
        return found


def _longest_wait(start: Ticks, failed: list[Ticks], intact: list[Ticks], end: Ticks) -> Ticks:
    """The longest time from a failure to the next whole picture."""
    nexts = ((at, next((good for good in intact if good > at), end)) for at in [start, *failed])
    return max(after - at for at, after in nexts)
