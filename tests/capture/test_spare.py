"""When a camera is asked again for a stream that is away, on a clock that is turned by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from capture.reader import Reader
from capture.spare import FIRST_TRY_S, LONGEST_S, PATIENCE_S, Spare
from lesson.model import Kind

VIDEO = frozenset({Kind.VIDEO})
NOTHING: frozenset[Kind] = frozenset()


@dataclass
class FakeReader:
    heard: dict[Kind, int] = field(default_factory=dict)
    abandoned: bool = False

    def abandon(self) -> None:
        self.abandoned = True


class Camera:
    def __init__(self) -> None:
        self.readers: list[FakeReader] = []
        self.spare = Spare(self._connect)

    def _connect(self) -> Reader:
        self.readers.append(FakeReader())
        return cast("Reader", self.readers[-1])


def test_nobody_is_asked_while_all_streams_are_there() -> None:
    camera = Camera()
    assert not any(camera.spare.look(NOTHING, float(now)) for now in range(1_000))
    assert not camera.readers


def test_who_has_what_is_away_takes_over() -> None:
    camera = Camera()
    asked = next(now for now in range(100) if not camera.spare.look(VIDEO, float(now)) and camera.readers)
    assert 0.8 * FIRST_TRY_S <= asked <= FIRST_TRY_S + 1
    (reader,) = camera.readers
    reader.heard = {Kind.AUDIO: 1}
    assert camera.spare.look(VIDEO, asked + 1.0) is None
    reader.heard[Kind.VIDEO] = 2
    assert camera.spare.look(VIDEO, asked + 2.0) is cast("Reader", reader)
    camera.spare.close()
    assert not reader.abandoned, "it has an owner now"


def test_a_stream_that_is_unknown_is_asked_for_at_once() -> None:
    camera = Camera()
    camera.spare.look(VIDEO, 5.0, at_once=True)
    camera.spare.look(VIDEO, 5.2, at_once=True)
    assert len(camera.readers) == 1


def test_a_camera_that_has_no_more_is_asked_ever_more_rarely() -> None:
    camera = Camera()
    tries = []
    for now in range(3 * 3_600):
        before = len(camera.readers)
        camera.spare.look(VIDEO, float(now))
        if len(camera.readers) > before:
            tries.append(now)
    pauses = [b - a - PATIENCE_S for a, b in pairwise(tries)]
    assert 15 <= len(tries) <= 40
    assert 2 * FIRST_TRY_S * 0.8 <= pauses[0] <= 2 * FIRST_TRY_S + 2
    assert max(pauses) <= LONGEST_S + 2
    assert sum(not reader.abandoned for reader in camera.readers) <= 1


def test_a_stream_that_comes_back_by_itself_ends_the_search() -> None:
    camera = Camera()
    for now in range(20):
        camera.spare.look(VIDEO, float(now))
    camera.spare.look(NOTHING, 20.0)
    assert [reader.abandoned for reader in camera.readers] == [True]
