"""What a recording journaled of a stream, compared with what is in the lesson of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lesson.loss import Loss
from lesson.model import Kind
from lesson.records import StreamAccount
from lesson.sentence import Sentence, kind_word, loss_word
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.stretches import MIN_GAP
from lesson.time import TICKS_PER_SECOND, Span, Ticks, said_s, uncovered
from lesson.translatable import gettext_noop

SHORT: Ticks = TICKS_PER_SECOND
"""What ends this much before its stated length was broken off; below, headers are rounded."""
DROPPED: Ticks = TICKS_PER_SECOND // 5
"""Dropped samples beyond this are said."""
GAVE_NOTHING = gettext_noop("%(what)s was announced and gave nothing")


def account_problems(source: SourceState, account: StreamAccount, state: LessonState) -> Iterator[Sentence]:
    """Sentences about what was announced of a stream, or came of it, and is not in the lesson."""
    zero = state.edition.start
    if _is_a_gap(source, account):
        return
    name = stream_name(source, account.kind)
    track = Sentence(
        gettext_noop("%(name)s track %(number)s%(codec)s"),
        name=name, number=str(account.stream + 1), codec=f" ({account.codec})" if account.codec else "",
    )  # fmt: skip
    why = loss_word(account.code or Loss.UNKNOWN)
    if not account.used:
        said = Sentence(gettext_noop("%(what)s is not in the lesson: %(why)s"), what=track, why=why)
        yield _of_part(said, source, account.epoch, zero)
    elif not stream_spans(source, account.epoch, account.kind):
        yield _of_part(Sentence(GAVE_NOTHING, what=track), source, account.epoch, zero)
    elif end := missing_end(source, account):
        said = Sentence(
            gettext_noop("%(name)s ends after %(end)s of %(stated)s s"),
            name=name, end=said_s(end), stated=said_s(account.stated or 0),
        )  # fmt: skip
        yield _of_part(said, source, account.epoch, zero)
    if account.dropped > DROPPED and not _in_gaps(source, account, state):
        yield _dropped(source, account, zero, name=name, why=why)


def stream_name(source: SourceState, kind: Kind) -> Sentence:
    """`board: picture`."""
    return Sentence("%(source)s: %(kind)s", source=source.spec.id, kind=kind_word(kind))


def _dropped(source: SourceState, account: StreamAccount, zero: Ticks, **words: str) -> Sentence:
    words |= {"length": said_s(account.dropped), "packets": str(account.dropped_packets)}
    ends = _dropped_ends(source, account)
    if not ends:
        return Sentence(gettext_noop("%(name)s: %(length)s s in %(packets)s packets were dropped: %(why)s"), **words)
    return Sentence(
        gettext_noop(
            "%(name)s: %(length)s s in %(packets)s packets were dropped between %(start)s and %(end)s s: %(why)s"
        ),
        start=said_s(min(ends), zero), end=said_s(max(ends), zero), **words,
    )  # fmt: skip


def _is_a_gap(source: SourceState, account: StreamAccount) -> bool:
    """Whether it says no more than that a live source's stream was away for a while: gaps tell when.

    What was stored of an epoch may lie in the segments of the one before it, as its end.
    """
    away = account.code != Loss.LEFT_OUT if not account.used else not stream_spans(source, account.epoch, account.kind)
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


def _of_part(sentence: Sentence, source: SourceState, epoch: int, zero: Ticks) -> Sentence:
    """The sentence, and of which part it is where there are several."""
    start = next((e.start for e in source.epochs if e.epoch == epoch), None)
    if start is None or source.last_epoch == 0:
        return sentence
    part = gettext_noop("%(sentence)s (of the part from %(start)s s on)")
    return Sentence(part, sentence=sentence, start=said_s(start, zero))


def _dropped_ends(source: SourceState, account: StreamAccount) -> list[Ticks]:
    """Where its dropped packets lie. Older versions did not say; those of a file are somewhere in it."""
    spans = account.dropped_in or (stream_spans(source, account.epoch, account.kind) if source.spec.imported else ())
    ends = [source.to_lesson(account.epoch, end) for span in spans for end in (span.start, span.end)]
    return [end for end in ends if end is not None]


def stream_spans(source: SourceState, epoch: int, kind: Kind) -> list[Span]:
    """Source ticks of the segments of one stream."""
    return [span for s in source.segments if s.epoch == epoch and (span := s.span(kind))]


def missing_end(source: SourceState, account: StreamAccount) -> Ticks | None:
    """Where a used stream ends, from its input's start, if that is well before the length stated; else None."""
    spans = stream_spans(source, account.epoch, account.kind)
    origin = next((e.origin for e in source.epochs if e.epoch == account.epoch), None)
    if account.stated is None or not account.used or not spans or origin is None:
        return None
    end = max(span.end for span in spans) - origin
    return end if account.stated - end > SHORT else None
