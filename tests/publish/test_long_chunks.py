"""A rung with chunks longer than the grid's, live: it stays in `index.m3u8` while it is as far as it can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.hls import INDEX
from lesson.model import ChunkRecord, Rendition
from lesson.records import ChunkEncoded, FrozenUntil, ObjectStored, PlaylistPublished, RenditionStarted
from lesson.state import LessonState
from publish.plan import MAX_LAG_CHUNKS, MOST_LAG_CHUNKS, Put, PutPlaylist, next_step
from tests.kit.lessons import HIGH, LOW, VOICE, header
from tests.kit.playlists import check_multivariant

LONG = replace(HIGH, grid_multiple=4)


class Live:
    """A lesson whose chunks are encoded by hand, and sent at once."""

    def __init__(self, *ladder: Rendition) -> None:
        self.state = LessonState(header(ladder=ladder))
        self.indexes: list[list[str]] = []
        for rung in ladder:
            self.state.apply(
                RenditionStarted(
                    rendition=rung.name, digest="", codecs="mp4a.40.2" if rung is VOICE else "avc1.64000c",
                    init_path=f"enc/{rung.name}/init.mp4", init_bytes=800, init_sha256="i",
                )
            )  # fmt: skip

    def encode(self, rung: Rendition) -> None:
        index = self.state.renditions[rung.name].leading
        chunk = ChunkRecord(
            rendition=rung.name, index=index, span=self.state.header.grid_of(rung.grid_multiple).span(index),
            path=f"enc/{rung.name}/{index:06d}.m4s", bytes=20_000, sha256=f"{rung.name}{index}", inputs="",
        )  # fmt: skip
        self.state.apply(FrozenUntil(at=chunk.span.end))
        self.state.apply(ChunkEncoded(chunk=chunk))
        while (step := next_step(self.state)) is not None:
            item = step.object  # type: ignore[union-attr]
            if isinstance(step, Put):
                self.state.apply(ObjectStored(key=item.key, bytes=item.bytes, sha256=item.sha256))
            elif isinstance(step, PutPlaylist):
                if item.key == INDEX:
                    self.indexes.append([variant["URI"] for variant in check_multivariant(item.text)])
                self.state.apply(
                    PlaylistPublished(key=item.key, chunks=step.chunks, final=step.final, sha256=item.sha256)
                )


def test_it_does_not_come_and_go() -> None:
    live = Live(VOICE, LOW, LONG)
    for number in range(1, 17):
        live.encode(VOICE)
        live.encode(LOW)
        if number % 4 == 0:
            live.encode(LONG)
    base = ["voice/index.m3u8", "low/index.m3u8"]
    assert live.indexes[-1] == [*base, "high/index.m3u8"]
    assert live.indexes.count(live.indexes[-1]) == 1, "named once, and for good"


@pytest.mark.parametrize("rung", [HIGH, LONG], ids=["short", "long"])
def test_one_that_falls_far_behind_is_named_no_more_until_it_has_caught_up(rung: Rendition) -> None:
    live = Live(VOICE, LOW, rung)
    for _ in range(rung.grid_multiple):
        live.encode(VOICE)
        live.encode(LOW)
    live.encode(rung)
    assert "high/index.m3u8" in live.indexes[-1]
    may_lack = MOST_LAG_CHUNKS + rung.grid_multiple - 1
    for _ in range(may_lack):
        live.encode(VOICE)
        live.encode(LOW)
    assert "high/index.m3u8" in live.indexes[-1]
    live.encode(VOICE)
    live.encode(LOW)
    assert "high/index.m3u8" not in live.indexes[-1]
    behind = may_lack + 1
    while behind > MAX_LAG_CHUNKS + rung.grid_multiple - 1:
        assert "high/index.m3u8" not in live.indexes[-1], behind
        live.encode(rung)
        behind -= rung.grid_multiple
    assert "high/index.m3u8" in live.indexes[-1]


@given(st.lists(st.integers(0, MOST_LAG_CHUNKS), min_size=1, max_size=20))
def test_one_that_falls_back_and_catches_up_again_and_again_stays_named(lags: list[int]) -> None:
    """Players read the list of rungs once: whoever opened it in a moment without one would never get it."""
    live = Live(VOICE, LOW, HIGH)
    for rung in (VOICE, LOW, HIGH):
        live.encode(rung)
    named = live.indexes[-1]
    assert "high/index.m3u8" in named
    for lag in lags:
        progress = live.state.renditions
        while progress["low"].leading - progress["high"].leading < lag:
            live.encode(VOICE)
            live.encode(LOW)
        while progress["low"].leading - progress["high"].leading > lag:
            live.encode(HIGH)
    assert live.indexes[-1] == named
    assert live.indexes.count(named) == 1
