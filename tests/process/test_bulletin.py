"""What the conductor says in memory: read by another process, also when its writer stands still."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from process.bulletin import _HEAD, BulletinReader, BulletinWriter, LookRequests, ask_for_look
from tests.kit.programme import environment
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's")


@pytest.fixture
def writer() -> Iterator[BulletinWriter]:
    writer = BulletinWriter()
    yield writer
    writer.close()


def reader_of(writer: BulletinWriter) -> BulletinReader:
    assert writer.path is not None
    return BulletinReader(writer.path)


def test_the_newest_lines_are_read_and_their_age_counts_from_the_last_beat(writer: BulletinWriter) -> None:
    reader = reader_of(writer)
    for lines in ((b"one\n", b"two\n"), (b"three\n",), ()):
        writer.write(lines)
        said = reader.read()
        assert said is not None
        assert said.lines == lines
        assert said.age_s < 5
    wait_until(lambda: (said := reader.read()) is not None and said.age_s > 0.3, 20)
    writer.write(())  # the same lines: only the beat is new
    again = reader.read()
    assert again is not None
    assert again.age_s < 0.3


def test_another_process_reads_it(writer: BulletinWriter) -> None:
    writer.write([b"a fault\n"])
    code = "import sys; from process.bulletin import BulletinReader; from pathlib import Path; "
    code += "sys.stdout.buffer.write(b''.join(BulletinReader(Path(sys.argv[1])).read().lines))"
    done = subprocess.run([sys.executable, "-c", code, str(writer.path)], capture_output=True, env=environment())
    assert done.stdout == b"a fault\n", done.stderr


def test_a_writer_that_stopped_in_the_middle_leaves_the_beat_readable(tmp_path: Path) -> None:
    path = tmp_path / "bulletin"
    path.write_bytes(_HEAD.pack(0, 4, 1) + b"torn")
    said = BulletinReader(path).read()
    assert said is not None
    assert said.lines is None
    assert said.age_s > 0


def test_without_one_nothing_is_said(tmp_path: Path) -> None:
    assert BulletinReader(tmp_path / "none").read() is None


def test_another_process_may_be_the_writer_in_memory_that_this_one_made(writer: BulletinWriter) -> None:
    code = "import sys; from process.bulletin import BulletinWriter; from pathlib import Path; "
    code += "BulletinWriter(Path(sys.argv[1])).write([b'a look\\n'])"
    subprocess.run([sys.executable, "-c", code, str(writer.path)], check=True, env=environment())
    said = reader_of(writer).read()
    assert said is not None
    assert said.lines == (b"a look\n",)


def test_who_writes_where_nobody_reads_any_more_does_no_harm(tmp_path: Path) -> None:
    BulletinWriter(tmp_path / "gone").write([b"a look\n"])


def test_a_wish_is_known_to_whoever_made_its_memory() -> None:
    look_requests = LookRequests()
    assert look_requests.path is not None
    assert look_requests.look_asked_ns() == 0
    first = ask_for_look(BulletinWriter(look_requests.path))
    assert look_requests.look_asked_ns() == first
    assert ask_for_look(BulletinWriter(look_requests.path)) == look_requests.look_asked_ns() > first
    look_requests.close()
