"""One setting decides who may read what is written, whatever umask the program was started with."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesson.folder import lessons_in
from process.share import Share
from tests.kit.places import ROOT
from tests.kit.programme import environment, result_of

pytestmark = pytest.mark.slow

FILES = {Share.OWNER: 0o600, Share.GROUP: 0o640, Share.EVERYONE: 0o644}
FOLDERS = {Share.OWNER: 0o700, Share.GROUP: 0o750, Share.EVERYONE: 0o755}

EVERYTHING = """
import subprocess, sys
from pathlib import Path
from process.share import Share, share_with
root = Path(sys.argv[1]) / "root"
share_with(Share(sys.argv[2]))
from lesson.durable import write_atomic
from lesson.lifecycle import root_lock
from publish.body import HeldBody
from publish.folder_store import FolderStore
from tests.kit.lessons import make_lesson, record_all
from tests.kit.room import draw_segment
with root_lock(root):
    record_all(make_lesson(root))
draw_segment(root / "muxed" / "000000.mkv")
write_atomic(root / "atomic", b"x")
FolderStore(root / "store").put("l1/v180/a", HeldBody(b"x"), content_type="", cache_control="")
subprocess.run([sys.executable, "-c", "import sys; open(sys.argv[1], 'w').close()", str(root / "child")], check=True)
"""


def with_umask(umask: int, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=240, umask=umask,
        env=environment(), cwd=cwd or ROOT,
    )  # fmt: skip


def below(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


def assert_modes(root: Path, share: Share) -> int:
    """Compare the mode of everything in `root`; gives the number of files."""
    count = 0
    for path in below(root):
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = FOLDERS[share] if path.is_dir() else FILES[share]
        assert mode == wanted, f"{path}: {mode:o} instead of {wanted:o}"
        count += path.is_file()
    return count


@pytest.mark.parametrize("umask", [0, 0o077])
@pytest.mark.parametrize("share", Share)
def test_everything_that_is_created_is_shared_alike(tmp_path: Path, share: Share, umask: int) -> None:
    done = with_umask(umask, sys.executable, "-c", EVERYTHING, tmp_path, share)
    assert done.returncode == 0, done.stderr
    assert assert_modes(tmp_path / "root", share) >= 10


@pytest.mark.parametrize("share", [Share.GROUP, Share.EVERYONE])
def test_a_recorded_lesson_and_its_store(tmp_path: Path, share: Share) -> None:
    """Started with a umask that would open everything to all."""
    config = tmp_path / "classroom.toml"
    config.write_text(
        f'root = "{tmp_path}/root"\nshare = "{share}"\n[store]\nurl = "file://{tmp_path}/store"\n'
        '[[sources]]\nid = "teacher"\nrole = "teacher"\nuri = "test:teacher?size=320x180"\n'
        '[[sources]]\nid = "mic"\nrole = "mic"\nuri = "test:tone"\n'
    )
    command = (sys.executable, "-P", "-m", "classroom", "record", "--for", "5s", "--config", config, "--json")
    result = result_of(with_umask(0, *command))
    (folder,) = lessons_in(tmp_path / "root")
    written = {path.parent.name for path in folder.path.rglob("*") if path.is_file()}
    assert {"log", "e00", "observe", "plan", "voice", "v180", "pub"} <= written
    assert assert_modes(tmp_path / "root", share) > 20
    assert assert_modes(tmp_path / "store", share) > 10
    assert result["problems"] == []
    for path in (tmp_path / "store").rglob("*.*"):
        for private in (str(tmp_path), "test:teacher"):
            assert private.encode() not in path.read_bytes(), path
