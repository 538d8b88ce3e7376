"""The button: pressed twice, by two phones, after a crash, beside damaged old lessons."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lesson.catalogue import Catalogue
from lesson.folder import LessonFolder, lessons_in
from lesson.journal import read_journal
from lesson.lifecycle import LessonTemplate, root_lock, start_lesson, stop_lesson, window
from lesson.records import Start, Stop
from tests.kit.lessons import TEACHER_AND_MIC, TINY_LADDER, make_lesson, moment, source, start

TEMPLATE = LessonTemplate(
    room="Room 3", timezone="Asia/Shanghai", languages=("bo",), sources=TEACHER_AND_MIC, ladder=TINY_LADDER
)


def test_a_started_lesson_is_the_running_one(tmp_path: Path) -> None:
    folder, new = start_lesson(tmp_path / "root", TEMPLATE, title="  Fractions ", for_s=2_700)
    assert new
    assert Catalogue(tmp_path / "root").running() is not None
    assert (folder.header.title, folder.header.room) == ("Fractions", "Room 3")
    [begun] = read_journal(folder.control_journal)
    assert isinstance(begun, Start)
    assert begun.for_s == 2_700
    assert window(folder) == (begun, None)


def test_an_untitled_lesson_has_the_name_of_its_room(tmp_path: Path) -> None:
    assert start_lesson(tmp_path, TEMPLATE, title=" ")[0].header.title == "Room 3"


def test_pressing_again_gives_the_same_lesson(tmp_path: Path) -> None:
    first, _ = start_lesson(tmp_path, TEMPLATE)
    again, new = start_lesson(tmp_path, TEMPLATE, title="another")
    assert (again.id, new) == (first.id, False)
    assert stop_lesson(tmp_path, first) is True
    assert stop_lesson(tmp_path, first, reason="again") is False
    assert [type(record) for record in read_journal(first.control_journal)] == [Start, Stop]
    assert Catalogue(tmp_path).running() is None
    assert start_lesson(tmp_path, TEMPLATE)[1] is True


def test_many_phones_start_one_lesson_and_stop_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as phones:
        started = list(phones.map(lambda _: start_lesson(tmp_path, TEMPLATE), range(40)))
        assert sum(new for _, new in started) == 1
        assert len({folder.id for folder, _ in started}) == 1
        stopped = list(phones.map(lambda _: stop_lesson(tmp_path, started[0][0]), range(40)))
    assert sum(stopped) == 1
    assert len(list(lessons_in(tmp_path))) == 1


_START = """
import sys
from pathlib import Path
from lesson.lifecycle import start_lesson
from tests.lesson.test_lifecycle import TEMPLATE
sys.stdin.readline()
for _ in range(10):
    folder, new = start_lesson(Path(sys.argv[1]), TEMPLATE)
    print(folder.id, new)
"""


def test_two_processes_start_one_lesson(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _START, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [line.split() for process in processes for line in process.communicate(timeout=60)[0].splitlines()]
    assert len(said) == 30
    assert len({lesson_id for lesson_id, _ in said}) == 1
    assert [new for _, new in said].count("True") == 1


def test_imports_and_unstarted_lessons_are_not_running(tmp_path: Path) -> None:
    start(make_lesson(tmp_path, "imported", sources=(source("teacher", imported=True),)))
    make_lesson(tmp_path, "created-only")
    assert Catalogue(tmp_path).running() is None


@pytest.mark.parametrize("header", [b"", b"{}", b'{"schema": 99}'])
def test_a_damaged_old_lesson_does_not_keep_the_next_class_waiting(tmp_path: Path, header: bytes) -> None:
    old = make_lesson(tmp_path, "99999999-old")
    start(old)
    old.header_path.write_bytes(header)
    old.header_copy.unlink()
    folder, new = start_lesson(tmp_path, TEMPLATE)
    assert new
    running = Catalogue(tmp_path).running()
    assert running is not None
    assert running.id == folder.id


def test_a_lesson_can_be_stopped_at_an_earlier_moment(tmp_path: Path) -> None:
    folder, _ = start_lesson(tmp_path, TEMPLATE)
    stop_lesson(tmp_path, folder, reason="window over", at=moment(5))
    assert window(LessonFolder(folder.path))[1] == Stop(at=moment(5), reason="window over")


def test_the_root_lock_lets_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), root_lock(tmp_path):
        raise RuntimeError
    with root_lock(tmp_path):
        assert Catalogue(tmp_path).running() is None
