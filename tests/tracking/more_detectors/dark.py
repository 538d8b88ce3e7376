"""How dark a picture is: an example of a detector, all of it."""

from __future__ import annotations

from lesson.model import Finding, Observation, Role
from lesson.time import TICKS_PER_SECOND
from tracking.detector import Picture


class Dark:
    """1 for a lens that is covered, 0 for a white wall."""

    name = "dark/1"
    roles = frozenset(Role)
    size = (64, 36)
    interval = TICKS_PER_SECOND

    def __init__(self, role: Role) -> None:
        pass

    def feed(self, picture: Picture) -> Observation:
        dark = 1.0 - float(picture.gray(*self.size).mean()) / 255.0
        return Observation(at=picture.at, findings=(Finding(what="dark", score=round(dark, 3)),))
