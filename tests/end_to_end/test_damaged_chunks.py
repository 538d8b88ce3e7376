"""What was encoded is spoilt on the disk before the store has it: it is made again, and nothing waits for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from encode.stage import EncodeStage
from lesson.editions import start_edition
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import read_journal
from lesson.model import Layout
from lesson.records import FileDamaged
from lesson.rendition_state import MAX_REMADE
from lesson.verify import verify_local
from lesson.view import load_state
from publish.folder_store import FolderStore
from publish.uploader import Uploader
from publish.verify import verify_remote
from tests.end_to_end.test_killed_editions import LADDER, Finishing, Serving, config, prepared, restored
from tests.kit import stages
from tests.kit.damaged import SEGMENT_DAMAGE
from tests.kit.lessons import HIGH, LOW, VOICE
from tests.kit.programme import classreel, decoding_errors, result_of
from tests.kit.stages import shot, without_workers, work
from tests.kit.waiting import wait_until
from tracking.__main__ import plan

pytestmark = pytest.mark.slow

SECONDS = 24
INIT, AMID, LAST = None, 3, 6
"""The initialisation segment, a chunk in the middle, and the last one (24 s are 6.25 chunks)."""
DAMAGE = ("one byte", "cut", "missing", "zeros")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lesson of 24 s, encoded and published."""
    with pytest.MonkeyPatch.context() as patch:
        without_workers(patch)
        return prepared(tmp_path_factory.mktemp("damaged"), SECONDS, sound=True)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    without_workers(monkeypatch)


def unpublished(place: Path) -> tuple[LessonFolder, FolderStore]:
    """The lesson as it was when all was encoded and nothing published, and an empty store."""
    home = restored(place)
    folder = LessonFolder(home / "root" / "lesson")
    folder.publish_journal.unlink()
    folder.manifest_path.unlink()
    return folder, FolderStore(home / "other")


def file_of(folder: LessonFolder, rendition: str, index: int | None) -> Path:
    progress = load_state(folder).renditions[rendition]
    assert progress.started is not None
    return folder.absolute(progress.started.init_path if index is None else progress.chunks[index].path)


def finish(folder: LessonFolder, store: FolderStore) -> None:
    """What the box does of a lesson that is planned, each stage as often as it takes."""
    for _ in range(3 * MAX_REMADE):
        with EncodeStage(folder, 1) as stage:
            while not stage.done:
                stage.step()
        with Uploader(folder, store) as uploader:
            while (step := uploader.next()) is not None:
                uploader.carry_out(step)
            if uploader.state.verified:
                return
    pytest.fail("never published")


def damages(folder: LessonFolder) -> list[tuple[str, int | None]]:
    return [(one.rendition, one.chunk) for one in read_journal(folder.damage_journal) if isinstance(one, FileDamaged)]


def assert_whole(folder: LessonFolder, store: FolderStore) -> None:
    assert verify_remote(folder, store, deep=True) == []
    assert verify_local(folder) == []
    assert decoding_errors(store.root / "lesson" / INDEX) == ""


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("rendition", [VOICE.name, HIGH.name])
@pytest.mark.parametrize("index", [INIT, AMID, LAST], ids=["init", "amid", "last"])
def test_before_the_first_publication_it_is_made_again(
    place: Path, damage: str, rendition: str, index: int | None
) -> None:
    folder, store = unpublished(place)
    path = file_of(folder, rendition, index)
    name = path.name
    SEGMENT_DAMAGE[damage](path)
    finish(folder, store)
    assert damages(folder) == [(rendition, index)]
    assert stages.coded == [(rendition, index)] * (index is not None and rendition != VOICE.name)
    assert not (store.root / "lesson" / rendition / name).exists()
    assert_whole(folder, store)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("index", [INIT, AMID, LAST], ids=["init", "amid", "last"])
@pytest.mark.parametrize("held", [True, False], ids=["stored", "not stored"])
def test_of_a_chunk_that_an_edition_keeps(place: Path, damage: str, index: int | None, held: bool) -> None:
    """With the store that has it nothing is lost; on its way to another store it is made again, for both editions."""
    home = restored(place)
    folder, store = LessonFolder(home / "root" / "lesson"), FolderStore(home / ("store" if held else "other"))
    before = {info.key: store.get(info.key) for info in store.list()}
    paths = [file_of(folder, rung.name, index) for rung in LADDER]
    start_edition(folder.path.parent, folder, [shot(0, 2, layout=Layout.SLATE)])
    for path in paths:
        SEGMENT_DAMAGE[damage](path)
    work(folder, store) if held else finish_anew(folder, store)
    assert sorted(damages(folder), key=str) == ([] if held else sorted([(r.name, index) for r in LADDER], key=str))
    assert verify_remote(folder, store, deep=True) == []
    assert decoding_errors(store.root / "lesson" / INDEX) == ""
    for key, data in before.items():
        assert key.endswith((INDEX, "manifest.json")) or store.get(key) == data, "what is immutable was overwritten"
    if not held:
        assert verify_local(folder) == []  # of the edition before, too


