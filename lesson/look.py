"""What a feed that stands by was last found to deliver: said in memory by who holds it, read by the pages.

Imports nothing heavy.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from lesson.time import NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at `at_ns` (CLOCK_MONOTONIC), with what seemed wrong in it (`lesson.signal.Flaw`), lasting or not.

    `well_ns`: the newest one in which nothing did, 0 for none: somebody who walks past a lens is no flaw.
    `fps`: pictures a second, measured; 0 without a picture. `peak_db`, `rms_db`: of the sound, below full scale; None
    without sound. `waits`: nobody sends it, and nobody needs to. `jpeg`: a small picture, only where somebody asked for
    it.
    """

    at_ns: int
    well_ns: int = 0
    flaws: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    fps: float = 0.0
    peak_db: float | None = None
    rms_db: float | None = None
    waits: bool = False
    jpeg: bytes = b""

    def age_s(self, now_ns: int) -> float:
        """Seconds since then; `now_ns`: CLOCK_MONOTONIC."""
        return max(0.0, (now_ns - self.at_ns) / NANOSECONDS_PER_SECOND)

    def was_well(self, now_ns: int, within_s: float) -> bool:
        """Whether nothing seemed wrong at some time within so many seconds."""
        return self.well_ns > 0 and now_ns - self.well_ns <= within_s * NANOSECONDS_PER_SECOND


def look_lines(look: Look | None) -> list[bytes]:
    """A look as the lines of a bulletin; none where nothing is known."""
    if look is None:
        return []
    return [json.dumps({**asdict(look), "jpeg": b64encode(look.jpeg).decode()}).encode() + b"\n"]


def look_in(lines: Iterable[bytes]) -> Look | None:
    """The inverse of `look_lines`."""
    for line in lines:
        fields = json.loads(line)
        return Look(**{**fields, "flaws": tuple(fields["flaws"]), "jpeg": b64decode(fields["jpeg"])})
    return None
