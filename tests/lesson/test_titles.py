"""One rule for titles: whatever is typed, one visible line comes out."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.ladders import ladder
from lesson.lifecycle import LessonTemplate
from lesson.titles import MAX_TITLE, checked_title, derived_title, one_line

ANYTHING = st.text(st.characters(), max_size=400)  # surrogates, controls, unassigned: whatever str can hold
NASTY = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b[2J", "\r\n", "\u202e", "\u2066", "\ufeff", "\ud83d", "[/b]", "[red]", ":book:", "课", " ", "\x00"]
        ),
        st.text(max_size=6),
    ),
    max_size=120,
).map("".join)
TITLES = st.one_of(ANYTHING, NASTY)


@given(TITLES)
def test_what_comes_out_is_one_line_and_comes_out_again(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert line == line.strip()
    assert "  " not in line
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert json.loads(json.dumps(line, ensure_ascii=False).encode()) == line


@given(TITLES)
def test_visible_characters_stay_in_their_order(text: str) -> None:
    kept = [c for c in text if unicodedata.category(c)[0] in "LNPM" or unicodedata.category(c) in {"Sc", "Sk", "Sm"}]
    assert [c for c in one_line(text) if c in set(kept)] == kept


@given(TITLES, TITLES)
def test_every_new_lesson_has_such_a_title(title: str, room: str) -> None:
    template = LessonTemplate(room=room, timezone="UTC", languages=(), sources=(), ladder=ladder("thin"))
    header = template.header(title)
    assert header.title
    assert header.title == one_line(header.title)
    assert len(header.title) <= MAX_TITLE
    expected = derived_title(title, room)
    assert header.title == (expected or header.id)


@given(TITLES)
def test_a_typed_title_is_kept_whole_or_refused(title: str) -> None:
    line = one_line(title)
    if len(line) <= MAX_TITLE:
        assert checked_title(title) == line
    else:
        with pytest.raises(ValueError, match="at most 200"):
            checked_title(title)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Physics [/b] 3", "Physics [/b] 3"),
        ("[2026] Algebra [red]", "[2026] Algebra [red]"),
        ("  Fractions\n\x07 II ", "Fractions II"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u200b\u200d \ufeff", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("བོད་ཡིག", "བོད་ཡིག"),
        ("half \ud83d pair", "half \ufffd pair"),
    ],
)
def test_examples(typed: str, kept: str) -> None:
    assert one_line(typed) == kept


def test_a_derived_title_is_cut_and_the_next_candidate_helps() -> None:
    assert derived_title("x" * 300) == "x" * 200
    assert derived_title("y" * 199 + " z") == "y" * 199
    assert derived_title(None, " \n", "Room 3") == "Room 3"
    assert not derived_title(None, "")
