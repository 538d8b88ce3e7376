"""Preloaded libraries that bend one system call, with the number by which they bend it, or tell of it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Shim:
    """Environment for processes to be bent; `set` changes by how much, for those that run too."""

    env: dict[str, str]
    _value: Path

    def set(self, value: float) -> None:
        with self._value.open("r+b") as file:  # in place: the processes have it mapped
            file.write(struct.pack("d", value))


def slow_fsync(folder: Path, milliseconds: float = 0.0) -> Shim:
    """Each fsync takes so much longer. Skips the test without a compiler."""
    return _shim(folder, "slow_fsync", "SLOW_FSYNC", milliseconds)


def wall_clock(folder: Path, seconds: float = 0.0) -> Shim:
    """The wall clock is ahead by so much. Skips the test without a compiler."""
    return _shim(folder, "wall_clock", "WALL_CLOCK_OFFSET", seconds)


@dataclass(frozen=True, slots=True)
class Told:
    """Environment for processes whose fsyncs are told, and what was told so far."""

    env: dict[str, str]
    _file: Path

    def promised(self) -> dict[Path, int]:
        """Bytes of each file that the disk said it has."""
        sizes: dict[Path, int] = {}
        for size, path in self._lines():
            sizes[path] = max(size, sizes.get(path, 0))
        return sizes

    def _lines(self) -> list[tuple[int, Path]]:
        if not self._file.is_file():
            return []
        fields = (line.split(" ", 1) for line in self._file.read_text().splitlines())
        return [(int(size), Path(path)) for size, path in fields]


def told_fsync(folder: Path) -> Told:
    """What the disk promised is told in a file, which should lie on another disk. Skips without a compiler."""
    told = folder / "fsyncs"
    return Told({"LD_PRELOAD": str(_library(folder, "told_fsync")), "TOLD_FSYNC": str(told)}, told)


def _shim(folder: Path, name: str, variable: str, value: float) -> Shim:
    library, number = _library(folder, name), folder / f"{name}.number"
    number.write_bytes(struct.pack("d", value))
    return Shim({"LD_PRELOAD": str(library), variable: str(number)}, number)


def _library(folder: Path, name: str) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip(f"no gcc: {name}.c cannot be built")
    library = folder / f"{name}.so"
    if not library.exists():
        argv = [compiler, "-O1", "-shared", "-fPIC", "-o", library, _HERE / f"{name}.c", "-ldl", "-lm"]
        subprocess.run(argv, check=True)
    return library
