"""What the routes share: one object per application, handed to them by FastAPI."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from api.health import MIN_FREE_BYTES, Light, RoomHealth, room_health
from api.library import Library
from api.thumbnails import Thumbnails
from lesson.clock import Moment
from lesson.errors import ClassreelError, storage_errors
from lesson.lifecycle import LessonTemplate


@dataclass(frozen=True, slots=True)
class Disk:
    """Free bytes where the lessons lie; `low` when another lesson may not fit."""

    free: int
    low: bool


@dataclass(frozen=True, slots=True)
class Box:
    """The recorder as the API sees it. `hls_js`: a local copy of hls.js for browsers that need it."""

    root: Path
    template: LessonTemplate
    hls_js: Path | None
    library: Library
    thumbnails: Thumbnails = field(default_factory=Thumbnails)

    def health(self) -> RoomHealth:
        """What the room is doing now; trouble when the running lesson cannot be read. Raises `StorageError`."""
        running = self.library.running()
        if running is None:
            return room_health(None, Moment.now(), standby=self.template.sources)
        try:
            with self.library.reading(running.id) as state:
                return room_health(state, Moment.now())
        except ClassreelError:
            return RoomHealth(light=Light.TROUBLE, lesson_id=running.id, elapsed_s=None, sources=())

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