def finish_anew(folder: LessonFolder, store: FolderStore) -> None:
    plan(folder, blind=True)
    finish(folder, store)


@pytest.mark.parametrize("rendition", [VOICE.name, LOW.name])
@pytest.mark.parametrize("line", [1, -2], ids=["first chunk", "a later one"])
def test_a_published_lesson_whose_journal_lost_a_line_is_told_of(place: Path, rendition: str, line: int) -> None:
    home = restored(place)
    folder, store = LessonFolder(home / "root" / "lesson"), FolderStore(home / "store")
    journal = folder.rendition_journal(rendition)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b"ChunkEncoded" in lines[line]
    lines[line] = lines[line].replace(b"s", b"X").replace(b"e", b"Y")  # more than its CRC can tell
    journal.write_bytes(b"".join(lines))
    said = verify_remote(folder, store)
    beginning = "lesson: published, but this disk does not know all of it any more: "
    assert all(line.startswith(beginning) for line in said)
    assert any(line.startswith(f"{beginning}enc/{rendition}/journal.jsonl: 1 damaged line") for line in said)
    done = classreel("verify", folder.path, "--remote", "--config", config(home), "--json")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert any("damaged line" in problem for problem in json.loads(done.stdout)["problems"])


def test_a_disk_that_damages_it_again_and_again_is_said_and_all_else_is_stored(place: Path) -> None:
    folder, store = unpublished(place)
    for _ in range(MAX_REMADE + 1):
        SEGMENT_DAMAGE["one byte"](file_of(folder, HIGH.name, AMID))
        with Uploader(folder, store) as uploader:
            while (step := uploader.next()) is not None:
                uploader.carry_out(step)
        try:
            with EncodeStage(folder, 1) as stage:
                while not stage.done:
                    stage.step()
        except StorageError as error:
            said = str(error)
    assert "replace the disk" in said
    assert f"chunk {AMID} {MAX_REMADE + 1} times" in said
    assert len(damages(folder)) == MAX_REMADE + 1
    state = load_state(folder)
    files = {f"{rung.name}/{file_of(folder, rung.name, index).name}" for rung in LADDER
             for index in (INIT, *range(LAST + 1)) if (rung.name, index) != (HIGH.name, AMID)}  # fmt: skip
    assert files <= set(state.objects)
    assert state.verified is None
    assert len(verify_local(folder)) == 1


@pytest.mark.parametrize("power", [Finishing, Serving])
def test_the_box_does_so_by_itself_and_is_killed_meanwhile(place: Path, power: type[Finishing] | type[Serving]) -> None:
    home = restored(place)
    folder, store = LessonFolder(home / "root" / "lesson"), FolderStore(home / "store")
    for path in (folder.publish_journal, folder.manifest_path):
        path.unlink()
    for info in list(store.list()):
        store.delete(info.key)
    for rendition, index in ((VOICE.name, INIT), (VOICE.name, AMID), (LOW.name, LAST), (HIGH.name, AMID)):
        SEGMENT_DAMAGE["one byte"](file_of(folder, rendition, index))
    box = power(home)
    box.start()
    for rendition in (LOW.name, HIGH.name):
        wait_until(lambda: any(name == rendition for name, _ in damages(folder)), 60, poll_s=0.001)  # noqa: B023
        box.kill()
        box.start()
    wait_until(lambda: load_state(folder).verified is not None, 120, what="it is verified")
    box.kill()
    assert len(damages(folder)) == 4
    assert_whole(folder, store)
    assert result_of(classreel("verify", folder.path, "--remote", "--config", config(home), "--json"))["ok"]


@pytest.mark.parametrize("what", ["chunk", "init", "segment"])
def test_process_names_what_is_damaged_of_a_published_lesson(place: Path, what: str) -> None:
    home = restored(place)
    folder = LessonFolder(home / "root" / "lesson")
    segment = next(folder.absolute(one.segments[0].path) for one in load_state(folder).sources.values() if one.segments)
    path = segment if what == "segment" else file_of(folder, LOW.name, AMID if what == "chunk" else INIT)
    SEGMENT_DAMAGE["cut" if what == "segment" else "one byte"](path)
    done = classreel("process", folder.path, "--config", config(home), "--json")
    assert any(line.startswith(folder.relative(path)) for line in json.loads(done.stdout)["problems"])
    *_, said = [line for line in done.stderr.splitlines() if line.startswith("recorded ")]
    encoded, stored = (part.split()[-1] for part in said.split(", ")[1:])
    assert encoded == stored
