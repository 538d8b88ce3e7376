"""Kinds of damage to a file, as power cuts, bad disks and people leave them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def _bytes(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _missing(path: Path) -> None:
    path.unlink()


def _broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


HEADER_DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": _bytes(b""),
    "cut": _cut,
    "zeros": _zeros,
    "binary": _bytes(b"\xff\xfe\x00{}"),
    "wrong type": _bytes(b"[]"),
    "wrong members": _bytes(b'{"schema": 1, "id": 7, "sources": "none"}'),
    "newer schema": _bytes(b'{"schema": 99}'),
    "deep": _bytes(b"[" * 100_000),
    "missing": _missing,
    "a folder": _folder,
    "a broken link": _broken_link,
    "a link to itself": _circle,  # stands for what cannot be read: the tests may run as root
}
"""What may become of a `lesson.json`; each leaves it unreadable."""


def _one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x01
    path.write_bytes(data)


def _some_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, min(len(data), len(data) // 3 + 2_000)):
        data[at] ^= 0x55
    path.write_bytes(data)


def _another(path: Path) -> None:
    """The segment before it, whole, in its place."""
    path.write_bytes((path.parent / f"{int(path.stem) - 1:06d}.mkv").read_bytes())


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SEGMENT_DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": _bytes(b""),
    "cut": _cut,
    "zeros": _zeros,
    "one byte": _one_byte,
    "some bytes": _some_bytes,
    "another segment": _another,
    "missing": _missing,
    "a folder": _folder,
    "a pipe": _pipe,
    "a link to itself": _circle,
}
"""What may become of a committed segment, of which there is one before it."""
