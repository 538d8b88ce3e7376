"""The ledger: what each input said that it holds, compared once with what is in the lesson. Pure.

Recording journals what cannot be told from the segments (`StreamAccount`); all else is derived here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from lesson.accounts import GAVE_NOTHING, account_problems, missing_end, stream_name, stream_spans
from lesson.interruptions import interruption_problems
from lesson.loss import Loss
from lesson.model import ChunkRecord, Kind, Layout, SegmentRecord
from lesson.overrides import OverrideShot
from lesson.records import StreamAccount
from lesson.roles import voice_order
from lesson.sentence import Sentence, kind_word, loss_word, stretch_words
from lesson.signal import FLAW_WORDS, Flaw
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, Span, Ticks, merged, uncovered
from lesson.translatable import gettext_noop

SILENT_DB = -60.0
"""A voice whose loudest sample is below this is not heard: even an empty room is louder through a microphone."""
LONG_SILENCE: Ticks = 60 * TICKS_PER_SECOND
"""In the midst of a lesson silence is a problem from here on; a whole lesson of it always is."""


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
    short = any(missing_end(source, account) for account in accounts)
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


def ledger_problems(state: LessonState) -> list[Sentence]:
    """Sentences about everything that an input announced and the lesson does not hold, naming source and time."""
    return [
        problem
        for source in state.sources.values()
        for account in source.accounts.values()
        for problem in account_problems(source, account, state)
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


def _stated_length(source: SourceState, accounts: list[StreamAccount]) -> Ticks | None:
    """Length from the first sample on by the input's word, of all parts; what begins late is not longer for that."""
    parts: dict[int, Ticks] = {}
    for account in accounts:  # several tracks of one part may be mixed
        if account.stated is None:
            return None
        spans = stream_spans(source, account.epoch, account.kind)
        origin = next((e.origin for e in source.epochs if e.epoch == account.epoch), 0)
        late = max(0, min(span.start for span in spans) - origin) if spans else 0
        parts[account.epoch] = max(parts.get(account.epoch, 0), account.stated - late)
    return sum(parts.values()) if parts else None


def _never_heard_of(state: LessonState) -> Iterator[Sentence]:
    """Streams of epochs without an account (live, or recorded by older versions) that gave nothing at all."""
    for source in state.sources.values():
        if not source.finished:  # it may still come
            continue
        if source.spec.required and not source.segments:
            yield Sentence(gettext_noop("%(source)s: nothing was recorded of it"), source=source.spec.id)
        accounted = {account.kind for account in source.accounts.values()}
        for kind in Kind:
            delivered = any(segment.range(kind) for segment in source.segments)
            if source.has(kind) and not delivered and kind not in accounted:
                yield Sentence(GAVE_NOTHING, what=stream_name(source, kind))


def _damages(state: LessonState) -> Iterator[Sentence]:
    """What was recorded, lies in the lesson's time, and is damaged on the disk or cannot be decoded."""
    window = state.window
    for source in state.sources.values():
        for kind in Kind:
            lost = (part for span in source.damaged(kind) if (part := span.intersection(window)))
            for part in lost:
                yield Sentence(
                    gettext_noop("%(name)s %(where)s is not in the lesson: %(why)s"),
                    name=stream_name(source, kind), where=stretch_words(part, window.start),
                    why=loss_word(source.why_damaged(kind, part)),
                )  # fmt: skip


def _parts_without(state: LessonState) -> Iterator[Sentence]:
    """Parts of an imported recording that lack what others of them have. What was announced is said elsewhere."""
    window = state.window
    for source in state.sources.values() if state.header.imported else ():
        for kind, other in ((Kind.VIDEO, Kind.AUDIO), (Kind.AUDIO, Kind.VIDEO)):
            has = {stretch.epoch for stretch in source.coverage(kind)}
            has |= {account.epoch for account in source.accounts.values() if account.kind is kind}
            found = (one.span for one in source.stretches(other) if source.delivered(kind) and one.epoch not in has)
            for span in merged(found, slack=MIN_GAP):
                if (part := span.intersection(window)) and part.duration >= MIN_GAP:
                    yield Sentence(
                        gettext_noop("%(source)s: no %(kind)s %(where)s: this part of the recording has none"),
                        source=source.spec.id, kind=kind_word(kind), where=stretch_words(part, window.start),
                    )  # fmt: skip


