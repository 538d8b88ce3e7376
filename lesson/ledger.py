"""The ledger: what each input said that it holds, compared once with what is in the lesson. Pure.

Recording journals what cannot be told from the segments (`StreamAccount`); all else is derived here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from lesson.interruptions import interruption_problems
from lesson.loss import Loss, loss_words
from lesson.model import ChunkRecord, Kind, Layout, SegmentRecord
from lesson.overrides import OverrideShot
from lesson.records import StreamAccount
from lesson.roles import voice_order
from lesson.signal import FLAW_WORDS, Flaw
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, said_s, uncovered

SHORT: Ticks = TICKS_PER_SECOND
"""What ends this much before its stated length was broken off; below, headers are rounded."""
DROPPED: Ticks = TICKS_PER_SECOND // 5
"""Dropped samples beyond this are said."""
SILENT_DB = -60.0
"""A voice whose loudest sample is below this is not heard: even an empty room is louder through a microphone."""
LONG_SILENCE: Ticks = 60 * TICKS_PER_SECOND
"""In the midst of a lesson silence is a problem from here on; a whole lesson of it always is."""
_WORDS = {Kind.VIDEO: "picture", Kind.AUDIO: "sound"}


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream of one source, in lesson ticks; `held` and `stated` are lengths.

    `announced`: the input said that there is one. `stated`: from the first sample on, summed over parts; None where
    the input does not say. `reason`: a `Loss` code, why it is not used or not whole.
    """

    source: str
    kind: Kind
    announced: bool
    first: Ticks | None
    last: Ticks | None
    held: Ticks
    stated: Ticks | None
    dropped: Ticks
    reason: str | None


def stream_summaries(state: LessonState) -> list[StreamSummary]:
    """One entry for each kind of stream that a source announced or delivered, then one for each track left out."""
    found: list[StreamSummary] = []
    for source in state.sources.values():
        accounts = list(source.accounts.values())
        for kind in Kind:
            used = [a for a in accounts if a.kind is kind and a.used]
            if source.has(kind) or used:
                found.append(_used(source, kind, used))
        found += [
            StreamSummary(source.spec.id, a.kind, True, None, None, 0, a.stated, a.dropped, a.code)
            for a in accounts
            if not a.used
        ]
    return found


def _used(source: SourceState, kind: Kind, accounts: list[StreamAccount]) -> StreamSummary:
    spans = source.lesson_coverage(kind)
    stated = _stated_length(source, accounts)
    short = any(_missing_end(source, account) for account in accounts)
    codes = [account.code for account in accounts if account.code]
    codes += [source.why_damaged(kind, span).value for span in source.damaged(kind)[:1]]
    return StreamSummary(
        source=source.spec.id,
        kind=kind,
        announced=True,
        first=max(0, min(span.start for span in spans)) if spans else None,  # codec priming lies before the lesson
        last=max((span.end for span in spans), default=None),
        held=sum(span.duration for span in spans),
        stated=stated,
        dropped=sum(account.dropped for account in accounts),
        reason=codes[0] if codes else Loss.TRUNCATED.value if short else None if spans else Loss.ABSENT.value,
    )


def ledger_problems(state: LessonState) -> list[str]:
    """Sentences about everything that an input announced and the lesson does not hold, naming source and time."""
    return [
        problem
        for source in state.sources.values()
        for account in source.accounts.values()
        for problem in _account_problems(source, account, state)
    ] + [
        *interruption_problems(state),
        *_never_heard_of(state),
        *_damages(state),
        *_parts_without(state),
        *_nothing_to_show(state),
        *flaw_problems(state),
        *_silences(state),
        *_no_sound(state),
    ]


def _account_problems(source: SourceState, account: StreamAccount, state: LessonState) -> Iterator[str]:
    zero = state.edition.start
    if _is_a_gap(source, account):
        return
    name = f"{source.spec.id}: {_WORDS[account.kind]}"
    track = f"{name} track {account.stream + 1}" + (f" ({account.codec})" if account.codec else "")
    if not account.used:
        why = loss_words(account.code or Loss.UNKNOWN)
        yield f"{track} is not in the lesson: {why}{_part(source, account.epoch, zero)}"
    elif not _spans(source, account.epoch, account.kind):
        yield f"{track} was announced and gave nothing{_part(source, account.epoch, zero)}"
    elif end := _missing_end(source, account):
        assert account.stated is not None  # noqa: S101 - else no end is missing
        yield f"{name} ends after {said_s(end)} of {said_s(account.stated)} s{_part(source, account.epoch, zero)}"
    if account.dropped > DROPPED and not _in_gaps(source, account, state):
        why = loss_words(account.code or Loss.UNKNOWN)
        where = _where(source, account, zero)
        yield f"{name}: {said_s(account.dropped)} s in {account.dropped_packets} packets were dropped{where}: {why}"


