"""A disk of its own for a test: a file system in a file, filled, made read-only, or cut off from its power."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.outside import waited

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, that is _IOR('X', 125, u32)
_FREEZE, _THAW = 0xC0045877, 0xC0045878  # FIFREEZE, FITHAW
_NO_LOG_FLUSH = 2  # not even the journal: what was not synced is gone
_MIB = 1 << 20


class Disk:
    """A mounted file system; `path` is its folder."""

    def __init__(self, image: Path, path: Path) -> None:
        self._image, self.path = image, path

    def mount(self) -> None:
        _run("/bin/mount", "-o", "loop", self._image, self.path)

    def unmount(self) -> None:
        """Raises `AssertionError` when something goes on using it."""
        assert waited(self._unmounted, 20), f"{self.path} is in use"

    def _unmounted(self) -> bool:
        return subprocess.run(["/bin/umount", self.path], capture_output=True, check=False).returncode == 0

    def unplug(self) -> None:
        """From now on its bare folder is there; who has a file open may still write to it."""
        _run("/bin/umount", "-l", self.path)

    def cut_power(self) -> None:
        """From now on every access fails, and nothing that was not synced will ever be there."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(fd)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Whoever writes waits, as for a disk that does not answer."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _FREEZE, 0)
            try:
                yield
            finally:
                fcntl.ioctl(fd, _THAW, 0)
        finally:
            os.close(fd)

    def power_again(self) -> None:
        """As the machine finds it after the cut: the file system's own journal is replayed."""
        self.unmount()
        self.mount()

    def fill(self, *, leave: int) -> Path:
        """A file that takes all space but `leave` bytes."""
        ballast = self.path / "ballast"
        size = shutil.disk_usage(self.path).free - leave
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        return ballast

    def fail(self) -> None:
        """As the kernel does it at a disk's error: read-only from now on (ext4)."""
        _run("/bin/mount", "-o", "remount,abort", self.path)


@contextmanager
def disk(folder: Path, system: str = "ext4", *, size: int = 400 * _MIB) -> Iterator[Disk]:
    """A disk of `size` bytes (xfs needs 300 MiB). Skips the test where none can be mounted."""
    maker = shutil.which(f"mkfs.{system}", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if os.geteuid() != 0 or maker is None:
        pytest.skip(f"a disk of its own needs root and mkfs.{system}")
    folder.mkdir(parents=True, exist_ok=True)
    image, path = folder / "image", folder / "disk"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    _run(maker, "-q", "-F" if system == "ext4" else "-f", image)
    made = Disk(image, path)
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk can be mounted: {error.stderr.strip()}")
    try:
        yield made
    finally:
        made.unmount()
        image.unlink()


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)
