"""Is a lesson folder whole? Every file its journals name is hashed, and the journals are compared with one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lesson.cross_check import sealed_problems, unlisted
from lesson.errors import LessonFormatError, StorageError, storage_errors
from lesson.files import file_problem
from lesson.folder import LessonFolder, read_header
from lesson.journal import JournalReader
from lesson.manifest import read_sealed_sources
from lesson.reading import read_whole
from lesson.state import LessonState
from lesson.view import LessonView


def verify_local(folder: LessonFolder) -> list[str]:
    """One line for each problem; none: every committed byte is what it was when it was committed.

    Raises `LessonFormatError` or `LessonNotFoundError` if there is no readable header, `StorageError` if a journal
    cannot be read.
    """
    view = LessonView(folder)
    view.poll()
    problems = _header(folder) + view.damage + _unread(folder, view.state)
    for path, size, sha256 in _named_files(view.state):
        problem = file_problem(folder, path, size, sha256)
        if problem:
            problems.append(f"{path}: {problem}")
    return problems + missing_chunks(view.state) + _manifest(folder, view.state)


def spoilt_files(folder: LessonFolder, state: LessonState) -> list[str]:
    """One line for each file that is not what was committed: what was encoded by its bytes, segments by their size.

    Raises `StorageError` where it cannot be told.
    """
    found: list[str] = []
    for path, size, sha256 in _named_files(state):
        problem = file_problem(folder, path, size, None if path.startswith("raw/") else sha256)
        if problem:
            found.append(f"{path}: {problem}")
    return found


def _header(folder: LessonFolder) -> list[str]:
    try:
        with storage_errors(folder.header_path):
            read_header(folder.header_path)
    except (LessonFormatError, StorageError) as error:
        said = str(error).removeprefix(f"{folder.header_path}: ")
        return [f"lesson.json: {said}; its copy {folder.relative(folder.header_copy)} is used"]
    return []


def _named_files(state: LessonState) -> Iterator[tuple[str, int, str]]:
    """Path, bytes and SHA-256 of every file the journals name, but for raw segments that went to make room."""
    for source in state.sources.values() if state.raw_reclaimed is None else ():
        for segment in source.segments:
            yield segment.path, segment.bytes, segment.sha256
    made: dict[str, tuple[str, int, str]] = {}  # editions share files
    for progress in (progress for edition in state.editions.values() for progress in edition.renditions.values()):
        if started := progress.started:
            made[started.init_path] = started.init_path, started.init_bytes, started.init_sha256
        for chunk in progress.chunks.values():
            made[chunk.path] = chunk.path, chunk.bytes, chunk.sha256
    yield from made.values()


def _unread(folder: LessonFolder, state: LessonState) -> list[str]:
    """Damage where the fold does not look: observations, and the last lines of journals nobody writes any more."""
    problems: list[str] = []
    quiet = [folder.raw_journal(source.spec.id) for source in state.sources.values() if source.finished]
    quiet += [folder.plan_journal(number) for number, edition in state.editions.items() if edition.final]
    if state.encoded:
        quiet += [folder.rendition_journal(name) for name in state.renditions]
    observed = [folder.observe_journal(source) for source in state.sources]
    for path in quiet:
        torn = _torn_bytes(path)
        if torn:
            problems.append(f"{folder.relative(path)}: its last {torn} bytes are no sound line")
    for source, path in zip(state.sources.values(), observed, strict=True):
        reader = JournalReader(path)
        problems += unlisted(folder, source, reader.poll())
        problems += [f"{folder.relative(path)}: {problem}" for problem in reader.problems]
    return problems


def _torn_bytes(path: Path) -> int:
    """How many bytes follow the last whole line: of a journal still being written, or damaged."""
    with storage_errors(path):
        data = read_whole(path) if path.is_file() else b""
    return len(data) - (data.rfind(b"\n") + 1)


def missing_chunks(state: LessonState) -> list[str]:
    """Holes, and once the plan is final everything up to its end."""
    problems: list[str] = []
    for rung in state.ladder:
        name, progress = rung.name, state.renditions[rung.name]
        wanted = (
            state.edition.chunks_of(rung)
            if state.final
            else range(progress.first, max(progress.chunks, default=-1) + 1)
        )
        missing = [index for index in wanted if index not in progress.chunks]
        if missing:
            problems.append(f"{name}: {len(missing)} of {len(wanted)} chunks missing, first {missing[0]}")
    return problems


def _manifest(folder: LessonFolder, state: LessonState) -> list[str]:
    if not state.verified:  # of an edition before it, the manifest may be replaced already
        return []
    name = folder.relative(folder.manifest_path)
    try:
        if hashlib.sha256(read_whole(folder.manifest_path)).hexdigest() != state.verified.manifest_sha256:
            return [f"{name}: not the manifest that was published"]
        return sealed_problems(folder, state, read_sealed_sources(folder.manifest_path))
    except LessonFormatError:
        return [f"{name}: not a manifest"]
    except (OSError, StorageError):
        return [f"{name}: missing"]
