"""Sentences about a lesson: English for reports, and what they are made of for pages in other languages. Pure."""

from __future__ import annotations

from typing import Self

from lesson.loss import loss_words
from lesson.model import Kind
from lesson.time import Span, Ticks, said_s
from lesson.translatable import gettext_noop


class Sentence(str):
    """An English text that knows its message in the catalogues, and the values in it, which may be such texts again."""

    __slots__ = ("message", "values")
    message: str
    values: dict[str, str]

    def __new__(cls, message: str, **values: str) -> Self:
        """`message` is marked by `gettext_noop`, with `%(name)s` for each of the values."""
        made = super().__new__(cls, message % values if values else message)
        made.message, made.values = message, values
        return made


_KINDS = {Kind.VIDEO: gettext_noop("picture"), Kind.AUDIO: gettext_noop("sound")}


def kind_word(kind: Kind) -> Sentence:
    """`picture` or `sound`."""
    return Sentence(_KINDS[kind])


def loss_word(code: str) -> Sentence:
    """Why something is missing, in a few words."""
    return Sentence(loss_words(code))


def stretch_words(span: Span, zero: Ticks) -> Sentence:
    """From when to when, in seconds from `zero` on."""
    return Sentence(
        gettext_noop("from %(start)s to %(end)s s"), start=said_s(span.start, zero), end=said_s(span.end, zero)
    )
