"""The languages of the pages, and which of them a reader is to get: a pure rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SOURCE = "en"
"""What messages are written in, and what is spoken where nothing else fits."""

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "zh": "中文",
    "bo": "བོད་ཡིག",
    "ru": "Русский",
    "uz": "O\N{MODIFIER LETTER TURNED COMMA}zbekcha",
}
"""Codes of the languages that have a catalogue in `api/locale`, each with its own name."""


def choose_language(asked: Iterable[str | None], accept: str, room: Iterable[str]) -> str:
    """The language of an answer: the first known one that was asked for, else the reader's best, else the room's.

    `asked` are language tags in order (query, cookie), `accept` is an Accept-Language header, `room` the languages
    of the room in order; English where none is known.
    """
    for tag in (*asked, *_preferred(accept), *room):
        known = _known(tag)
        if known:
            return known
    return SOURCE


def _known(tag: str | None) -> str | None:
    primary = (tag or "").strip().lower().replace("_", "-").split("-")[0]
    return primary if primary in LANGUAGES else None


def _preferred(accept: str) -> list[str]:
    """Tags of an Accept-Language header, most wanted first; those with weight 0 are left out."""
    weighted: list[tuple[float, str]] = []
    for part in accept.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag.strip() and quality > 0:
            weighted.append((quality, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
