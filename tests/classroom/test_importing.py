from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classroom.importing import import_files, parse_files
from classroom.settings import Settings
from lesson.errors import ClassreelError, ConfigError, UnusableMediaError
from lesson.model import Kind, Role
from lesson.view import load_state
from tests.kit.clips import marked_clip


def test_roles_files_and_offsets() -> None:
    files = parse_files(["teacher=a=b.mp4", "board=c.mp4", "board=d.mp4"], ["board=1.5"])
    assert [(f.role, str(f.path), f.start) for f in files] == [
        (Role.TEACHER, "a=b.mp4", 0),
        (Role.BOARD, "c.mp4", 72_000),
        (Role.BOARD, "d.mp4", 72_000),
    ]


def test_a_file_that_starts_earlier_shifts_the_others() -> None:
    files = parse_files(["teacher=a.mp4", "mic=b.wav"], ["mic=-2"])
    assert [f.start for f in files] == [96_000, 0]


@pytest.mark.parametrize(
    ("sources", "offsets", "message"),
    [
        (["teacher"], [], "write ROLE=VALUE"),
        (["teacher="], [], "write ROLE=VALUE"),
        (["pupil=a.mp4"], [], "no role 'pupil'; there is teacher"),
        (["teacher=a.mp4"], ["board=1"], "there is no --source board="),
        (["teacher=a.mp4"], ["teacher=soon"], "write seconds"),
        (["teacher=a.mp4"], ["teacher=nan"], "write seconds"),
        (["teacher=a.mp4"], ["teacher=inf"], "write seconds"),
    ],
)
def test_wrong_arguments_are_one_line(sources: list[str], offsets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_files(sources, offsets)


@pytest.mark.parametrize("content", [None, b"", b"not a video at all" * 100])
def test_a_file_that_cannot_be_used_leaves_nothing(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "broken.mp4"
    if content is not None:
        file.write_bytes(content)
    root = tmp_path / "root"
    with pytest.raises(ClassreelError, match=r"broken\.mp4"):
        import_files(parse_files([f"teacher={file}"], []), Settings(root=root), None)
    assert not root.exists() or not any(p.is_dir() and any(p.iterdir()) for p in root.iterdir())


SIGNS = "a% #'\"[](){}&+,;=?:*|\\~$!\n张老师课བོད་üé\u200f"
NAMES = st.one_of(
    st.text(st.sampled_from(SIGNS), min_size=1, max_size=20).map(str.encode), st.binary(min_size=1, max_size=40)
).filter(lambda name: not {0, ord("/")} & set(name) and name not in {b".", b".."})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return marked_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=1)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=5, max_size=5, unique=True), folder=NAMES)
def test_whatever_can_be_opened_can_be_imported(
    clip: Path, names: list[bytes], folder: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("names")
    (home / os.fsdecode(folder)).mkdir()
    paths = [home / os.fsdecode(folder) / os.fsdecode(name) for name in names]
    for path in paths:
        path.hardlink_to(clip)
    lesson = import_files(parse_files([f"board={path}" for path in paths], []), Settings(root=home / "root"), None)
    state = load_state(lesson)
    counts = [[s.video.packets for s in source.segments if s.video] for source in state.sources.values()]
    assert counts == [[25]] * 5
    assert all(source.has(Kind.AUDIO) for source in state.sources.values())


@pytest.mark.parametrize("name", ["a b.mp4", "c:d.mp4", "file:e.mp4", "../f.mp4", "-g.mp4"])
def test_paths_from_where_one_stands(clip: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path(name).hardlink_to(clip)
    lesson = import_files(parse_files([f"board={name}"], []), Settings(root=tmp_path / "root"), None)
    assert [segment.bytes > 1_000 for segment in load_state(lesson).sources["board"].segments] == [True]


@pytest.mark.parametrize(
    ("existing", "given", "expected"),
    [
        (["a", "b"], "a+b", ["a", "b"]),
        (["a", "b", "a+b"], "a+b", ["a+b"]),
        (["a+b", "c"], "a+b+c", ["a+b", "c"]),
        (["a", "b+c", "b", "c"], "a+b+c", ["a", "b+c"]),
        (["a", "a+b", "b+c"], "a+b+c", ["a", "b+c"]),
        (["a+", "+b"], "a+++b", ["a+", "+b"]),
        (["a", "b"], "a+a+b", ["a", "a", "b"]),
        ([], "a", ["a"]),
    ],
)
def test_a_plus_parts_files_or_is_in_their_names(
    existing: list[str], given: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in existing:
        Path(name).touch()
    (found,) = parse_files([f"teacher={given}"], [])
    assert [str(path) for path in found.paths] == expected


def test_a_part_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").touch()
    with pytest.raises(
        ConfigError, match=r"^a\.mp4\+b\.mp4: there is no such file, and of its parts there is no b\.mp4$"
    ):
        parse_files(["teacher=a.mp4+b.mp4"], [])


@contextmanager
def _unlike_a_file(path: Path, kind: str) -> Iterator[Path]:
    """Something at `path` that can be opened, or waited for, but is no file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            yield path
        return
    else:
        path = Path("/dev/zero")
    yield path


@pytest.mark.parametrize(
    ("kind", "says"),
    [("pipe", "a named pipe"), ("socket", "a socket"), ("device", "a device"), ("folder", "Is a directory")],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, says: str) -> None:
    signal.alarm(5)  # a pipe without a writer holds up whoever opens it
    try:
        with (
            _unlike_a_file(tmp_path / "x.mp4", kind) as path,
            pytest.raises(UnusableMediaError, match=rf"^[^\n]*: {says}"),
        ):
            import_files(parse_files([f"teacher={path}"], []), Settings(root=tmp_path / "root"), None)
    finally:
        signal.alarm(0)
