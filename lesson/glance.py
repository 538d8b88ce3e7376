"""What a few kilobytes tell about a lesson: its header, its short control journal, the ends of the long ones.

A fold of 45 minutes takes some 0.3 s; these looks take some 0.1 ms, so that thousands of lessons can be listed. What
they say is what the fold says; where the end of a journal is torn, damaged or of a later version, the whole of it is
read instead. Only gaps are not known this way before a lesson is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lesson.clock import Moment
from lesson.ends import BEGINNING_BYTES, beginning_of, decoded, end_of, last_record
from lesson.errors import ClassreelError, LessonFormatError
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import JournalReader, read_journal
from lesson.left_out import LeftOut, left_out
from lesson.manifest import read_sealed
from lesson.model import LessonHeader
from lesson.phase import Phase, phase_of
from lesson.presumed import Signs, presumed
from lesson.records import (
    ChunkEncoded,
    EditionStarted,
    EpochStarted,
    FrozenUntil,
    LessonPinned,
    PlaylistPublished,
    PublishStarted,
    RawReclaimed,
    Record,
    RungSkipped,
    SourceFinished,
    Start,
    Stop,
    Unknown,
    Verified,
)
from lesson.time import NANOSECONDS_PER_SECOND, seconds_from_ticks


@dataclass(frozen=True, slots=True)
class Window:
    """When a lesson was started and stopped, if it was; `edition`: number of the newest.

    `wanted`: how the newest edition was started, `skipped`: what was left out of it since. `hurt`: its control journal
    is not whole. `lost`: what that lost and the raw journals gave (`lesson/presumed.py`). `pinned`, `raw_reclaimed`: as
    in `LessonEntry`.
    """

    start: Start | None = None
    stop: Stop | None = None
    edition: int = 0
    wanted: EditionStarted | None = None
    skipped: tuple[RungSkipped, ...] = ()
    hurt: bool = False
    lost: tuple[str, ...] = ()
    pinned: bool = False
    raw_reclaimed: str | None = None

    def is_met_by(self, verified: Verified | None) -> bool:
        """Whether the newest edition is verified."""
        return verified is not None and verified.edition >= self.edition


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonEntry:
    """One line about a lesson. `phase` is None for a damaged one: `problem` says why, `header` may be missing.

    `duration_s`: the length, in seconds, as far as it is planned; of one recorded here at least from Start to Stop.
    `gap_count`: None while it is not known, which is before the manifest is written. `raw_reclaimed`: when (ISO 8601)
    its raw segments went to make room; those of a `pinned` lesson never do.
    """

    folder: LessonFolder
    phase: Phase | None
    header: LessonHeader | None = None
    start: Start | None = None
    stop: Stop | None = None
    duration_s: float = 0.0
    gap_count: int | None = None
    playable: bool = False
    published_url: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    problem: str | None = None
    pinned: bool = False
    raw_reclaimed: str | None = None


NOTHING = "nothing was recorded"
"""What is wrong with an empty lesson."""


def glance(folder: LessonFolder) -> LessonEntry:
    """What can be said of a lesson without folding it; a damaged one is named, not hidden."""
    header = None
    try:
        header = folder.header
        window = lesson_window(folder)
        verified = sealed(folder.publish_journal)
        return _entry(folder, window, verified if window.is_met_by(verified) else None)
    except ClassreelError as error:
        return LessonEntry(folder=folder, phase=None, header=header, problem=str(error))


def _entry(folder: LessonFolder, window: Window, verified: Verified | None) -> LessonEntry:
    played = verified is not None or window.edition > 0  # while an edition is made, the one before is played
    duration_s, gap_count = _sealed_length(folder) if played else (None, None)
    planned = None if duration_s is not None else _planned(folder.plan_journal())
    empty = planned is not None and planned.final and planned.at == 0
    lost = f"{folder.control_journal}: {'; '.join(window.lost)}" if window.lost else None
    return LessonEntry(
        folder=folder,
        phase=phase_of(window.start, window.stop, verified=verified is not None, empty=empty),
        problem=NOTHING if empty else lost,
        header=folder.header,
        start=window.start,
        stop=window.stop,
        duration_s=round(
            _length_s(planned, window, imported=folder.header.imported) if duration_s is None else duration_s, 3
        ),
        gap_count=gap_count,
        playable=bool(verified) or _playable(folder),
        published_url=_published_url(folder.publish_journal, verified),
        left_out=left_out(folder.header, window.wanted, window.skipped),
        pinned=window.pinned,
        raw_reclaimed=window.raw_reclaimed,
    )


def control_window(path: Path) -> Window:
    """The first Start and Stop of a control journal and its newest edition. Raises `StorageError`."""
    reader = JournalReader(path)
    records = reader.poll()
    start = next((r for r in records if isinstance(r, Start)), None)
    stop = next((r for r in records if isinstance(r, Stop)), None)
    editions = [record for record in records if isinstance(record, EditionStarted)]
    wanted = max(editions, key=lambda edition: edition.number, default=None)
    newest = wanted.number if wanted else 0
    skipped = tuple(record for record in records if isinstance(record, RungSkipped) and record.edition == newest)
    pinned = next((record.pinned for record in reversed(records) if isinstance(record, LessonPinned)), False)
    gone = next((record.at.wall for record in records if isinstance(record, RawReclaimed)), None)
    return Window(start, stop, newest, wanted, skipped, hurt=reader.lost_lines, pinned=pinned, raw_reclaimed=gone)


def lesson_window(folder: LessonFolder) -> Window:
    """When a lesson was started and stopped; what its control journal lost is taken from the raw journals.

    Raises:
        LessonFormatError: the line that may have started the lesson is damaged, and nothing else tells.
        StorageError: a journal cannot be read.
    """
    found = control_window(folder.control_journal)
    if found.start and (found.stop or not found.hurt):
        return found
    begun = folder.has_raw_journal()
    if found.start is None and begun:
        found = control_window(folder.control_journal)  # perhaps it has been started between the two looks
    if found.start is None and not begun:
        if found.hurt:
            raise LessonFormatError(f"{folder.control_journal}: damaged; whether the lesson was started cannot be told")
        return found
    journals = [folder.raw_journal(source.id) for source in folder.header.sources]
    firsts = [] if found.start else [at for path in journals if (at := _first_epoch(path))]
    ends = [last.at if isinstance(last, SourceFinished) else None for last in map(last_record, journals)]
    bounds = presumed(folder.header, found.start, found.stop, Signs(begun, firsts, ends), hurt=found.hurt)
    return replace(found, start=bounds.start, stop=bounds.stop, hurt=found.hurt or bool(bounds.lost), lost=bounds.lost)


def _first_epoch(path: Path) -> Moment | None:
    for record in map(decoded, beginning_of(path).split(b"\n")[:-1]):
        if isinstance(record, EpochStarted):
            return record.at
    return next((r.at for r in read_journal(path) if isinstance(r, EpochStarted)), None)


def sealed(path: Path) -> Verified | None:
    """The `Verified` with which a publish journal ends. Raises `StorageError`.

    The publisher commits nothing after it, unless the lesson goes to another store: then it is not sealed any more.
    """
    last = last_record(path)
    if last is not None and not isinstance(last, PublishStarted):
        return last if isinstance(last, Verified) else None
    url: str | None = None
    verified: Verified | None = None
    for record in read_journal(path):
        if isinstance(record, Verified):
            verified = record
        elif isinstance(record, PublishStarted):
            verified = verified if record.url == url else None
            url = record.url
    return verified


def _sealed_length(folder: LessonFolder) -> tuple[float | None, int | None]:
    """Length in seconds and number of gaps as the manifest has them; None without a sound one."""
    try:
        found = read_sealed(folder.manifest_path, folder.id)
    except ClassreelError:
        return None, None
    return found.duration_s, found.gap_count


def _length_s(planned: FrozenUntil | None, window: Window, *, imported: bool) -> float:
    """What is planned of it; of one that was recorded here at least the time from Start to Stop."""
    length = seconds_from_ticks(planned.at) if planned else 0.0
    if (planned and planned.final) or not window.start or imported:  # how long copying took says nothing
        return length
    until = window.stop.at if window.stop else Moment.now()  # the plan follows what is recorded by some seconds
    between = until.ns_since(window.start.at)
    return length if between is None else max(length, between / NANOSECONDS_PER_SECOND)


def _planned(path: Path) -> FrozenUntil | None:
    """How far the plan is frozen: the newest such line near its end (crops of one chunk may follow)."""
    for line in reversed(end_of(path, BEGINNING_BYTES)[0]):
        if isinstance(record := decoded(line), FrozenUntil):
            return record
    return next((r for r in reversed(read_journal(path)) if isinstance(r, FrozenUntil)), None)


def _playable(folder: LessonFolder) -> bool:
    """Whether any rendition has its first chunk."""
    for rendition in folder.header.ladder:
        whole = beginning_of(folder.rendition_journal(rendition.name)).split(b"\n")[:-1]
        for record in map(decoded, whole):
            if isinstance(record, ChunkEncoded) and record.chunk.index == 0:
                return True
    return False


def _published_url(path: Path, verified: Verified | None) -> str | None:
    """Where the multivariant playlist lies in the store, once it does."""
    if verified and verified.url:
        return f"{verified.url}/{INDEX}"
    url: str | None = None
    there = False
    for record in _few_records(path, _ABOUT_THE_INDEX):
        if isinstance(record, PublishStarted):
            there = there and record.url == url
            url = record.url
        elif isinstance(record, PlaylistPublished):
            there = there or record.key == INDEX
    return f"{url}/{INDEX}" if there else None


_ABOUT_THE_INDEX = (b'{"type":"PublishStarted",', b'{"type":"PlaylistPublished","key":"' + INDEX.encode() + b'"')


def _few_records(path: Path, beginnings: tuple[bytes, ...]) -> Iterator[Record | Unknown | None]:
    """The lines that begin so, out of a journal of thousands: looking for bytes is far cheaper than decoding them."""
    data = beginning_of(path, None)
    for at in sorted(at for beginning in beginnings for at in _line_starts(data, beginning)):
        end = data.find(b"\n", at)
        if end >= 0:
            yield decoded(data[at:end])


def _line_starts(data: bytes, beginning: bytes) -> Iterator[int]:
    if data.startswith(beginning):
        yield 0
    at = data.find(b"\n" + beginning)
    while at >= 0:
        yield at + 1
        at = data.find(b"\n" + beginning, at + 1)
