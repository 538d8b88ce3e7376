"""Running real capture processes in tests, and looking into what they recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import read_journal
from lesson.model import Kind, SegmentRecord, SourceSpec
from lesson.records import EpochStarted, Record, SegmentCommitted, SourceFinished, SourceLost
from media.decode.pictures import pictures
from tests.kit.lessons import make_lesson, start, stop
from tests.kit.marks import Mark, read_mark
from tests.kit.waiting import wait_until

T = TypeVar("T", bound=Record)

_START_S = 20.0


class Capture:
    """One capture process of one source; killed at the end of the `with` block if it still runs."""

    def __init__(
        self,
        folder: LessonFolder,
        source: str,
        *,
        env: Mapping[str, str] | None = None,
        preexec: Callable[[], None] | None = None,
        pass_fds: tuple[int, ...] = (),
        module: str = "capture",
    ) -> None:
        self.folder = folder
        self.source = source
        self.argv = [sys.executable, "-m", module, str(folder.path), *filter(None, [source])]
        self.process = subprocess.Popen(
            self.argv,
            env={**os.environ, **(env or {})},
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec,
            pass_fds=pass_fds,
        )
        self._log: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            self._log += iter(stream.readline, "")

    @property
    def log(self) -> str:
        """Everything the process has said so far (all of it once it has ended)."""
        if self.process.poll() is not None:
            self._listener.join(5)
        return "".join(self._log)

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._listener.join(5)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = _START_S) -> int:
        """The exit code, once it has ended by itself."""
        code = self.process.wait(timeout_s)
        self._listener.join(5)
        return code

    def wait_for_segments(self, count: int, timeout_s: float = _START_S) -> list[SegmentRecord]:
        """Wait until `count` segments are committed."""

        def enough() -> list[SegmentRecord] | None:
            found = segments(self.folder, self.source)
            assert self.process.poll() is None or len(found) >= count, f"capture ended: {self.log}"
            return found if len(found) >= count else None

        found = wait_until(enough, timeout_s, what=f"{count} segments of {self.source}")
        assert found is not None
        return found


def live_lesson(root: Path, *sources: SourceSpec) -> LessonFolder:
    """A lesson that was started now."""
    folder = make_lesson(root, sources=sources)
    start(folder, at=Moment.now())
    return folder


def stop_now(folder: LessonFolder) -> None:
    stop(folder, at=Moment.now())


def records(folder: LessonFolder, source: str, kind: type[T]) -> list[T]:
    """All records of one type in the journal of a source."""
    return [record for record in read_journal(folder.raw_journal(source)) if isinstance(record, kind)]


def segments(folder: LessonFolder, source: str) -> list[SegmentRecord]:
    return [record.segment for record in records(folder, source, SegmentCommitted)]


def epochs(folder: LessonFolder, source: str) -> list[EpochStarted]:
    return records(folder, source, EpochStarted)


def losses(folder: LessonFolder, source: str) -> list[str]:
    return [record.reason for record in records(folder, source, SourceLost)]


def finished(folder: LessonFolder, source: str) -> bool:
    return bool(records(folder, source, SourceFinished))


def open_segment(folder: LessonFolder, source: str) -> Path:
    """Where the segment is that is being written, or was when the process died."""
    committed = segments(folder, source)
    seq = committed[-1].seq + 1 if committed else 0
    return folder.segment_path(source, epochs(folder, source)[-1].epoch, seq)


def wait_for_media(folder: LessonFolder, source: str, *, epoch: int = 0, size: int = 20_000) -> Path:
    """Wait until an open segment of this epoch (or a later one) has `size` bytes in its file; that file."""

    def there() -> Path | None:
        started = epochs(folder, source)
        if not started or started[-1].epoch < epoch:
            return None
        path = open_segment(folder, source)
        return path if path.is_file() and path.stat().st_size >= size else None

    found = wait_until(there, _START_S, what=f"media of {source} in epoch {epoch}")
    assert found is not None
    return found


def files(folder: LessonFolder, found: Iterable[SegmentRecord]) -> list[Path]:
    return [folder.absolute(segment.path) for segment in found]


def marks(folder: LessonFolder, found: Iterable[SegmentRecord]) -> list[tuple[int, Mark | None]]:
    """(source tick, mark) of every picture of these segments, all of one epoch, as decoded."""
    return [
        (picture.at, read_mark(picture.gray(picture.width, picture.height)))
        for picture in pictures(files(folder, found))
    ]


def by_epoch(found: Iterable[SegmentRecord]) -> dict[int, list[SegmentRecord]]:
    groups: dict[int, list[SegmentRecord]] = {}
    for segment in found:
        groups.setdefault(segment.epoch, []).append(segment)
    return groups


def packet_count(found: Iterable[SegmentRecord], kind: Kind) -> int:
    return sum(stored.packets for segment in found if (stored := segment.range(kind)))
