"""The upload rule as a pure function: whatever order chunks appear in, nothing is named before it is there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.errors import UnusableMediaError
from lesson.hls import INDEX, media_playlist
from lesson.ladders import ladder
from lesson.model import ChunkRecord, Kind
from lesson.package import CHANGING, IMMUTABLE, SETTLED, objects
from lesson.records import (
    ChunkEncoded,
    FrozenUntil,
    ObjectStored,
    PlaylistPublished,
    PublishStarted,
    RenditionStarted,
    RungSkipped,
    Verified,
)
from lesson.state import LessonState
from publish.plan import PLAYLIST_ENTRY_BYTES, PLAYLIST_HEAD_BYTES, Put, PutPlaylist, Seal, Step, next_step
from tests.kit.lessons import header, moment
from tests.kit.playlists import check_media, check_multivariant

THIN = ladder("thin")
NAMES = [rendition.name for rendition in THIN]


class Simulation:
    """A lesson whose encoder and uploader are moved by hand; checks every instruction as it is carried out."""

    def __init__(self, chunk_bytes: int = 20_000) -> None:
        self.state = LessonState(header(ladder=THIN))
        self.chunk_bytes = chunk_bytes
        self.done: list[Step] = []

    def encode(self, name: str, count: int = 1) -> None:
        progress = self.state.renditions[name]
        kind = self.state.header.rendition(name).kind
        if progress.started is None:
            codecs = "mp4a.40.2" if kind is Kind.AUDIO else "avc1.64000c"
            init = f"enc/{name}/init.mp4"
            self.state.apply(
                RenditionStarted(
                    rendition=name, digest="", codecs=codecs, init_path=init, init_bytes=800, init_sha256="i"
                )
            )
        for index in range(progress.leading, progress.leading + count):
            record = ChunkRecord(
                rendition=name,
                index=index,
                span=self.state.header.grid.span(index),
                path=f"enc/{name}/{index:06d}.m4s",
                bytes=self.chunk_bytes,
                sha256=f"{name}{index}",
                inputs="",
            )
            self.state.apply(ChunkEncoded(chunk=record))

    def finish(self, chunks: int) -> None:
        for name in NAMES:
            self.encode(name, chunks - self.state.renditions[name].leading)
        self.state.apply(FrozenUntil(at=chunks * self.state.header.grid.chunk, final=True))

    def step(self, *, check: bool = True) -> Step | None:
        step = next_step(self.state)
        if step is not None:
            if check:
                self.check(step)
            self.done.append(step)
        match step:
            case Put(object=item):
                self.state.apply(ObjectStored(key=item.key, bytes=item.bytes, sha256=item.sha256))
            case PutPlaylist(object=item):
                record = PlaylistPublished(key=item.key, chunks=step.chunks, final=step.final, sha256=item.sha256)
                self.state.apply(record)
            case Seal():
                self.state.apply(Verified(objects=1, bytes=1, manifest_sha256=""))
        return step

    def run(self, *, check: bool = True) -> list[Step]:
        before = len(self.done)
        while self.step(check=check) is not None:
            assert len(self.done) < 20_000, "the rule never comes to an end"
        return self.done[before:]

    def check(self, step: Step) -> None:
        match step:
            case Put(object=item):
                assert item.key not in self.state.objects, "sent twice"
                assert item.cache_control == IMMUTABLE
                assert item.content_type == ("audio/mp4" if item.key.startswith("voice/") else "video/mp4")
            case PutPlaylist(object=item) if item.key == INDEX:
                assert item.cache_control == (SETTLED if step.final else CHANGING)
                for variant in check_multivariant(text_of(step)):
                    assert variant["URI"] in self.state.playlists, "names a playlist that is not there"
                    if step.final:
                        assert self.state.playlists[variant["URI"]].final
            case PutPlaylist(object=item):
                name = item.key.split("/")[0]
                assert f"{name}/init.mp4" in self.state.objects
                for _, uri in check_media(text_of(step), final=step.final):
                    assert f"{name}/{uri}" in self.state.objects, "names a chunk that is not there"
            case Seal():
                assert all(self.state.playlists[f"{name}/{INDEX}"].final for name in NAMES)
                assert self.state.playlists[INDEX].final
                assert self.state.encoded


def text_of(step: Put | PutPlaylist) -> str:
    assert step.object.text is not None
    return step.object.text


def keys(steps: Sequence[Step]) -> list[str]:
    return [step.key for step in steps if not isinstance(step, Seal)]


def test_nothing_encoded_nothing_to_do() -> None:
    assert next_step(Simulation().state) is None


def test_first_chunks_go_base_layer_first_and_are_followed_by_their_playlists() -> None:
    simulation = Simulation()
    for name in NAMES:
        simulation.encode(name)
    sent = keys(simulation.run())
    assert sent[:8] == [
        "voice/init.mp4", "voice/000000.m4s", "voice/index.m3u8",
        "v180/init.mp4", "v180/000000.m4s", "v180/index.m3u8", "index.m3u8", "v270/init.mp4",
    ]  # fmt: skip
    assert sent[-1] == INDEX
    assert len(check_multivariant(last_index(simulation))) == len(NAMES)


def test_live_a_new_chunk_is_named_at_once() -> None:
    simulation = Simulation()
    for _ in range(30):
        simulation.encode("voice")
        simulation.encode("v180")
        simulation.run()
        for name in ("voice", "v180"):
            leading = simulation.state.renditions[name].leading
            assert simulation.state.playlists[f"{name}/{INDEX}"].chunks == leading


def test_in_a_backlog_playlists_take_a_small_part_of_the_line() -> None:
    simulation = Simulation(chunk_bytes=11_000)  # the voice's: 24 kbit/s for 3.84 s
    simulation.finish(700)  # 45 minutes
    steps = simulation.run(check=False)
    media = sum(step.object.bytes for step in steps if isinstance(step, Put))
    texts = sum(len(text_of(step)) for step in steps if isinstance(step, PutPlaylist))
    assert texts < media / 6
    every_chunk = sum(len(text_of(step)) for step in steps if isinstance(step, PutPlaylist) and step.final) * 700 / 2
    assert texts < every_chunk / 5  # what a playlist for each chunk would cost


def test_the_length_of_playlists_is_estimated_well() -> None:
    simulation = Simulation()
    for chunks in (1, 50, 500):
        simulation.encode("v720", chunks)
        stored = simulation.state.renditions["v720"].leading
        length = len(media_playlist(simulation.state, "v720", chunks=stored, final=False))
        assert length == pytest.approx(PLAYLIST_HEAD_BYTES + PLAYLIST_ENTRY_BYTES * stored, rel=0.1, abs=30)


def test_in_a_backlog_voice_and_lowest_rung_go_together_then_the_rungs() -> None:
    simulation = Simulation()
    simulation.finish(6)
    media = [key for key in keys(simulation.run()) if key.endswith(".m4s")]
    assert media[:4] == ["voice/000000.m4s", "v180/000000.m4s", "voice/000001.m4s", "v180/000001.m4s"]
    assert [key.split("/")[0] for key in media[12:]] == ["v270"] * 6 + ["v360"] * 6 + ["v720"] * 6


def test_a_rung_that_falls_behind_is_not_named_until_it_catches_up() -> None:
    simulation = Simulation()
    for name in NAMES:
        simulation.encode(name)
    simulation.run()
    for _ in range(10):
        for name in NAMES[:-1]:
            simulation.encode(name)
    simulation.run()
    assert "v720" not in last_index(simulation)
    simulation.encode("v720", 10)
    simulation.run()
    assert "v720" in last_index(simulation)


def last_index(simulation: Simulation) -> str:
    return [text_of(step) for step in simulation.done if isinstance(step, PutPlaylist) and step.key == INDEX][-1]


def test_the_end_is_vod_then_the_seal_then_nothing() -> None:
    simulation = Simulation()
    simulation.finish(3)
    steps = simulation.run()
    assert isinstance(steps[-1], Seal)
    assert next_step(simulation.state) is None
    files = [step for step in steps if isinstance(step, Put)]
    assert [found.key for found in objects(simulation.state) if found.path] == [
        f"{name}/{file}" for name in NAMES for file in ("init.mp4", "000000.m4s", "000001.m4s", "000002.m4s")
    ]
    assert len(files) == len(NAMES) * 4


def test_another_store_gets_everything_again() -> None:
    simulation = Simulation()
    simulation.state.apply(PublishStarted(url="file:///a/lesson"))
    simulation.finish(2)
    first = keys(simulation.run())
    simulation.state.apply(PublishStarted(url="file:///a/lesson"))
    assert next_step(simulation.state) is None
    simulation.state.apply(PublishStarted(url="file:///b/lesson"))
    assert keys(simulation.run()) == first


def test_nothing_recorded_is_said() -> None:
    simulation = Simulation()
    simulation.state.apply(FrozenUntil(at=0, final=True))
    with pytest.raises(UnusableMediaError, match="nothing was recorded"):
        next_step(simulation.state)


@settings(max_examples=60)
@given(data=st.data())
def test_any_order_of_events_ends_sealed(data: st.DataObject) -> None:
    simulation = Simulation(data.draw(st.sampled_from([300, 11_000, 500_000])))
    for _ in range(data.draw(st.integers(0, 40))):
        if data.draw(st.booleans()):
            simulation.encode(data.draw(st.sampled_from(NAMES)), data.draw(st.integers(1, 4)))
        else:
            for _ in range(data.draw(st.integers(1, 6))):
                simulation.step()
    longest = max(progress.leading for progress in simulation.state.renditions.values())
    simulation.finish(longest + 1)
    simulation.run()
    assert isinstance(simulation.done[-1], Seal)
    assert len(simulation.state.objects) == len(NAMES) * (longest + 2)


def leave_out(simulation: Simulation, name: str) -> None:
    simulation.state.apply(RungSkipped(edition=0, rendition=name, at=moment(), reason="too slow"))


@pytest.mark.parametrize("chunks", [1, 5])
def test_the_playlist_of_a_rung_that_is_left_out_ends_where_it_is(chunks: int) -> None:
    """Nobody goes on with it: who watches it must not ask for more for ever."""
    simulation = Simulation()
    for name in NAMES:
        simulation.encode(name, chunks)
    simulation.run()
    simulation.encode("v720", 3)  # coded, and not in the store
    leave_out(simulation, "v720")
    (ended, index) = [step for step in simulation.run() if isinstance(step, PutPlaylist)]
    assert (ended.key, ended.final, ended.chunks) == ("v720/index.m3u8", True, chunks)
    assert len(check_media(text_of(ended), final=True)) == chunks
    assert index.key == INDEX
    assert "v720" not in text_of(index)
    simulation.state.apply(FrozenUntil(at=(chunks + 1) * simulation.state.header.grid.chunk, final=True))
    for name in NAMES[:-1]:
        simulation.encode(name)
    later = keys(simulation.run(check=False))
    assert not [key for key in later if key.startswith("v720/")]
    assert isinstance(simulation.done[-1], Seal)
    found = {one.key: one for one in objects(simulation.state)}
    assert found["v720/index.m3u8"].sha256 == ended.object.sha256, "verify has to compare it"
    assert not [key for key in found if key.startswith("v720/") and key != "v720/index.m3u8"]


def test_of_a_rung_left_out_before_it_was_in_the_store_nothing_goes_there() -> None:
    simulation = Simulation()
    leave_out(simulation, "v720")
    simulation.finish(4)
    assert not [key for key in keys(simulation.run(check=False)) if key.startswith("v720/")]
    assert isinstance(simulation.done[-1], Seal)


@settings(max_examples=40)
@given(st.data())
def test_an_encoder_whose_journal_lost_its_end_stops_nobody(data: st.DataObject) -> None:
    """In a power cut: the store has been told of chunks that are to be made again."""
    simulation = Simulation()
    for _ in range(data.draw(st.integers(1, 6))):
        for name in NAMES:
            simulation.encode(name, data.draw(st.integers(0, 2)))
        simulation.run()
    sent = [*simulation.state.objects.values(), *simulation.state.playlists.values()]
    again = Simulation()
    for name in NAMES:
        left = data.draw(st.integers(0, simulation.state.renditions[name].leading))
        if left:
            again.encode(name, left)
    for record in sent:
        again.state.apply(record)
    again.run(check=False)
    again.finish(14)
    assert isinstance(again.run(check=False)[-1], Seal)
    names = {f"{name}/{number:06d}.m4s" for name in NAMES for number in range(14)}
    assert names <= set(again.state.objects)
