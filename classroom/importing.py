"""Existing media as a lesson: probed first, recorded into a staging folder, then moved among the lessons whole."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.kinds.file import file_uri, imported_file
from classroom.jobs import capture_jobs
from classroom.lesson_run import LessonRun, at_work
from classroom.progress import CopyProgress
from classroom.settings import Settings
from lesson.clock import Moment
from lesson.durable import make_folder, sync_folder
from lesson.durations import parse_offset
from lesson.errors import ConfigError, UnusableMediaError
from lesson.folder import STAGING, LessonFolder
from lesson.journal import append_records
from lesson.lifecycle import LessonTemplate
from lesson.model import Kind, Role, SourceSpec
from lesson.records import Start, Stop
from lesson.source_state import SourceState
from lesson.time import Ticks, seconds_from_ticks, ticks_from_seconds
from media.feeds.probe import probe

POLL_S = 0.1
MAX_OFFSET_S = 24 * 3600.0
FORGOTTEN_S = 600.0
"""Between its making and its lock an import's folder is younger than this, however slow the machine."""


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One file, or several that follow each other, and what it shows; `start`: lesson tick at which it begins."""

    role: Role
    paths: tuple[Path, ...]
    start: Ticks = 0

    @property
    def path(self) -> Path:
        return self.paths[0]


def parse_files(sources: Sequence[str], offsets: Sequence[str]) -> list[ImportFile]:
    """`ROLE=FILE[+FILE…]` and `ROLE=DURATION` arguments; an offset goes to every file of its role.

    Raises:
        ConfigError: an argument makes no sense.
    """
    starts = {_role(role): _seconds(text) for role, text in (_pair(offset) for offset in offsets)}
    pairs = [(_role(role), _parts(path)) for role, path in (_pair(source) for source in sources)]
    for role in starts:
        if role not in {given for given, _ in pairs}:
            raise ConfigError(f"--offset {role}=…: there is no --source {role}=…")
    earliest = min([0, *starts.values()])  # a file that starts before the others shifts those, not itself
    return [ImportFile(role, paths, starts.get(role, 0) - earliest) for role, paths in pairs]


def _parts(text: str) -> tuple[Path, ...]:
    """The one file, or the files with a plus between, that `text` names: a file may have one in its own name."""
    pieces = text.split("+")
    if len(pieces) == 1 or Path(text).exists():
        return (Path(text),)
    ways: dict[int, tuple[Path, ...]] = {len(pieces): ()}  # from a piece on, all files that exist
    for first in reversed(range(len(pieces))):
        for end in range(first + 1, len(pieces) + 1):  # the longest name that exists, if there are several
            path = Path("+".join(pieces[first:end]))
            if end in ways and path.name and path.exists():
                ways[first] = (path, *ways[end])
    if 0 not in ways:
        missing = next((piece for piece in pieces if not Path(piece).exists()), text)
        raise ConfigError(f"{text}: there is no such file, and of its parts there is no {missing or 'file'}")
    return ways[0]


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not value:
        raise ConfigError(f"{text!r}: write ROLE=VALUE, for example teacher=lecture.mp4")
    return key, value


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise ConfigError(f"no role {text!r}; there is {', '.join(Role)}") from None


def _seconds(text: str) -> Ticks:
    try:
        seconds = parse_offset(text)
    except ConfigError as error:
        raise ConfigError(f"--offset: {error}") from error
    if abs(seconds) > MAX_OFFSET_S:
        raise ConfigError(f"--offset: {text!r} is more than a day")
    return ticks_from_seconds(seconds)


def _specs(files: Sequence[ImportFile]) -> tuple[SourceSpec, ...]:
    specs: list[SourceSpec] = []
    for file in files:
        same = sum(spec.role is file.role for spec in specs)
        specs.append(
            SourceSpec(
                id=f"{file.role}-{same + 1}" if same else file.role.value,
                role=file.role,
                uri=file_uri(file.path),
                imported=True,
                required=True,
                start=file.start,
                parts=tuple(map(file_uri, file.paths)) if len(file.paths) > 1 else (),
            )
        )
    return tuple(specs)


def import_files(files: Sequence[ImportFile], settings: Settings, title: str | None) -> LessonFolder:
    """Record the files into a new lesson of the root and give it, ready for processing.

    Raises:
        UnusableMediaError: a file cannot be used; nothing is left behind.
        StorageError: the disk refused; nothing is left behind.
    """
    if not files:
        raise ConfigError("nothing to import: give --source ROLE=FILE")
    lengths = [probe(path).duration for file in files for path in file.paths]
    total = None if None in lengths else sum(length or 0 for length in lengths)
    template = LessonTemplate(
        room=settings.room,
        timezone=settings.timezone,
        languages=settings.languages,
        sources=_specs(files),
        ladder=settings.template().ladder,
    )
    staging = settings.root / STAGING
    make_folder(staging)
    _sweep(staging)
    folder = LessonFolder.create(staging, template.header(title or _title(files[0].path)))
    try:
        _record(folder, settings, total)
        final = settings.root / folder.id
        folder.path.rename(final)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    sync_folder(settings.root)
    return LessonFolder(final)


def _title(path: Path) -> str:
    """What a lesson is called after its file; bytes of a name that are no text are shown as such."""
    return os.fsencode(path.stem).decode(errors="replace")


def _sweep(staging: Path) -> None:
    """Remove what imports left behind that were killed: half lessons nobody is at work on any more."""
    for leftover in staging.iterdir():
        forgotten = time.time() - leftover.stat().st_mtime > FORGOTTEN_S
        if forgotten and not at_work(LessonFolder(leftover)):
            shutil.rmtree(leftover, ignore_errors=True)


def _record(folder: LessonFolder, settings: Settings, total: Ticks | None) -> None:
    """Run the capture processes of an import to their end; `total`: length of all files together."""
    now = Moment.now()
    append_records(folder.control_journal, [Start(at=now)])
    with LessonRun(folder, settings, jobs=capture_jobs) as run, CopyProgress() as progress:
        while not all(source.finished for source in run.view.state.sources.values()):
            if run.step():
                copied = sum(map(_copied, run.view.state.sources.values()))
                progress.update(seconds_from_ticks(copied), None if total is None else seconds_from_ticks(total))
            if run.problems:
                raise UnusableMediaError(run.problems[0].partition(": ")[2])
            time.sleep(POLL_S)
    for source in run.view.state.sources.values():
        if not source.segments:
            file = imported_file(source.spec.uri).path
            raise UnusableMediaError(source.losses[-1].reason if source.losses else f"{file}: nothing could be read")
    append_records(folder.control_journal, [Stop(at=Moment.now(), reason="imported")])


def _copied(source: SourceState) -> Ticks:
    """How much of a source's files is in the lesson by now."""
    if not source.segments:
        return 0
    newest, epoch = source.segments[-1], source.epochs[-1]
    end = max(span.end for kind in Kind if (span := newest.span(kind)))
    return (epoch.start or 0) - source.spec.start + max(0, end - epoch.origin)