def _is_a_gap(source: SourceState, account: StreamAccount) -> bool:
    """Whether it says no more than that a live source's stream was away for a while: gaps tell when.

    What was stored of an epoch may lie in the segments of the one before it, as its end.
    """
    away = account.code != Loss.LEFT_OUT if not account.used else not _spans(source, account.epoch, account.kind)
    return away and not source.spec.imported and source.delivered(account.kind)


def _in_gaps(source: SourceState, account: StreamAccount, state: LessonState) -> bool:
    """Whether all that was dropped of a live source's stream lies in gaps, which tell of it."""
    if source.spec.imported or not account.dropped_in:
        return False
    missing = uncovered(state.window, source.lesson_coverage(account.kind))
    gaps = [hole for hole in missing if hole.duration >= MIN_GAP]
    placed = [source.span_to_lesson(account.epoch, run) for run in account.dropped_in]
    left = [part for span in placed for part in (uncovered(span, gaps) if span else ())]
    return None not in placed and sum(part.duration for part in left) <= DROPPED


def _part(source: SourceState, epoch: int, zero: Ticks) -> str:
    start = next((e.start for e in source.epochs if e.epoch == epoch), None)
    return "" if start is None or source.last_epoch == 0 else f" (of the part from {said_s(start, zero)} s on)"


def _where(source: SourceState, account: StreamAccount, zero: Ticks) -> str:
    """Where its dropped packets lie. Older versions did not say; those of a file are somewhere in it."""
    spans = account.dropped_in or (_spans(source, account.epoch, account.kind) if source.spec.imported else ())
    ends = [source.to_lesson(account.epoch, end) for span in spans for end in (span.start, span.end)]
    known = [end for end in ends if end is not None]
    return f" between {said_s(min(known), zero)} and {said_s(max(known), zero)} s" if known else ""


def _spans(source: SourceState, epoch: int, kind: Kind) -> list[Span]:
    """Source ticks of the segments of one stream."""
    return [span for s in source.segments if s.epoch == epoch and (span := s.span(kind))]


def _stated_length(source: SourceState, accounts: list[StreamAccount]) -> Ticks | None:
    """Length from the first sample on by the input's word, of all parts; what begins late is not longer for that."""
    parts: dict[int, Ticks] = {}
    for account in accounts:  # several tracks of one part may be mixed
        if account.stated is None:
            return None
        spans = _spans(source, account.epoch, account.kind)
        origin = next((e.origin for e in source.epochs if e.epoch == account.epoch), 0)
        late = max(0, min(span.start for span in spans) - origin) if spans else 0
        parts[account.epoch] = max(parts.get(account.epoch, 0), account.stated - late)
    return sum(parts.values()) if parts else None


def _missing_end(source: SourceState, account: StreamAccount) -> Ticks | None:
    """Where a used stream ends, from its input's start, if that is well before the length stated; else None."""
    spans = _spans(source, account.epoch, account.kind)
    origin = next((e.origin for e in source.epochs if e.epoch == account.epoch), None)
    if account.stated is None or not account.used or not spans or origin is None:
        return None
    end = max(span.end for span in spans) - origin
    return end if account.stated - end > SHORT else None


def _never_heard_of(state: LessonState) -> Iterator[str]:
    """Streams of epochs without an account (live, or recorded by older versions) that gave nothing at all."""
    for source in state.sources.values():
        if not source.finished:  # it may still come
            continue
        if source.spec.required and not source.segments:
            yield f"{source.spec.id}: nothing was recorded of it"
        accounted = {account.kind for account in source.accounts.values()}
        for kind in Kind:
            delivered = any(segment.range(kind) for segment in source.segments)
            if source.has(kind) and not delivered and kind not in accounted:
                yield f"{source.spec.id}: {_WORDS[kind]} was announced and gave nothing"


def _damages(state: LessonState) -> Iterator[str]:
    """What was recorded, lies in the lesson's time, and is damaged on the disk or cannot be decoded."""
    window = state.window
    for source in state.sources.values():
        for kind in Kind:
            lost = (part for span in source.damaged(kind) if (part := span.intersection(window)))
            for part in lost:
                where = f"from {said_s(part.start, window.start)} to {said_s(part.end, window.start)} s"
                why = loss_words(source.why_damaged(kind, part))
                yield f"{source.spec.id}: {_WORDS[kind]} {where} is not in the lesson: {why}"


