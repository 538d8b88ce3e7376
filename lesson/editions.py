"""Starting an edition: how a lesson that is published is made again, otherwise. What an edition is: docs/adr/0016."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from warnings import catch_warnings, simplefilter

from lesson.catalogue import editions_bell
from lesson.clock import Moment
from lesson.durable import write_atomic
from lesson.edition_state import EditionState
from lesson.errors import ClassreelError, LessonFormatError
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.lifecycle import root_lock
from lesson.model import Kind, Layout
from lesson.overrides import Override, Replacement
from lesson.records import EditionStarted, Planning, RungSkipped, decode_line, encode_line
from lesson.state import LessonState
from lesson.time import Span
from lesson.view import load_state

_SOURCES = {Layout.FULL: 1, Layout.PIP: 2, Layout.SLATE: 0}


class EditionError(ClassreelError):
    """An edition that cannot be made as it was asked for."""


def start_edition(
    root: Path,
    folder: LessonFolder,
    overrides: Sequence[Override] = (),
    *,
    rungs: Sequence[str] | None = None,
    planning: Planning = Planning.LIVE,
) -> int:
    """Have a lesson made again; the number of the edition. `overrides` are all that hold, not only new ones.

    The stages make it (`classreel process LESSON`, or the box by itself); until it is verified, the edition before is
    played.

    Raises:
        EditionError: the lesson is not published yet, or an override or rung does not fit it.
        StorageError: the disk refused.
    """
    with root_lock(root):
        state = load_state(folder)
        _check_ready(state)
        number = state.newest + 1
        started = _readable(
            EditionStarted(
                number=number,
                at=Moment.now(),
                overrides=tuple(overrides),
                rungs=None if rungs is None else tuple(rungs),
                planning=planning,
            )
        )
        _check(state, EditionState(state.header, number, started))
        _ring(root, folder)  # before as well: a kill right after the next line leaves the edition noticed
        append_records(folder.control_journal, [started])
        _ring(root, folder)
    return number


def _readable(started: EditionStarted) -> EditionStarted:
    """An edition as everyone will read it; what is written stays, and a line that nobody understands would be damage.

    Raises `EditionError` for one that cannot be read again, such as one with times of half ticks.
    """
    unreadable = EditionError("overrides and rungs cannot be stored so: times are whole ticks, 48000 a second")
    try:
        with catch_warnings():
            simplefilter("error")  # by which pydantic says that it writes what it would not read
            read = decode_line(encode_line(started))
    except (LessonFormatError, ValueError, UserWarning) as error:  # pydantic's own errors are ValueErrors
        raise unreadable from error
    if not isinstance(read, EditionStarted) or read != started:
        raise unreadable
    return read


def _ring(root: Path, folder: LessonFolder) -> None:
    write_atomic(editions_bell(root), f"{folder.id}\n".encode())


def skip_rung(root: Path, folder: LessonFolder, rendition: str, reason: str) -> None:
    """Leave a rendition out of the newest edition, and say why. Raises `EditionError`, `StorageError`.

    One that is published stays as it is: viewers have its playlists. Another edition may do without the rendition.
    """
    with root_lock(root):
        state = load_state(folder)
        if [rung.name for rung in state.ladder if rung.name != rendition] == [rung.name for rung in state.ladder]:
            raise EditionError(f"{folder.id}: no rendition {rendition!r} is wanted of it")
        if state.verified is not None:
            raise EditionError(
                f"{folder.id}: edition {state.newest} is published: start one with the rungs that are wanted"
            )
        if len(state.ladder) == 1:
            raise EditionError(f"{folder.id}: {rendition} is its only rendition")
        skipped = RungSkipped(edition=state.newest, rendition=rendition, at=Moment.now(), reason=reason)
        append_records(folder.control_journal, [skipped])


def _check_ready(state: LessonState) -> None:
    name = state.header.id
    if state.empty:
        raise EditionError(f"{name}: nothing was recorded, so there is nothing to make again")
    if state.raw_reclaimed is not None:
        day = state.raw_reclaimed.at.wall[:10]
        raise EditionError(
            f"{name}: cannot be made again: its recording was removed on {day} to make room on the disk; the lesson is "
            "stored as it is. `classreel pin LESSON` keeps a recording"
        )
    if state.newest == 0 and state.verified is None:
        raise EditionError(f"{name}: not published yet: `classreel process {name}` does that, then edit it")


def _check(state: LessonState, edition: EditionState) -> None:
    """Whether an edition can be made. Raises `EditionError`."""
    whole = Span(0, state.editions[0].frozen_until)
    names = [rung.name for rung in state.header.ladder]
    unknown = [name for name in (edition.started.rungs or () if edition.started else ()) if name not in names]
    if unknown:
        raise EditionError(f"{state.header.id}: no rendition {unknown[0]!r}; there is {', '.join(names)}")
    if not edition.ladder:
        raise EditionError(f"{state.header.id}: an edition needs a rendition; there is {', '.join(names)}")
    if edition.kept(whole).empty:
        raise EditionError(f"{state.header.id}: nothing would be left of it")
    for override in edition.overrides:
        if (shown := override.shown()) is not None:
            _check_replacement(state, shown, whole)


def _check_replacement(state: LessonState, shown: Replacement, whole: Span) -> None:
    name, sources = state.header.id, [source.id for source in state.header.sources]
    unknown = [source for source in shown.sources if source not in sources]
    if unknown:
        raise EditionError(f"{name}: no source {unknown[0]!r}; there is {', '.join(sources)}")
    if len(shown.sources) != _SOURCES[shown.layout]:
        raise EditionError(f"{name}: the layout {shown.layout.value!r} shows {_SOURCES[shown.layout]} source(s)")
    unseen = [source for source in shown.sources if not state.sources[source].has(Kind.VIDEO)]
    if unseen:
        raise EditionError(f"{name}: source {unseen[0]!r} has no picture to show")
    if not shown.span.overlaps(whole) or shown.span.empty:
        raise EditionError(f"{name}: an override lies outside of the lesson")
