"""The upload rule over files that turn out damaged: nothing else waits, no name is used twice, all ends sealed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.hls import INDEX
from lesson.package import objects
from lesson.records import ChunkEncoded, FileDamaged
from publish.plan import Put, PutPlaylist, Seal, Step
from tests.publish.test_plan import NAMES, Simulation, text_of


class Damaged(Simulation):
    """A lesson whose files are found damaged, and made again, whenever somebody says so."""

    def __init__(self, chunk_bytes: int) -> None:
        super().__init__(chunk_bytes)
        self.sent: dict[str, str] = {}

    def spoil(self, name: str, index: int | None) -> None:
        """What publishing journals of a file that is damaged here, and that the store does not hold (any more)."""
        progress = self.state.renditions[name]
        assert progress.started is not None
        path = progress.started.init_path if index is None else progress.chunks[index].path
        self.state.apply(FileDamaged(rendition=name, chunk=index, path=path, problem="missing"))

    def mend(self, name: str) -> None:
        """The encode stage makes again what is damaged of a rendition."""
        progress = self.state.renditions[name]
        number = len(progress.damaged)
        if progress.init_spoilt and progress.started:
            self.state.apply(replace(progress.started, init_path=f"enc/{name}/init-{number}.mp4"))
        for index in progress.spoilt:
            path = f"enc/{name}/{index:06d}-{number}.m4s"
            made = replace(progress.chunks[index], path=path, bytes=self.chunk_bytes + 1, sha256=path)
            self.state.apply(ChunkEncoded(chunk=made))

    def go(self, steps: int = 20_000) -> bool:
        """Carry out so many steps; False if there were fewer."""
        for _ in range(steps):
            if (step := self.step(check=False)) is None:
                return False
            self.look_at(step)
        return True

    def look_at(self, step: Step) -> None:
        if isinstance(step, Seal) or step.key == INDEX:
            return
        name = step.key.split("/")[0]
        if isinstance(step, Put):
            assert self.sent.setdefault(step.key, step.object.sha256) == step.object.sha256, "one name, two things"
            assert step.object.path not in self.state.renditions[name].damaged
        elif isinstance(step, PutPlaylist):
            for line in text_of(step).splitlines():
                uri = line.partition('URI="')[2].rstrip('"') if line.startswith("#EXT-X-MAP") else line
                assert uri.startswith("#") or f"{name}/{uri}" in self.state.objects

    def assert_all_sound_is_stored(self) -> None:
        for name in NAMES:
            progress = self.state.renditions[name]
            sound = [chunk.path for index, chunk in progress.chunks.items() if index not in progress.spoilt]
            assert {path.removeprefix("enc/") for path in sound} <= set(self.state.objects)
        assert self.state.encoded == isinstance(self.done[-1], Seal)


def something_happens(simulation: Damaged, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    progress = simulation.state.renditions[name]
    match data.draw(st.sampled_from(["encode", "send", "spoil", "mend"])):
        case "encode":
            simulation.encode(name, data.draw(st.integers(1, 3)))
        case "send":
            simulation.go(data.draw(st.integers(1, 8)))
        case "spoil" if progress.started:
            simulation.spoil(name, data.draw(st.sampled_from([None, *progress.chunks])))
        case "mend":
            simulation.mend(name)


@settings(max_examples=60)
@given(data=st.data())
def test_damage_at_any_instant_holds_up_nothing_else_and_is_mended(data: st.DataObject) -> None:
    simulation = Damaged(data.draw(st.sampled_from([300, 11_000])))
    for _ in range(data.draw(st.integers(1, 25))):
        something_happens(simulation, data)
    simulation.finish(1 + max(progress.leading for progress in simulation.state.renditions.values()))
    assert not simulation.go()
    simulation.assert_all_sound_is_stored()
    for name in NAMES:
        simulation.mend(name)
    assert not simulation.go()
    assert isinstance(simulation.done[-1], Seal)
    for found in objects(simulation.state):
        held = simulation.state.objects.get(found.key) or simulation.state.playlists[found.key]
        assert held.sha256 == found.sha256
