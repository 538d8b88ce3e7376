"""Kinds of damage to a file, as power cuts, bad disks and people leave them."""

from __future__ import annotations

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