def _nothing_to_show(state: LessonState) -> Iterator[Sentence]:
    """Where no imported file has a picture, and a card stands instead; what is missing of a live source is a gap."""
    if not state.header.imported or not any(source.delivered(Kind.VIDEO) for source in state.sources.values()):
        return
    window = state.window
    asked = [override.span for override in state.edition.overrides if isinstance(override, OverrideShot)]
    for slate in merged(shot.span for shot in state.shots if shot.layout is Layout.SLATE):
        for uncut in uncovered(slate, asked):
            span = uncut.intersection(window) if state.final else uncut
            if span is not None and span.duration >= MIN_GAP:
                nothing = gettext_noop("no picture %(where)s: none of the files has one there")
                yield Sentence(nothing, where=stretch_words(span, window.start))


def flaw_problems(state: LessonState) -> Iterator[Sentence]:
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
            words = {"source": source.spec.id, "flaw": Sentence(FLAW_WORDS.get(stretch.flaw, stretch.flaw))}
            if part is None:
                yield Sentence("%(source)s: %(flaw)s", **words)
            else:
                where = stretch_words(part, window.start)
                yield Sentence("%(source)s: %(flaw)s %(where)s", where=where, **words)
    yield from _backups(state)


def _backups(state: LessonState) -> Iterator[Sentence]:
    """Where another source was heard because nothing could be heard of one."""
    window = state.window
    for source, backup in sorted({(one.source, one.backup) for one in state.edition.backups}):
        pieces = (one.span for one in state.edition.backups if (one.source, one.backup) == (source, backup))
        for span in merged(pieces):
            if (part := span.intersection(window)) is not None:
                heard = gettext_noop("%(source)s: nothing is heard of it %(where)s; %(backup)s is heard instead")
                yield Sentence(heard, source=source, backup=backup, where=stretch_words(part, window.start))


def _lesson_ends(source: SourceState, segment: SegmentRecord) -> list[Ticks]:
    """Where a segment begins and ends in the lesson, as far as it is placed there; not before it."""
    spans = [span for kind in Kind if (span := segment.span(kind))]
    placed = (source.to_lesson(segment.epoch, end) for span in spans for end in (span.start, span.end))
    return [max(0, at) for at in placed if at is not None]


def _silences(state: LessonState) -> Iterator[Sentence]:
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
            yield Sentence(
                gettext_noop("%(source)s: no voice %(where)s, nothing above %(loudest)s"),
                source=source, where=stretch_words(span, state.window.start), loudest=f"{loudest:.0f} dB",
            )  # fmt: skip


def _no_sound(state: LessonState) -> Iterator[Sentence]:
    """A lesson recorded here is one with a voice; a film that was made without one lacks nothing."""
    sources = state.sources.values()
    if (
        not state.header.imported
        and state.captured
        and not state.empty
        and not any(source.delivered(Kind.AUDIO) for source in sources)
    ):
        yield Sentence(gettext_noop("the lesson has no sound: no source gave any"))


def _silent_source(state: LessonState, chunk: ChunkRecord) -> str | None:
    """Which source's voice is not heard in a chunk; None where one is, or where there is no sound at all."""
    if chunk.peak_db is None or chunk.peak_db >= SILENT_DB:
        return None
    for name in voice_order(state):
        spans = state.sources[name].lesson_coverage(Kind.AUDIO)
        if any(span.start < chunk.span.end and chunk.span.start < span.end for span in spans):
            return name
    return None
