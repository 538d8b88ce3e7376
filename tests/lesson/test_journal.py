"""Journals under damage: whatever happens to the bytes, committed lines come back and nothing else does."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lesson.errors import DiskFullError, JournalBusyError, JournalError, StorageError
from lesson.journal import JournalReader, JournalWriter, append_records, read_journal
from lesson.mending import mended
from lesson.records import FrozenUntil, Record, Start, Stop, encode_line
from tests.kit.lessons import moment
from tests.kit.strategies import records
from tests.lesson.test_records import line_of

FIVE: list[Record] = [FrozenUntil(at=10**n) for n in range(5)]
WHOLE = b"".join(encode_line(record) for record in FIVE)
LINE_ENDS = [len(b"".join(encode_line(record) for record in FIVE[:n])) for n in range(6)]
NEWLINE = 10
NEXT = FrozenUntil(at=99)


@given(st.lists(records, max_size=12))
def test_what_was_appended_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[Record]) -> None:
    path = tmp_path_factory.mktemp("j") / "deep" / "folder" / "journal.jsonl"
    with JournalWriter(path) as journal:
        for record in written:
            journal.append(record)
    assert read_journal(path) == written


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "none.jsonl")
    assert reader.poll() == []
    append_records(reader.path, FIVE)
    assert reader.poll() == FIVE
    assert reader.poll() == []


@pytest.mark.parametrize("tail", [b"", b"\0" * 700, b"garbage", b"{}", b'{"type":"'], ids=lambda tail: repr(tail[:10]))
def test_torn_at_every_byte_keeps_every_whole_line(tmp_path: Path, tail: bytes) -> None:
    """A power cut ends the file anywhere, and file systems fill what they allocated with NULs."""
    path = tmp_path / "journal.jsonl"
    for length in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:length] + tail)
        whole = FIVE[: sum(end <= length for end in LINE_ENDS[1:])]
        reader = JournalReader(path)
        assert reader.poll() == whole
        assert reader.torn_bytes == length + len(tail) - LINE_ENDS[len(whole)]
        append_records(path, [NEXT])
        assert reader.poll() == [NEXT]
        assert reader.damage == []
        assert path.read_bytes() == b"".join(encode_line(record) for record in [*whole, NEXT])


@pytest.mark.parametrize("tail", [b"\n", b"garbage\n", b"}\n"], ids=repr)
def test_a_last_line_that_has_its_line_end_is_damage_and_is_never_cut(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    for length in range(len(WHOLE) + 1):
        left = WHOLE[:length] + tail
        if WHOLE.startswith(left):  # the tail is just what is missing
            continue
        path.write_bytes(left)
        begun = max(end for end in LINE_ENDS if end <= length)
        reader = JournalReader(path)
        assert reader.poll() == FIVE[: LINE_ENDS.index(begun)]
        assert [(damage.offset, damage.length) for damage in reader.damage] == [(begun, len(left) - begun)]
        append_records(path, [NEXT])
        assert reader.poll() == [NEXT]
        assert len(reader.damage) == 1
        assert path.read_bytes() == left + encode_line(NEXT)


@given(at=st.integers(0, len(WHOLE) - 1), error=st.integers(1, 255))
def test_a_wrong_byte_costs_nothing_but_where_lines_end_and_is_reported(
    tmp_path_factory: pytest.TempPathFactory, at: int, error: int
) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    altered = bytearray(WHOLE)
    altered[at] ^= error
    path.write_bytes(altered)
    before = JournalReader(path)
    before.poll()
    assert before.damage or (at == len(WHOLE) - 1 and before.torn_bytes)  # without its line end the last one is torn
    append_records(path, [NEXT])
    reader = JournalReader(path)
    found = reader.poll()
    hit = sum(end <= at for end in LINE_ENDS) - 1
    lost: set[int] = set()
    if at == LINE_ENDS[hit + 1] - 1:  # without its newline a line runs into the next
        lost = {hit, hit + 1}
    elif altered[at] == NEWLINE:  # a line became two halves
        lost = {hit}
    kept = [record for n, record in enumerate(FIVE) if n not in lost]
    assert found == [*kept, NEXT]
    assert reader.damage or at == len(WHOLE) - 1
    assert reader.lost_lines == bool(lost) or at == len(WHOLE) - 1


@given(wrong=st.dictionaries(st.integers(0, len(encode_line(NEXT)) - 2), st.integers(1, 255), min_size=2, max_size=6))
def test_more_wrong_bytes_cost_the_line_and_never_make_another_of_it(wrong: dict[int, int]) -> None:
    altered = bytearray(encode_line(NEXT))
    for at, error in wrong.items():
        altered[at] ^= error
    assert mended(bytes(altered)) in {None, NEXT}


def test_what_is_no_line_at_all_is_not_mended() -> None:
    for line in (b"\n", b"{}\n", bytes(200) + b"\n", b"x" * 100_000 + b"\n", encode_line(NEXT) * 2):
        assert mended(line) is None


def test_a_whole_line_of_a_later_version_is_reported_and_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    later = line_of(b'{"type":"FrozenUntil","at":{"new":"shape"}}')
    path.write_bytes(WHOLE + later)
    reader = JournalReader(path)
    assert reader.poll() == FIVE
    assert [damage.offset for damage in reader.damage] == [len(WHOLE)]
    append_records(path, [NEXT])
    assert reader.poll() == [NEXT]
    assert path.read_bytes() == WHOLE + later + encode_line(NEXT)


@pytest.mark.parametrize(("missing", "made"), [("raw/teacher", True), ("lesson/raw/teacher", False)])
def test_a_stage_makes_its_own_folders_and_no_lesson(tmp_path: Path, missing: str, made: bool) -> None:
    path = tmp_path / missing / "journal.jsonl"
    if made:
        append_records(path, FIVE)
        assert read_journal(path) == FIVE
        return
    with pytest.raises(StorageError, match="No such file"):
        append_records(path, FIVE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["another file", "in its place", "moved there"])
def test_what_takes_the_place_of_a_journal_is_read_even_if_it_is_as_long(tmp_path: Path, how: str) -> None:
    """A Stop may be as long as the Start that was there before: who follows it would record for ever."""
    path, other = tmp_path / "control.jsonl", tmp_path / "other.jsonl"
    start, length = Start(at=moment(0), stood_by=True), len(encode_line(Start(at=moment(0), stood_by=True)))
    stop = next(one for n in range(99) if len(encode_line(one := Stop(at=moment(9), reason="x" * n))) == length)
    append_records(path, [start])
    reader = JournalReader(path)
    assert reader.poll() == [start]
    assert reader.poll() == []
    if how == "another file":
        path.unlink()
        append_records(path, [stop])
    elif how == "moved there":
        append_records(other, [stop])
        other.rename(path)
    else:
        path.write_bytes(encode_line(stop))
    assert path.stat().st_size == length
    assert reader.poll() == [stop]
    assert reader.poll() == []
    assert reader.taken_back == 1


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as first:
        with pytest.raises(JournalBusyError, match=r"journal\.jsonl"):
            JournalWriter(path)
        first.append(*FIVE)
    with pytest.raises(JournalError):
        first.append(NEXT)
    append_records(path, [NEXT])
    assert read_journal(path) == [*FIVE, NEXT]


def test_a_refused_second_writer_leaves_the_tail_of_the_first_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path):
        with path.open("ab") as file:
            file.write(WHOLE[: LINE_ENDS[2] - 3])
        with pytest.raises(JournalBusyError):
            JournalWriter(path)
        assert path.stat().st_size == LINE_ENDS[2] - 3


def test_a_folder_in_the_place_of_a_journal_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"journal\.jsonl: Is a directory"):
        JournalWriter(tmp_path / "journal.jsonl")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        JournalWriter(tmp_path / "file" / "journal.jsonl")


def test_a_failed_fsync_takes_the_line_back_and_readers_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line can be read before the disk refuses it; what is written in its place must not be misread."""
    path = tmp_path / "journal.jsonl"
    reader = JournalReader(path)
    with JournalWriter(path) as journal:
        journal.append(*FIVE[:3])
        assert reader.poll() == FIVE[:3]

        def refuse(_fd: int) -> None:
            seen.extend(reader.poll())
            raise OSError(errno.EIO, "Input/output error")

        seen: list[Record] = []
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            with pytest.raises(StorageError):
                journal.append(FIVE[3], FIVE[4])
        assert seen == FIVE[3:]
        with pytest.raises(JournalError, match="open the journal anew"):
            journal.append(NEXT)
    append_records(path, [NEXT, FIVE[4]])
    assert reader.poll() == [NEXT, FIVE[4]]
    assert reader.damage == []
    assert read_journal(path) == [*FIVE[:3], NEXT, FIVE[4]]


