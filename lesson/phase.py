"""How far a lesson has come, as one word. Pure."""

from __future__ import annotations

from enum import StrEnum

from lesson.records import Start, Stop


class Phase(StrEnum):
    """How far a lesson has come."""

    CREATED = "created"
    RECORDING = "recording"
    PROCESSING = "processing"
    PUBLISHED = "published"
    EMPTY = "empty"  # over, and nothing was recorded: a button pressed by mistake


def phase_of(start: Start | None, stop: Stop | None, *, verified: bool, empty: bool) -> Phase:
    """How far a lesson has come, whether it is folded or only glanced at. `verified`: its newest edition is."""
    if verified:
        return Phase.PUBLISHED
    if start is None:
        return Phase.CREATED
    if empty:
        return Phase.EMPTY
    return Phase.PROCESSING if stop else Phase.RECORDING
