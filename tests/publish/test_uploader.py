"""The uploader on whole lesson folders, against stores that fail in chosen ways."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lesson.editions import skip_rung
from lesson.errors import IntegrityError, JournalBusyError, StoreError, UnusableMediaError
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import append_records, read_journal
from lesson.manifest import manifest
from lesson.phase import Phase
from lesson.records import ChunkEncoded, FileDamaged, FrozenUntil
from lesson.verify import verify_local
from lesson.view import load_state
from process.backoff import Backoff
from publish.body import Body
from publish.folder_store import FolderStore
from publish.in_parts import PART_BYTES
from publish.memory_store import MemoryStore
from publish.plan import Seal
from publish.protocol import ObjectInfo, Part, Upload
from publish.uplink import Uplink
from publish.uploader import Uploader
from publish.verify import verify_remote
from tests.kit.damaged import SEGMENT_DAMAGE
from tests.kit.lessons import (
    encode_all,
    made_lesson,
    make_again,
    make_lesson,
    old_chunk,
    old_init,
    plan_all,
    record_all,
)
from tests.kit.playlists import check_media, check_multivariant, check_strictly


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    return made_lesson(tmp_path / "root")


class FlakyStore(MemoryStore):
    """Counts puts; fails before or after storing, or stores damaged bytes, as `script` says put by put."""

    def __init__(self, script: Iterator[str] | None = None) -> None:
        super().__init__()
        self.script = script or iter(())
        self.puts: list[str] = []

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
        self.puts.append(key)
        what = next(self.script, "well")
        if what == "before":
            raise StoreError("the line is down")
        if what == "damaged":
            raise IntegrityError("damaged on the way")
        super().put(key, body, content_type=content_type, cache_control=cache_control)
        if what == "after":
            raise StoreError("the line went down")


def test_a_finished_lesson_ends_verified(folder: LessonFolder, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    Uploader(folder, store).run()
    state = load_state(folder)
    assert state.phase is Phase.PUBLISHED
    assert state.publish_url == (tmp_path / "store" / "lesson").as_uri()
    assert state.verified is not None
    assert state.verified.objects == 3 * 6 + 2
    published = tmp_path / "store" / "lesson"
    assert (published / "manifest.json").read_bytes() == folder.manifest_path.read_bytes() == manifest(state)
    texts = [(published / INDEX).read_text()]
    for variant in check_multivariant(texts[0]):
        text = (published / variant["URI"]).read_text()
        for _, uri in check_media(text, final=True):
            name = variant["URI"].split("/")[0]
            assert (published / name / uri).read_bytes() == (folder.path / "enc" / name / uri).read_bytes()
        texts.append(text)
    assert verify_local(folder) == []
    assert verify_remote(folder, store) == []
    assert verify_remote(folder, store, deep=True) == []
    check_strictly(*texts, folder=tmp_path / "judge")


def test_a_second_run_sends_nothing(folder: LessonFolder) -> None:
    store = FlakyStore()
    Uploader(folder, store).run()
    store.puts.clear()
    Uploader(folder, store).run()
    assert store.puts == []


def test_a_line_that_is_down_is_said_once_it_is_no_slip_and_taken_back(
    folder: LessonFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("publish.uplink.complain", said.append)
    monkeypatch.setattr("publish.uplink.recovered", lambda: said.append("-"))
    Uploader(folder, FlakyStore(iter(["well", *["before"] * 4]))).run(Uplink(sleep=lambda _s: None))
    assert [line == "-" for line in said[:4]] == [True, False, False, True]


def test_store_failures_are_tried_again_with_growing_pauses(folder: LessonFolder) -> None:
    store = FlakyStore(iter(["well", "before", "before", "damaged", "after", "before"]))
    pauses: list[float] = []
    Uploader(folder, store).run(Uplink(backoff=Backoff(first_s=1, longest_s=3, jitter=0), sleep=pauses.append))
    assert pauses == [1, 2, 3, 3, 3]
    assert load_state(folder).verified
    assert verify_remote(folder, store, deep=True) == []


def test_what_a_dead_process_left_unjournaled_is_not_sent_again(folder: LessonFolder) -> None:
    class Killed(BaseException):
        pass

    class Deadly(FlakyStore):
        def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
            super().put(key, body, content_type=content_type, cache_control=cache_control)
            if len(self.puts) == 5:
                raise Killed

    store = Deadly()
    with pytest.raises(Killed):
        Uploader(folder, store).run()
    Uploader(folder, store).run()
    media = [key for key in store.puts if key.endswith((".m4s", ".mp4"))]
    assert len(media) == len(set(media))
    assert load_state(folder).verified


def test_what_the_store_loses_before_the_seal_is_sent_again(
    folder: LessonFolder, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgetful(FlakyStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            if self.objects.pop("lesson/low/000001.m4s", None) is None:
                self.objects["lesson/high/000002.m4s"] = b"x" * len(self.objects["lesson/high/000002.m4s"])
            return super().list(prefix)

    store = Forgetful()
    pauses: list[float] = []

    def heal(seconds: float) -> None:
        pauses.append(seconds)
        store.__class__ = FlakyStore  # type: ignore[assignment]

    Uploader(folder, store).run(Uplink(sleep=heal))
    assert len(pauses) == 1
    assert "object_lost" in caplog.text
    assert verify_remote(folder, store, deep=True) == []


def test_verify_remote_names_what_differs(folder: LessonFolder) -> None:
    store = MemoryStore()
    assert verify_remote(folder, store) == ["lesson: not published to the end yet"]
    Uploader(folder, store).run()
    same_size = bytes(len(store.objects["lesson/low/000001.m4s"]))
    store.objects["lesson/low/000001.m4s"] = same_size
    del store.objects["lesson/voice/000000.m4s"]
    store.objects["lesson/index.m3u8"] = b"#EXTM3U\n"
    store.objects["lesson/unknown"] = b"none of ours"
    problems = verify_remote(folder, store)
    assert [problem.split(": ")[0] for problem in problems] == [
        "memory:///lesson/voice/000000.m4s",
        "memory:///lesson/low/000001.m4s",
        "memory:///lesson/index.m3u8",
    ]
    assert "missing" in problems[0]
    assert "MD5 differs" in problems[1]


def test_verify_remote_works_without_the_local_files(folder: LessonFolder) -> None:
    store = MemoryStore()
    Uploader(folder, store).run()
    for path in (folder.path / "enc").rglob("*.m4s"):
        path.unlink()
    assert verify_remote(folder, store) == []
    store.objects["lesson/low/000001.m4s"] = bytes(len(store.objects["lesson/low/000001.m4s"]))
    assert ["SHA-256 differs" in problem for problem in verify_remote(folder, store)] == [True]


def test_a_folder_that_was_renamed_keeps_its_place_in_the_store(folder: LessonFolder) -> None:
    store = FlakyStore()
    Uploader(folder, store).run()
    store.puts.clear()
    copy = LessonFolder(folder.path.rename(folder.path.with_name("copy-for-a-bug-report")))
    Uploader(copy, store).run()
    assert store.puts == []
    assert verify_remote(copy, store) == []
    assert {key.split("/")[0] for key in store.objects} == {"lesson"}


def test_another_store_url_publishes_anew(folder: LessonFolder, tmp_path: Path) -> None:
    first, second = FolderStore(tmp_path / "one"), FolderStore(tmp_path / "two")
    Uploader(folder, first).run()
    Uploader(folder, second).run()
    assert load_state(folder).publish_url == (tmp_path / "two" / "lesson").as_uri()
    assert verify_remote(folder, second, deep=True) == []
    assert {info.key for info in first.list()} == {info.key for info in second.list()}


def test_nothing_recorded_ends_with_one_line(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    with pytest.raises(UnusableMediaError, match="nothing was recorded"):
        Uploader(folder, MemoryStore()).run()


def damage(path: Path, kind: str) -> None:
    if kind == "another segment":
        path.write_bytes(path.with_name("another").read_bytes() if path.with_name("another").exists() else b"other")
    else:
        SEGMENT_DAMAGE[kind](path)


def send(uploader: Uploader) -> None:
    """Carry out what there is to do now."""
    while (step := uploader.next()) is not None:
        uploader.carry_out(step)


@pytest.mark.parametrize("kind", SEGMENT_DAMAGE)
@pytest.mark.parametrize("which", ["init", "first", "last"])
def test_what_is_damaged_on_the_local_disk_is_named_once_and_all_else_is_sent(
    folder: LessonFolder, kind: str, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = old_init(folder, "low") if which == "init" else old_chunk(folder, "low", {"first": 0, "last": 3}[which])
    key = f"low/{path.name}"
    damage(path, kind)
    store = MemoryStore()
    for _ in range(2):  # killed, and started again
        with Uploader(folder, store) as uploader:
            send(uploader)
            assert not uploader.state.encoded
    (record,) = read_journal(folder.damage_journal)
    assert isinstance(record, FileDamaged)
    assert (record.rendition, record.path) == ("low", folder.relative(path))
    assert record.chunk == (None if which == "init" else int(path.stem))
    assert "file_damaged" in caplog.text
    media = {f"lesson/{name}/{file}" for name in ("voice", "low", "high")
             for file in ("init.mp4", *(f"{index:06d}.m4s" for index in range(4)))}  # fmt: skip
    assert media - set(store.objects) == {f"lesson/{key}"}
    if record.chunk == 3:
        assert len(check_media(store.objects["lesson/low/index.m3u8"].decode(), final=False)) == 3
    else:
        assert "lesson/low/index.m3u8" not in store.objects
    assert make_again(folder) == 1
    Uploader(folder, store).run()
    assert f"lesson/{key}" not in store.objects, "what has the name of something damaged is not stored under it"
    assert verify_remote(folder, store, deep=True) == []
    assert verify_local(folder) == []
    check_media(store.objects["lesson/low/index.m3u8"].decode(), final=True)


@pytest.mark.parametrize("which", ["init.mp4", "000000.m4s", "000002.m4s"])
@pytest.mark.parametrize("kind", ["missing", "one byte"])
def test_where_the_store_holds_it_nothing_is_made_again(folder: LessonFolder, which: str, kind: str) -> None:
    store = MemoryStore()
    sound = (folder.rendition_folder("low") / which).read_bytes()
    store.objects[f"lesson/low/{which}"] = sound  # as of another box, or another life
    damage(folder.rendition_folder("low") / which, kind)
    Uploader(folder, store).run()
    assert not folder.damage_journal.exists()
    assert store.objects[f"lesson/low/{which}"] == sound
    assert verify_remote(folder, store, deep=True) == []
    (problem,) = verify_local(folder)
    assert which in problem


@pytest.mark.parametrize("which", ["init.mp4", "000000.m4s", "000003.m4s"])
def test_what_the_store_loses_and_the_disk_damaged_is_made_again_before_the_seal(
    folder: LessonFolder, which: str
) -> None:
    store = MemoryStore()
    with Uploader(folder, store) as uploader:
        while not isinstance(step := uploader.next(), Seal):
            assert step is not None
            uploader.carry_out(step)
        store.objects[f"lesson/low/{which}"] = b"?"
        damage(folder.rendition_folder("low") / which, "one byte")
        send(uploader)
        assert uploader.state.verified is None
    assert make_again(folder) == 1
    Uploader(folder, store).run()
    assert store.objects[f"lesson/low/{which}"] == b"?", "what is immutable was overwritten"
    assert verify_remote(folder, store, deep=True) == []


def test_one_lesson_has_one_uploader_and_another_waits_until_it_is_done(folder: LessonFolder) -> None:
    store = FlakyStore()
    with Uploader(folder, store) as first, ThreadPoolExecutor(1) as pool:
        with pytest.raises(JournalBusyError):
            Uploader(folder, store).__enter__()
        waiting = pool.submit(Uploader(folder, store).run)
        while (step := first.next()) is not None:
            first.carry_out(step)
        waiting.result(20)
    media = [key for key in store.puts if key.endswith((".m4s", ".mp4"))]
    assert len(media) == len(set(media)) == 3 * 5


class PartlyStore(FlakyStore):
    """Counts parts; the line breaks when the `breaks`th of them is under way."""

    def __init__(self, breaks: int | None = None) -> None:
        super().__init__()
        self.breaks = breaks
        self.sent: list[int] = []
        whole = self.in_parts.put_part

        def put_part(upload: Upload, number: int, body: Body) -> Part:
            if len(self.sent) == self.breaks:
                self.breaks = None
                raise StoreError("the line is down")
            part = whole(upload, number, body)
            self.sent.append(number)
            return part

        self.in_parts.put_part = put_part  # type: ignore[method-assign]


def enlarge(folder: LessonFolder, size: int) -> bytes:
    """Make chunk 2 of the high rung so large; gives what it begins with."""
    path = old_chunk(folder, "high", 2)
    data = b"%09d" % size * (size // 9 + 1)
    path.write_bytes(data[:size])
    journal = read_journal(folder.rendition_journal("high"))
    folder.rendition_journal("high").unlink()
    for record in journal:
        if isinstance(record, ChunkEncoded) and record.chunk.index == 2:
            digest = hashlib.sha256(data[:size]).hexdigest()
            record = ChunkEncoded(chunk=replace(record.chunk, bytes=size, sha256=digest))
        append_records(folder.rendition_journal("high"), [record])
    return data[:size]


def test_a_large_object_goes_in_parts_and_no_part_twice(folder: LessonFolder) -> None:
    data = enlarge(folder, 3 * PART_BYTES + 17)
    store = PartlyStore(breaks=2)
    Uploader(folder, store).run(Uplink(sleep=lambda _s: None))
    assert store.sent == [1, 2, 3, 4]
    assert store.objects["lesson/high/000002.m4s"] == data
    assert store.head("lesson/high/000002.m4s").md5 is None
    assert verify_remote(folder, store) == []
    assert verify_remote(folder, store, deep=True) == []
    changed = bytearray(data)
    changed[PART_BYTES] ^= 1
    store.objects["lesson/high/000002.m4s"] = bytes(changed)
    assert len(verify_remote(folder, store)) == 1
    assert store.in_parts.uploads == {}


def test_killed_among_parts_it_goes_on_with_the_next_part(folder: LessonFolder) -> None:
    data = enlarge(folder, 2 * PART_BYTES + 1)
    store = PartlyStore(breaks=1)

    def killed(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Uploader(folder, store).run(Uplink(sleep=killed))
    assert store.sent == [1]
    Uploader(folder, store).run()
    assert store.sent == [1, 2, 3]
    assert store.objects["lesson/high/000002.m4s"] == data


def test_an_upload_that_the_store_gave_up_is_begun_anew(folder: LessonFolder) -> None:
    data = enlarge(folder, 2 * PART_BYTES)
    store = PartlyStore(breaks=1)

    def swept(_seconds: float) -> None:
        for upload in list(store.in_parts.uploads):
            store.in_parts.abort(upload)

    Uploader(folder, store).run(Uplink(sleep=swept))
    assert store.sent == [1, 1, 2]
    assert store.objects["lesson/high/000002.m4s"] == data


def test_a_rung_left_out_in_mid_lesson_leaves_no_playlist_without_an_end(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path / "root")
    record_all(folder)
    half = 2 * folder.header.grid.chunk
    plan_all(folder, end=half, final=False)
    encode_all(folder, end=half)
    store = MemoryStore()
    with Uploader(folder, store) as uploader:
        send(uploader)
        check_media(store.objects["lesson/high/index.m3u8"].decode(), final=False)
        skip_rung(folder.path.parent, folder, "high", "too slow")
        send(uploader)
        ended = store.objects["lesson/high/index.m3u8"].decode()
        assert len(check_media(ended, final=True)) == 2
        assert b"high" not in store.objects["lesson/index.m3u8"]
        append_records(folder.plan_journal(), [FrozenUntil(at=half, final=True)])
        send(uploader)
    assert load_state(folder).verified
    assert verify_remote(folder, store, deep=True) == []
    assert "high/index.m3u8" in folder.manifest_path.read_text()
    for name in [key for key in store.objects if key.endswith(".m3u8")]:
        assert "#EXT-X-ENDLIST" in store.objects[name].decode() or name == "lesson/index.m3u8"
    store.objects["lesson/high/index.m3u8"] = ended.replace("#EXT-X-ENDLIST\n", "").encode()
    (problem,) = verify_remote(folder, store)
    assert "high/index.m3u8" in problem