def _parts_without(state: LessonState) -> Iterator[str]:
    """Parts of an imported recording that lack what others of them have. What was announced is said elsewhere."""
    window = state.window
    for source in state.sources.values() if state.header.imported else ():
        for kind, other in ((Kind.VIDEO, Kind.AUDIO), (Kind.AUDIO, Kind.VIDEO)):
            has = {stretch.epoch for stretch in source.coverage(kind)}
            has |= {account.epoch for account in source.accounts.values() if account.kind is kind}
            found = (one.span for one in source.stretches(other) if source.delivered(kind) and one.epoch not in has)
            for span in merged(found, slack=MIN_GAP):
                if (part := span.intersection(window)) and part.duration >= MIN_GAP:
                    where = f"from {said_s(part.start, window.start)} to {said_s(part.end, window.start)} s"
                    yield f"{source.spec.id}: no {_WORDS[kind]} {where}: this part of the recording has none"


def _nothing_to_show(state: LessonState) -> Iterator[str]:
    """Where no imported file has a picture, and a card stands instead; what is missing of a live source is a gap."""
    if not state.header.imported or not any(source.delivered(Kind.VIDEO) for source in state.sources.values()):
        return
    window = state.window
    asked = [override.span for override in state.edition.overrides if isinstance(override, OverrideShot)]
    for slate in merged(shot.span for shot in state.shots if shot.layout is Layout.SLATE):
        for uncut in uncovered(slate, asked):
            span = uncut.intersection(window) if state.final else uncut
            if span is not None and span.duration >= MIN_GAP:
                where = f"from {said_s(span.start, window.start)} to {said_s(span.end, window.start)} s"
                yield f"no picture {where}: none of the files has one there"


def flaw_problems(state: LessonState) -> Iterator[str]:
    """What was wrong with what was recorded, as it was measured meanwhile."""
    window = state.window
    for source in state.sources.values():
        for stretch in source.signal.stretches:
            if stretch.flaw == Flaw.UNDECODABLE and not source.seen(stretch.first.epoch, stretch.first.seq):
                continue  # it is missing in the lesson, which is said
            ends = [*_lesson_ends(source, stretch.first), *_lesson_ends(source, stretch.last)]
            part = Span(min(ends), max(ends)).intersection(window) if ends else None
            if ends and part is None:
                continue  # it was cut away
            where = f" from {said_s(part.start, window.start)} to {said_s(part.end, window.start)} s" if part else ""
            yield f"{source.spec.id}: {FLAW_WORDS.get(stretch.flaw, stretch.flaw)}{where}"


def _lesson_ends(source: SourceState, segment: SegmentRecord) -> list[Ticks]:
    """Where a segment begins and ends in the lesson, as far as it is placed there; not before it."""
    spans = [span for kind in Kind if (span := segment.span(kind))]
    placed = (source.to_lesson(segment.epoch, end) for span in spans for end in (span.start, span.end))
    return [max(0, at) for at in placed if at is not None]


def _silences(state: LessonState) -> Iterator[str]:
    """Stretches, or a whole lesson, in which a source gives a voice that cannot be heard."""
    heard = [
        chunk for name, rendition in state.renditions.items() for chunk in rendition.chunks.values()
        if state.header.rendition(name).kind is Kind.AUDIO and chunk.peak_db is not None
    ]  # fmt: skip
    heard.sort(key=lambda chunk: chunk.index)
    for source, chunks in groupby(heard, lambda chunk: _silent_source(state, chunk)):
        run = list(chunks)
        span = Span(run[0].span.start, run[-1].span.end).intersection(state.window)
        if source is not None and span is not None and (span.duration >= LONG_SILENCE or len(run) == len(heard)):
            loudest = max(chunk.peak_db for chunk in run if chunk.peak_db is not None)
            zero = state.window.start
            where = f"from {said_s(span.start, zero)} to {said_s(span.end, zero)} s"
            yield f"{source}: no voice {where}, nothing above {loudest:.0f} dB"


def _no_sound(state: LessonState) -> Iterator[str]:
    """A lesson recorded here is one with a voice; a film that was made without one lacks nothing."""
    sources = state.sources.values()
    if (
        not state.header.imported
        and state.captured
        and not state.empty
        and not any(source.delivered(Kind.AUDIO) for source in sources)
    ):
        yield "the lesson has no sound: no source gave any"


def _silent_source(state: LessonState, chunk: ChunkRecord) -> str | None:
    """Which source's voice is not heard in a chunk; None where one is, or where there is no sound at all."""
    if chunk.peak_db is None or chunk.peak_db >= SILENT_DB:
        return None
    for name in voice_order(state):
        spans = state.sources[name].lesson_coverage(Kind.AUDIO)
        if any(span.start < chunk.span.end and chunk.span.start < span.end for span in spans):
            return name
    return None
