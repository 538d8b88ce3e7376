"""What a waiting person sees, on stderr: bars on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from classroom.terminal import plain, terminal
from lesson.durations import format_duration
from lesson.state import LessonState
from lesson.time import seconds_from_ticks

_LINE_EVERY_S = 15.0
_DRAW_EVERY_S = 0.5


class _ProgressDisplay:
    """Bars on a terminal, lines elsewhere; one bar a name."""

    names: tuple[str, ...] = ()

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or terminal(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            refresh_per_second=1 / _DRAW_EVERY_S,
        )
        self._tasks: dict[str, TaskID] = {}
        self._next = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._tasks = {name: self._bars.add_task(name, total=None, note="") for name in self.names}
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def _due(self) -> bool:
        """Whether it is time to say something again: twice a second on a terminal, four times a minute elsewhere."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + (_DRAW_EVERY_S if self._tasks else _LINE_EVERY_S)
        return True

    def _line(self, text: str) -> None:
        self._console.print(plain(text), soft_wrap=True)


class LessonProgress(_ProgressDisplay):
    """Shows how far a lesson is recorded, planned, encoded and stored."""

    names = ("recorded", "encoded", "stored")

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._said: set[str] = set()

    def trouble(self, problems: Iterable[str]) -> None:
        """Say what is wrong, each once: whoever waits must know what for."""
        for problem in problems:
            if problem not in self._said:
                self._said.add(problem)
                self._line(problem)

    def last(self, state: LessonState, *, recorded_s: float) -> None:
        """Say how far it came, whenever something was said before."""
        self._next = 0.0
        self.update(state, recorded_s=recorded_s)

    def update(self, state: LessonState, *, recorded_s: float) -> None:
        """Say how far it is, from the state; cheap enough for every poll."""
        if not self._due():
            return
        wanted = sum(
            len(state.edition.chunks_of(rung))
            if state.final
            else state.header.grid_of(rung.grid_multiple).chunks(state.duration)
            for rung in state.ladder
        )
        encoded = sum(len(rendition.chunks) for rendition in state.renditions.values())
        stored = state.stored_chunks
        until = state.start.for_s if state.start else None
        length = seconds_from_ticks(state.duration)
        if not self._tasks:
            self._line(f"recorded {format_duration(length)}, encoded {encoded}/{wanted}, stored {stored}/{wanted}")
            return
        done = length if state.stop else recorded_s
        self._bars.update(
            self._tasks["recorded"], completed=done, total=done if state.stop else until, note=format_duration(done)
        )
        for name, count in (("encoded", encoded), ("stored", stored)):
            self._bars.update(self._tasks[name], completed=count, total=wanted or None, note=f"{count}/{wanted} chunks")


class CopyProgress(_ProgressDisplay):
    """Shows how far files are copied into a lesson."""

    names = ("copied",)

    def update(self, done_s: float, total_s: float | None) -> None:
        """Redraw; both in seconds of media, of all files together. `total_s` None: not known."""
        if not self._due():
            return
        note = format_duration(done_s) + (f" of {format_duration(total_s)}" if total_s else "")
        if self._tasks:
            self._bars.update(self._tasks["copied"], completed=done_s, total=total_s, note=note)
        else:
            self._line(f"copied {note}")
