from __future__ import annotations

from pathlib import Path

import pytest

from classroom.importing import import_files, parse_files
from classroom.settings import Settings
from lesson.errors import ClassreelError, ConfigError
from lesson.model import Role


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
