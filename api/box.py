"""What the routes share: one object per application, handed to them by FastAPI."""

from __future__ import annotations

import threading
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from api.disk_time import RecordingRate
from api.health import RoomHealth, RoomStatus, room_health
from api.idle import IdleRoom, idle_health
from api.library import Library
from api.standing import Standing
from api.thumbnails import Thumbnails
from api.whole_files import WholeFiles
from lesson.box import BoxState, BoxView, Fault
from lesson.clock import Moment
from lesson.errors import ClassreelError, StorageError
from lesson.folder import LessonFolder
from lesson.lifecycle import LessonTemplate
from lesson.records import FaultRaised, decode_line
from process.bulletin import BulletinReader
from process.disk import DiskProbe, DiskSpace, RootAsFound, space_for

CONDUCTOR_SILENCE_S = 5.0
"""A conductor goes round four times a second; for so long it may start processes or wait for a slow disk."""


class FaultBoard:
    """What is wrong with the box, for requests in many threads.

    As its conductor says in memory (where it says nothing there: in the box's journal), and as the disk itself shows.
    """

    def __init__(self, root: Path, disk: DiskProbe, bulletin: Path | None = None) -> None:
        self._view = BoxView(root)
        self._disk = disk
        self._disk_since: dict[Fault, Moment] = {}
        self._bulletin = BulletinReader(bulletin) if bulletin else None
        self._told: list[FaultRaised] = []
        self._silent_since: Moment | None = None
        self._lock = threading.Lock()

    def open(self) -> list[FaultRaised]:
        """What is wrong with the box, oldest first."""
        found = self._conducted()
        known = {(one.code, one.about) for one in found}
        return [*found, *(one for one in self._seen() if (one.code, one.about) not in known)]

    def _seen(self) -> list[FaultRaised]:
        """What the disk itself shows, each since it was seen first."""
        seen = self._disk.faults()
        with self._lock:
            since = self._disk_since = {code: self._disk_since.get(code) or Moment.now() for code in seen}
        return [FaultRaised(code=code.value, about="disk", at=since[code], detail=line) for code, line in seen.items()]

    def _conducted(self) -> list[FaultRaised]:
        said = self._bulletin.read() if self._bulletin else None
        if said is None:
            return list(self.state().faults.values())
        with self._lock:
            if said.lines is not None:
                self._told = [one for one in map(decode_line, said.lines) if isinstance(one, FaultRaised)]
            found = [*self._told]
            silent = said.age_s > CONDUCTOR_SILENCE_S
            self._silent_since = (self._silent_since or Moment.now()) if silent else None
            if self._silent_since is not None:
                detail = f"no sign of life for {said.age_s:.0f} s"
                code, since = Fault.CONDUCTOR_HANGS.value, self._silent_since
                found.append(FaultRaised(code=code, about="conductor", at=since, detail=detail))
        return found

    def state(self) -> BoxState:
        """What its journal amounts to now, to keep."""
        with self._lock:
            with suppress(StorageError):  # a disk that cannot be read: what was known stands
                self._view.poll()
            return deepcopy(self._view.state)


@dataclass(frozen=True, slots=True)
class Box:
    """The box as the API sees it. `hls_js`: a local copy of hls.js for browsers that need it."""

    root: Path
    template: LessonTemplate
    hls_js: Path | None
    library: Library
    faults: FaultBoard
    root_as_found: RootAsFound
    rate: RecordingRate = field(default_factory=RecordingRate)
    standing: Standing = field(default_factory=lambda: Standing({}, None))
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    whole_files: WholeFiles = field(default_factory=WholeFiles)

    def health(self) -> RoomHealth:
        """What the room is doing now; trouble when the running lesson, or the disk itself, cannot be read."""
        faults = tuple(self.faults.open())
        running = self.running()
        if running is None:
            return idle_health(self.idle_room(), Moment.now(), faults)
        try:
            with self.library.reading(running.id) as state:
                self.rate.learn(state, Moment.now())
                return room_health(state, Moment.now(), faults=faults)
        except ClassreelError:
            return RoomHealth(
                status=RoomStatus.TROUBLE, lesson_id=running.id, elapsed_s=None, sources=(), faults=faults
            )

    def idle_room(self) -> IdleRoom:
        """The room between lessons, as those say who hold its feeds."""
        able = frozenset(self.template.able)
        standing = able if self.standing.asked else frozenset(self.template.standing(Moment.now()))
        return IdleRoom(sources=self.template.sources, able=able, standing=standing, looks=self.standing.looks())

    def running(self) -> LessonFolder | None:
        """The lesson being recorded, as far as the disk can be read: a disk that cannot is a fault of its own."""
        try:
            return self.library.running()
        except StorageError:
            return None

    def disk(self) -> DiskSpace:
        """Room for lessons; none where the disk does not tell, which is a fault of its own."""
        try:
            return space_for(self.root)
        except StorageError:
            return DiskSpace(0, low=False)


def _box(request: Request) -> Box:
    box: Box = request.app.state.box
    return box


BoxDep = Annotated[Box, Depends(_box)]
