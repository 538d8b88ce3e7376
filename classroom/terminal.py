"""Everything this program says to a person passes here: the words of users are shown as they are, never obeyed."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def plain(text: str) -> Text:
    """`text` as it stands: no markup, no emoji codes, and control characters (ESC) as visible escapes.

    Line ends stay. Lessons of older versions and of other boxes may hold any title; file names may hold anything.
    """
    return Text("".join(map(_visible, text)))


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in {"Cc", "Cs"}:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def terminal(*, stderr: bool = False) -> Console:
    """A console that reads nothing in what it prints as markup, emoji codes or numbers to be coloured."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def say(text: str) -> None:
    """Progress, notes and errors: to stderr, a line each however long."""
    terminal(stderr=True).print(plain(text), soft_wrap=True)


def tell(text: str) -> None:
    """Results for a person: to stdout."""
    terminal().print(plain(text), soft_wrap=True)


def tell_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of results for a person."""
    table = Table()
    for number, title in enumerate(head):
        table.add_column(title, no_wrap=number == 0, overflow="ignore" if number == 0 else "fold")
    for row in rows:
        table.add_row(*map(plain, row))
    terminal().print(table)


def tell_json(result: dict[str, Any]) -> None:
    """Exactly one JSON object on stdout, in UTF-8 whatever the locale; half surrogates as JSON's own escapes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(json.dumps(result, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
    sys.stdout.buffer.flush()
