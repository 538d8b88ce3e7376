"""What a chunk is made of, as a digest: journals hold it, so it must not change with a word of ours."""

from __future__ import annotations

import pytest

from encode.inputs import digest_of
from encode.jobs import _digest
from encode.programme import Composition, EpochRef, Piece
from lesson.model import Layout
from lesson.time import Span


def test_digests_are_those_of_every_version() -> None:
    teacher = EpochRef("teacher", 0)
    pictures = Composition(Layout.PIP, (EpochRef("board", 1), teacher), teacher)
    assert _digest((1280, 720), (Piece(Span(0, 1920), pictures),), (), ()) == "522660cb354ff33d"


def test_nothing_is_digested_by_its_name() -> None:
    with pytest.raises(TypeError):
        digest_of(1920, EpochRef("teacher", 0))