_FILL = """
import resource, sys
from pathlib import Path
from lesson.errors import StorageError
from lesson.journal import JournalWriter
from lesson.records import FrozenUntil
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
journal = JournalWriter(Path(sys.argv[1]))
committed = 0
try:
    while committed < 100_000:
        journal.append(FrozenUntil(at=committed))
        committed += 1
except StorageError as error:
    print(committed, type(error).__name__, error)
"""


def _fill(path: Path, *limit: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", _FILL, path, *limit], capture_output=True, text=True, check=True)
    committed, kind, message = done.stdout.split(maxsplit=2)
    return int(committed), kind, message.strip()


def test_a_file_that_may_not_grow_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    committed, kind, message = _fill(path, "5000")
    assert (kind, message) == ("StorageError", f"{path}: File too large")
    assert read_journal(path) == [FrozenUntil(at=n) for n in range(committed)]
    assert path.stat().st_size <= 5_000 < path.stat().st_size + 100
    append_records(path, [NEXT])
    assert read_journal(path)[-1] == NEXT


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount", path="/usr/bin") is None:
        pytest.skip("mounting a tiny disk needs root")
    mounted = subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let tests mount a tiny disk")
    yield folder
    subprocess.run(["/usr/bin/umount", folder], check=True)


def test_a_full_disk_is_named_and_corrupts_nothing(tiny_disk: Path) -> None:
    path = tiny_disk / "journal.jsonl"
    committed, kind, message = _fill(path)
    assert kind == "DiskFullError"
    assert message == f"{path}: no space left on the disk; free some and start again"
    assert read_journal(path) == [FrozenUntil(at=n) for n in range(committed)]
    with JournalWriter(path) as journal, pytest.raises(DiskFullError):
        journal.append(*[NEXT] * 1_000)
    assert read_journal(path) == [FrozenUntil(at=n) for n in range(committed)]


class Life(RuleBasedStateMachine):
    """A journal through any sequence of appends, crashes that tear the tail, new writers and followers."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.jsonl"
        self.committed: list[Record] = []
        self.torn = b""
        self.reader = JournalReader(self.path)
        self.read: list[Record] = []

    @rule(written=st.lists(records, min_size=1, max_size=3))
    def append(self, written: list[Record]) -> None:
        append_records(self.path, written)
        self.committed += written
        self.torn = b""

    @rule(record=records, keep=st.floats(0, 1))
    def crash_while_writing(self, record: Record, keep: float) -> None:
        line = encode_line(record)
        self.torn += line[: int(keep * (len(line) - 1))]
        if self.torn:
            self.path.write_bytes(b"".join(map(encode_line, self.committed)) + self.torn)

    @rule()
    def crash_leaving_nuls(self) -> None:
        self.torn += b"\0" * 512
        self.path.write_bytes(b"".join(map(encode_line, self.committed)) + self.torn)

    @rule()
    def follow(self) -> None:
        self.read += self.reader.poll()
        assert self.read == self.committed
        assert self.reader.damage == []

    @invariant()
    def a_fresh_reader_sees_what_was_committed(self) -> None:
        if hasattr(self, "path"):
            assert read_journal(self.path) == self.committed

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25)


def test_a_signal_during_the_fsync_takes_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may have the line already: a conductor that saw it ends the writer, whose fsync is still going on."""
    path = tmp_path / "journal.jsonl"
    reader = JournalReader(path)

    def interrupted(_fd: int) -> None:
        raise SystemExit(143)

    with JournalWriter(path) as journal:
        monkeypatch.setattr("lesson.journal.os.fsync", interrupted)
        with pytest.raises(SystemExit):
            journal.append(FrozenUntil(at=1, final=True))
        monkeypatch.undo()
    assert reader.poll() == [FrozenUntil(at=1, final=True)]
    with JournalWriter(path):
        assert read_journal(path) == [FrozenUntil(at=1, final=True)]
