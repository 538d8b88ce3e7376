"""What the routes share: one object per application, handed to them by FastAPI."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from api.health import MIN_FREE_BYTES, Light, RoomHealth, room_health
from api.library import Library
from api.thumbnails import Thumbnails
from lesson.box import BoxState, BoxView
from lesson.clock import Moment
from lesson.errors import ClassreelError, StorageError, storage_errors
from lesson.lifecycle import LessonTemplate
from lesson.records import FaultRaised


@dataclass(frozen=True, slots=True)
class Disk:
    """Free bytes where the lessons lie; `low` when another lesson may not fit."""

    free: int
    low: bool


class FaultBoard:
    """What the box's journal says, for requests in many threads."""

    def __init__(self, root: Path) -> None:
        self._view = BoxView(root)
        self._lock = threading.Lock()

    def open(self) -> list[FaultRaised]:
        """What is wrong with the box, oldest first."""
        return list(self.state().faults.values())

    def state(self) -> BoxState:
        """What its journal amounts to now, to keep."""
        with self._lock:
            with suppress(StorageError):  # a disk that cannot be read: what was known stands
                self._view.poll()
            return deepcopy(self._view.state)


@dataclass(frozen=True, slots=True)
class Box:
    """The recorder as the API sees it. `hls_js`: a local copy of hls.js for browsers that need it."""

    root: Path
    template: LessonTemplate
    hls_js: Path | None
    library: Library
    faults: FaultBoard
    thumbnails: Thumbnails = field(default_factory=Thumbnails)

    def health(self) -> RoomHealth:
        """What the room is doing now; trouble when the running lesson cannot be read. Raises `StorageError`."""
        running = self.library.running()
        if running is None:
            return room_health(None, Moment.now(), standby=self.template.sources, faults=self.faults.open())
        try:
            with self.library.reading(running.id) as state:
                return room_health(state, Moment.now(), faults=self.faults.open())
        except ClassreelError:
            faults = tuple(self.faults.open())
            return RoomHealth(light=Light.TROUBLE, lesson_id=running.id, elapsed_s=None, sources=(), faults=faults)

    def disk(self) -> Disk:
        """Room for lessons. Raises `StorageError`."""
        place = next(path for path in (self.root, *self.root.absolute().parents) if path.exists())
        with storage_errors(place):
            usage = shutil.disk_usage(place)
        return Disk(usage.free, usage.free < min(MIN_FREE_BYTES, usage.total // 10))


def _box(request: Request) -> Box:
    box: Box = request.app.state.box
    return box


BoxDep = Annotated[Box, Depends(_box)]
