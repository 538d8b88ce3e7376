"""What people may call a lesson: one line of visible text, whoever typed it and wherever it is shown."""

from __future__ import annotations

import unicodedata

MAX_TITLE = 200
"""Characters: longer than any title, short enough for every list, page and catalogue."""

_BREAKS = frozenset({"Cc", "Zl", "Zp", "Zs"})
"""Control characters (ESC among them), line and paragraph ends, spaces of every width: one space."""
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp", "Zs"})
_LOST = "\N{REPLACEMENT CHARACTER}"
# embeddings, overrides and isolates reorder whatever is written after the title too; the marks U+200E and U+200F and
# the joiners, which do not, are part of how Hebrew, Arabic, Persian and the scripts of India are written
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_IGNORED = frozenset("\ufeff\ufff9\ufffa\ufffb")  # byte order mark, interlinear annotation


def one_line(text: str) -> str:
    """`text` as one line fit for a list, a terminal, a page and JSON; empty where nothing in it can be seen.

    Line ends, control characters and runs of spaces become one space, signs that reorder text are left out, and what
    is no character (half of a surrogate pair, as in file names that are no UTF-8) becomes U+FFFD. Idempotent.
    """
    line = " ".join("".join(map(_plain, text)).split())
    return line if any(unicodedata.category(character) not in _UNSEEN for character in line) else ""


def _plain(character: str) -> str:
    if character in _REORDERING or character in _IGNORED:
        return ""
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    return _LOST if category == "Cs" else character


def checked_title(text: str) -> str:
    """A title somebody typed, as one line. Raises `ValueError` when it is longer than `MAX_TITLE`.

    Refused rather than cut: who typed it is there to say it shorter, and should not find half a sentence in the list.
    """
    line = one_line(text)
    if len(line) > MAX_TITLE:
        raise ValueError(f"a title has at most {MAX_TITLE} characters, this one has {len(line)}")
    return line


def derived_title(*candidates: str | None) -> str:
    """The first of `candidates` that says something, as one line cut to `MAX_TITLE`; empty where none does."""
    lines = (one_line(one_line(text or "")[:MAX_TITLE]) for text in candidates)  # again: the cut may hide all of it
    return next(filter(None, lines), "")
