"""Looks at the ends of journals against the fold of all of them, however the files ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson import glance as module
from lesson.errors import LessonFormatError, StorageError
from lesson.folder import LessonFolder
from lesson.glance import control_window, glance, sealed
from lesson.hls import published_url
from lesson.journal import append_records, read_journal
from lesson.manifest import manifest
from lesson.phase import Phase
from lesson.records import (
    FrozenUntil,
    ObjectStored,
    PlaylistPublished,
    PublishStarted,
    Record,
    Start,
    Stop,
    Verified,
    _crc_tail,
    encode_line,
)
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, seconds_from_ticks
from lesson.view import load_state
from tests.kit.lessons import (
    encode_all,
    header,
    make_lesson,
    moment,
    plan_all,
    record_all,
    source,
    start,
    stop,
    write_chunk,
)  # fmt: skip

SHA = "0" * 64
STORED = st.builds(
    ObjectStored, key=st.text("abc/é", max_size=9).map("low/{}".format), bytes=st.just(7), sha256=st.just(SHA)
)
LISTED = st.builds(
    PlaylistPublished,
    key=st.sampled_from(["index.m3u8", "low/index.m3u8"]),
    chunks=st.just(1),
    final=st.booleans(),
    sha256=st.just(SHA),
)
VERIFIED = st.builds(
    Verified, objects=st.just(1), bytes=st.just(1), manifest_sha256=st.just(SHA), url=st.none() | st.just("file:///a")
)
PUBLISHING = st.lists(st.one_of(STORED, LISTED), max_size=60)


def line_of_a_later_version(text: str) -> bytes:
    body = b'{"type":"Reclaimed","what":"' + text.encode() + b'"'
    return body + _crc_tail(body) + b"\n"


LATER = st.sampled_from(["x", "y" * 5_000]).map(line_of_a_later_version)
TAILS = st.one_of(
    st.just(b""),
    LATER,
    st.binary(max_size=40),
    st.integers(1, 9_000).map(bytes),
    st.sampled_from(
        [b"\r", b"\n\n", b"{", b'{"type":"Verified"']
        + [encode_line(Verified(objects=1, bytes=1, manifest_sha256=SHA))[:n] for n in (-1, -9, 30)]
    ),
)


def folded(path: Path) -> LessonState:
    state = LessonState(header())
    for record in read_journal(path):
        state.apply(record)
    return state


def written(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> Path:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    path.write_bytes(data)
    return path


@settings(deadline=None)
@given(
    records=PUBLISHING,
    verified=st.none() | VERIFIED,
    tail=TAILS,
    flip=st.none() | st.tuples(st.floats(0, 1), st.integers(0, 7)),
)
def test_sealed_is_what_the_fold_says(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[Record], verified: Verified | None, tail: bytes, flip: tuple[float, int] | None,
) -> None:  # fmt: skip
    begun: list[Record] = [PublishStarted(url="file:///a")]
    data = bytearray(b"".join(map(encode_line, begun + records + ([verified] if verified else []))) + tail)
    if flip:
        data[round(flip[0] * (len(data) - 1))] ^= 1 << flip[1]
    path = written(tmp_path_factory, bytes(data))
    assert sealed(path) == folded(path).verified


@settings(deadline=None)
@given(first=PUBLISHING, second=PUBLISHING, again=st.booleans(), cut=st.integers(0, 400))
def test_a_lesson_that_goes_to_another_store_is_not_sealed_until_it_is_there(
    tmp_path_factory: pytest.TempPathFactory, first: list[Record], second: list[Record], again: bool, cut: int
) -> None:
    end = Verified(objects=1, bytes=1, manifest_sha256=SHA)
    records = [PublishStarted(url="file:///a"), *first, end, PublishStarted(url="file:///b"), *second]
    data = b"".join(map(encode_line, records + ([end] if again else [])))
    path = written(tmp_path_factory, data[: max(0, len(data) - cut)])
    assert sealed(path) == folded(path).verified
    assert module._published_url(path, None) == published_url(folded(path))


def test_an_open_end_is_told_from_the_last_line_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    append_records(path, [ObjectStored(key=f"low/{n}", bytes=1, sha256=SHA) for n in range(5_000)])
    monkeypatch.setattr(module, "read_journal", None)
    assert sealed(path) is None
    append_records(path, [end := Verified(objects=1, bytes=1, manifest_sha256=SHA)])
    assert sealed(path) == end


CONTROL = [Start(at=moment()), Start(at=moment(5), for_s=9.0), Stop(at=moment(9))]


@settings(deadline=None)
@given(lines=st.lists(st.sampled_from(CONTROL), max_size=4), later=st.booleans(), tail=TAILS)
def test_the_window_is_the_first_start_and_the_first_stop(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Record], later: bool, tail: bytes
) -> None:
    data = b"".join(map(encode_line, lines)) + (line_of_a_later_version("x") if later else b"") + tail
    path = written(tmp_path_factory, data)
    state = folded(path)
    try:
        window = control_window(path)
    except LessonFormatError:
        assert state.start is None
    else:
        assert (window.start, window.stop) == (state.start, state.stop)


STAGES = ["created", "started", "stopped", "planning", "planned", "first chunk", "encoded", "publishing", "sealed"]


def lesson_at(root: Path, stage: str) -> LessonFolder:
    """A lesson that has come so far."""
    folder = make_lesson(root)
    reached = STAGES.index(stage)
    url = "file:///store/lesson"
    steps = [
        lambda: start(folder),
        lambda: (stop(folder, at=moment(12)), record_all(folder)),
        lambda: plan_all(folder, end=5 * TICKS_PER_SECOND, final=False),
        lambda: plan_all(folder),
        lambda: append_records(folder.rendition_journal("low"), [write_chunk_in(folder)]),
        lambda: encode_all(folder),
        lambda: append_records(
            folder.publish_journal,
            [PublishStarted(url=url), PlaylistPublished(key="index.m3u8", chunks=12, final=True, sha256=SHA)],
        ),
        lambda: (
            folder.manifest_path.write_bytes(manifest(load_state(folder))),
            append_records(folder.publish_journal, [Verified(objects=1, bytes=1, manifest_sha256=SHA, url=url)]),
        ),
    ]
    for step in steps[:reached]:
        step()
    return folder


def write_chunk_in(folder: LessonFolder) -> Record:
    rendition = folder.header.rendition("low")
    folder.rendition_folder("low").mkdir(parents=True)
    return write_chunk(folder, rendition, 0, folder.header.grid.span(0))


@pytest.mark.parametrize("stage", STAGES)
def test_a_glance_says_what_the_fold_says(tmp_path: Path, stage: str) -> None:
    folder = lesson_at(tmp_path, stage)
    entry, state = glance(folder), load_state(folder)
    assert (entry.phase, entry.problem) == (state.phase, None)
    assert (entry.start, entry.stop) == (state.start, state.stop)
    assert entry.published_url == published_url(state)
    assert entry.playable == any(rendition.leading for rendition in state.renditions.values())
    if state.final:
        assert entry.duration_s == seconds_from_ticks(state.duration) == 12.0
    assert entry.gap_count == (0 if stage == "sealed" else None)


@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 300), min_size=6, max_size=6), nuls=st.sampled_from([0, 0, 7, 5_000]))
def test_a_glance_after_a_power_cut_says_what_the_fold_says(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], nuls: int
) -> None:
    folder = lesson_at(tmp_path_factory.mktemp("root"), "sealed")
    journals = [folder.control_journal, folder.plan_journal(), folder.publish_journal]
    journals += [folder.rendition_journal(name) for name in ("voice", "low", "high")]
    for journal, cut in zip(journals, cuts, strict=True):
        data = journal.read_bytes()
        journal.write_bytes(data[: max(0, len(data) - cut)] + bytes(nuls))
    entry, state = glance(folder), load_state(folder)
    assert entry.phase == state.phase
    assert (entry.start, entry.stop) == (state.start, state.stop)
    assert entry.published_url == published_url(state)
    if not state.verified:
        assert entry.playable == any(rendition.leading for rendition in state.renditions.values())


def test_without_a_sound_manifest_only_the_gaps_are_unknown(tmp_path: Path) -> None:
    folder = lesson_at(tmp_path, "sealed")
    folder.manifest_path.write_bytes(b"{")
    entry = glance(folder)
    assert (entry.duration_s, entry.gap_count, entry.playable) == (12.0, None, True)


def test_the_length_of_an_unplanned_lesson_is_the_time_from_start_to_stop(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    stop(folder, at=moment(2_700))
    assert glance(folder).duration_s == 2_700.0


def test_how_long_copying_took_is_no_length(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path, sources=(source("teacher", imported=True),))
    start(folder)
    stop(folder, at=moment(7))
    assert glance(folder).duration_s == 0.0


def test_a_control_journal_that_lost_its_start_is_damaged(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    stop(folder)
    data = bytearray(folder.control_journal.read_bytes())
    data[9] ^= 1
    data[20] ^= 1
    folder.control_journal.write_bytes(data)
    entry = glance(folder)
    assert (entry.phase, entry.header) == (None, folder.header)
    assert "control.jsonl" in str(entry.problem)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        sealed(tmp_path)
    with pytest.raises(StorageError):
        control_window(tmp_path)


def test_a_lesson_in_which_nothing_was_recorded_is_empty(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    stop(folder)
    append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    entry = glance(folder)
    assert (entry.phase, entry.duration_s, entry.problem) == (Phase.EMPTY, 0.0, "nothing was recorded")
    assert load_state(folder).phase is Phase.EMPTY
