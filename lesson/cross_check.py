"""What each journal of a lesson must hold by what the others say, and by what lies in the folder.

Chunks are made of what is planned, a plan ends when every source has finished, a journal holds records of its own
folder alone, and what was looked at, lies there or was sealed is named by a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from lesson.folder import LessonFolder
from lesson.lost_lines import missing_numbers
from lesson.manifest import SealedSource, sealed_source
from lesson.records import (
    ChunkEncoded,
    ChunksKept,
    EpochStarted,
    Record,
    RenditionStarted,
    SegmentCommitted,
    SegmentObserved,
    SourceFinished,
    SourceLost,
    StreamAccount,
)
from lesson.source_state import SourceState
from lesson.state import LessonState


def home_of(record: Record) -> str | None:
    """The folder of the lesson whose journal a record belongs into; None: any of several."""
    match record:
        case SegmentCommitted():
            return f"raw/{record.segment.source}"
        case EpochStarted() | SourceLost() | StreamAccount() | SourceFinished():
            return f"raw/{record.source}"
        case ChunkEncoded():
            return f"enc/{record.chunk.rendition}"
        case RenditionStarted() | ChunksKept():
            return f"enc/{record.rendition}"
    return None


def journal_problems(folder: LessonFolder, state: LessonState) -> list[str]:
    """One line for each journal that lacks what the others follow from. Asks the disk only where one does."""
    found = [line for source in state.sources.values() for line in _raw_problems(folder, state, source)]
    return found + [_plan_problem(folder, number) for number in broken_plans(state)]


def _raw_problems(folder: LessonFolder, state: LessonState, source: SourceState) -> Iterator[str]:
    path = folder.raw_journal(source.spec.id)
    name = folder.relative(path)
    planned = state.editions[0].final and state.editions[0].frozen_until > 0  # of an empty lesson nothing is missing
    if planned and not source.finished:
        yield f"{name}: breaks off before the source finished" if os.path.lexists(path) else f"{name}: missing"
    if missing := missing_numbers(source):
        yield f"{name}: lines are lost: it does not name segment(s) {said_numbers(missing)}"


def broken_plans(state: LessonState) -> list[int]:
    """Editions whose plan says less than what was made by it."""
    found = []
    for number, edition in state.editions.items():
        starts = (one.leads_with(one.leading - 1).span.start for one in edition.renditions.values() if one.leading)
        beyond = not edition.final and max(starts, default=-1) >= edition.frozen_until
        if beyond or (edition.verified is not None and not edition.final):
            found.append(number)
    return found


def _plan_problem(folder: LessonFolder, number: int) -> str:
    path = folder.plan_journal(number)
    said = "lines are lost: more was made of it than it plans" if os.path.lexists(path) else "missing"
    return f"{folder.relative(path)}: {said}"


def unlisted(folder: LessonFolder, source: SourceState, observed: Iterable[Record]) -> list[str]:
    """Segments that were looked at, or lie among those that are named, and have no line in their source's journal."""
    known = {(one.epoch, one.seq) for one in source.segments}
    seqs = {one.seq for one in source.segments}
    name = folder.relative(folder.raw_journal(source.spec.id))
    looked = {
        (one.epoch, one.seq)
        for one in observed
        if isinstance(one, SegmentObserved) and one.source == source.spec.id and (one.epoch, one.seq) not in known
    }
    found = [f"{name}: lines are lost: segment {seq} was looked at, and is not named" for _, seq in sorted(looked)]
    lost = set(missing_numbers(source))
    for epoch, seq, path in folder.segment_files(source.spec.id):
        # what a crash left has a number that was used again, or none after it; an older version may have left more
        if (epoch, seq) not in known and seq not in seqs and (seq in lost or not known):
            found.append(f"{folder.relative(path)}: lies here, and {name} does not name it")
    return found


def sealed_problems(folder: LessonFolder, state: LessonState, sealed: Iterable[SealedSource]) -> list[str]:
    """Sources that give other segments than when the lesson was sealed."""
    found = []
    for one in sealed:
        source = state.sources.get(one.id)
        now = sealed_source(source) if source else None
        if now != one:
            count = f"{now.segments} segment(s) of {now.bytes} bytes" if now else "nothing"
            name = folder.relative(folder.raw_journal(one.id))
            found.append(f"{name}: names {count}; sealed were {one.segments} of {one.bytes} bytes")
    return found


def said_numbers(numbers: Iterable[int]) -> str:
    """Numbers for people, those that follow one another as a range."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda entry: entry[1] - entry[0])
    ends = [[number for _, number in run] for _, run in runs]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in ends)
